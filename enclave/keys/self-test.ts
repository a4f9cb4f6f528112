// Known answers of the signature library, checked at boot before any key is loaded: a library that
// was built for another processor, or a wrong domain separation tag, must never sign for anyone.
// The vector is of ethereum/bls12-381-tests (sign_case_84d45c9c7cca6b92), also reproduced with
// @noble/curves in the tests.

import { PublicKey, SecretKey, Signature, verify } from "@chainsafe/blst";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { parseHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";

/** A published test key. */
export const SELF_TEST_VECTOR = {
  secret: "263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3",
  publicKey:
    "a491d1b0ecd9bb917989f0e74f0dea0422eac4a873e5e2644f368dffb9a6e20f" +
    "d6e10c1b77654d067c0618f6e5a7f79a",
  message: "5656565656565656565656565656565656565656565656565656565656565656",
  signature:
    "882730e5d03f6b42c3abc26d3372625034e1d871b65a8a6b900a56dae22da98a" +
    "bbe1b68f85e49fe7652a55ec3d0591c20767677e33e5cbb1207315c41a9ac03b" +
    "e39c2e7668edc043d6cb1d9fd93033caa8a1c5b0e84bedaeb6c64972503a43eb",
} as const;

export type SelfTestVector = Readonly<Record<keyof typeof SELF_TEST_VECTOR, string>>;

/** Derives, signs and verifies; a message with one flipped bit must not verify. */
export function verifySelfTest(
  vector: SelfTestVector = SELF_TEST_VECTOR,
): Result<null, Refusal<"SIGN_SELF_TEST">> {
  const secret = parseHex(vector.secret, 32);
  const publicKey = parseHex(vector.publicKey, 48);
  const message = parseHex(vector.message, 32);
  const signature = parseHex(vector.signature, 96);
  if (!secret.ok || !publicKey.ok || !message.ok || !signature.ok) {
    return err(refusal("SIGN_SELF_TEST"));
  }
  try {
    const secretKey = SecretKey.fromBytes(secret.value);
    const derived = secretKey.toPublicKey().toBytes();
    const signed = secretKey.sign(message.value).toBytes();
    const key = PublicKey.fromBytes(publicKey.value, true);
    const given = Signature.fromBytes(signature.value, true, true);
    const other = message.value.slice();
    other[31] = (other[31] ?? 0) ^ 1;
    const isSound =
      isEqualBytes(derived, publicKey.value) &&
      isEqualBytes(signed, signature.value) &&
      verify(message.value, key, given, true, true) &&
      !verify(other, key, given, true, true);
    return isSound ? ok(null) : err(refusal("SIGN_SELF_TEST"));
  } catch {
    return err(refusal("SIGN_SELF_TEST"));
  }
}
