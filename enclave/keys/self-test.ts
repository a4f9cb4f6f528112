// Known answers of the signature libraries, one of each scheme, checked at boot before any key is
// loaded: a library that was built for another processor, or a wrong domain separation tag, must
// never sign for anyone. All schemes, whatever keys will come: that takes 0.2 s, and leaves no
// order of things in which one is used untested.

import { PublicKey, SecretKey, Signature, verify } from "@chainsafe/blst";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { parseHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { isScheme, SCHEMES, type Scheme } from "../../shared/scheme.ts";
import { MESSAGE_SIGNATURES } from "./message-signature.ts";
import type { MessageSignature } from "./message-signer.ts";
import {
  SELF_TEST_VECTORS,
  type SelfTestVector,
  type SelfTestVectors,
} from "./self-test-vector.ts";

type Subject = Pick<MessageSignature, "open" | "verify">;
export type SelfTestSubjects = Readonly<Record<Scheme, Subject>>;

export const SELF_TEST_SUBJECTS: SelfTestSubjects = {
  "bls12381-pop": {
    open: (secret) => {
      const key = SecretKey.fromBytes(secret);
      const publicKey = key.toPublicKey().toBytes();
      return { publicKey, sign: (root) => key.sign(root).toBytes() };
    },
    verify: (publicKey, root, signature) =>
      verify(
        root,
        PublicKey.fromBytes(publicKey, true),
        Signature.fromBytes(signature, true, true),
        true,
        true,
      ),
  },
  ...MESSAGE_SIGNATURES,
};

export function verifySelfTest(
  vectors: SelfTestVectors = SELF_TEST_VECTORS,
  subjects: SelfTestSubjects = SELF_TEST_SUBJECTS,
): Result<null, Refusal<"SIGN_SELF_TEST">> {
  const isSound = Object.entries(subjects).every(
    ([name, subject]) => isScheme(name) && isSubjectSound(name, subject, vectors[name]),
  );
  return isSound ? ok(null) : err(refusal("SIGN_SELF_TEST"));
}

/** Derives, signs and verifies; a message with one flipped bit must not verify. */
function isSubjectSound(scheme: Scheme, subject: Subject, vector: SelfTestVector): boolean {
  const { secretKeyBytes, publicKeyBytes, signatureBytes } = SCHEMES[scheme];
  const secret = parseHex(vector.secret, secretKeyBytes);
  const publicKey = parseHex(vector.publicKey, publicKeyBytes);
  const message = parseHex(vector.message);
  const signature = parseHex(vector.signature, signatureBytes);
  if (!secret.ok || !publicKey.ok || !message.ok || !signature.ok) return false;
  if (message.value.length === 0) return false;
  try {
    const signer = subject.open(secret.value);
    if (signer === null) return false;
    const other = message.value.slice();
    other[0] = (other[0] ?? 0) ^ 1;
    return (
      isEqualBytes(signer.publicKey, publicKey.value) &&
      isEqualBytes(signer.sign(message.value), signature.value) &&
      subject.verify(publicKey.value, message.value, signature.value) &&
      !subject.verify(publicKey.value, other, signature.value)
    );
  } catch {
    return false;
  }
}
