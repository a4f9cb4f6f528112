import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { test } from "node:test";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { SELF_TEST_SUBJECTS, verifySelfTest } from "../../../../enclave/keys/self-test.ts";
import { SELF_TEST_VECTORS } from "../../../../enclave/keys/self-test-vector.ts";
import { isScheme, SCHEMES } from "../../../../shared/scheme.ts";

const SCHEME_NAMES = Object.keys(SCHEMES).filter(isScheme);
const PARTS = ["secret", "publicKey", "message", "signature"] as const;

test("the signature self-test passes, and Ethereum's answer is also that of @noble/curves", () => {
  assert.ok(verifySelfTest().ok);
  const vector = SELF_TEST_VECTORS["bls12381-pop"];
  const { longSignatures } = bls12_381;
  const message = Buffer.from(vector.message, "hex");
  const hashed = longSignatures.hash(message, "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_");
  const secret = Buffer.from(vector.secret, "hex");
  const signature = longSignatures.Signature.toBytes(longSignatures.sign(hashed, secret));
  assert.equal(Buffer.from(signature).toString("hex"), vector.signature);
});

test("the answer of secp256k1 is one that OpenSSL verifies", () => {
  const vector = SELF_TEST_VECTORS.secp256k1;
  const point = secp256k1.Point.fromHex(vector.publicKey).toBytes(false);
  const base64url = (from: number) =>
    Buffer.from(point.subarray(from, from + 32)).toString("base64url");
  const jwk = { kty: "EC", crv: "secp256k1", x: base64url(1), y: base64url(33) };
  const key = createPublicKey({ key: jwk, format: "jwk" });
  const [message, signature] = [vector.message, vector.signature].map((hex) =>
    Buffer.from(hex, "hex"),
  );
  assert(message !== undefined && signature !== undefined);
  assert.ok(verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature));
});

test("the signature self-test fails when any part of any vector differs", () => {
  assert.equal(SCHEME_NAMES.length, 5);
  for (const scheme of SCHEME_NAMES) {
    for (const name of PARTS) {
      const vector = SELF_TEST_VECTORS[scheme];
      const text = vector[name];
      const last = text.endsWith("3") ? "4" : "3";
      for (const wrong of [`${text.slice(0, -1)}${last}`, text.slice(2), "", "zz"]) {
        const vectors = { ...SELF_TEST_VECTORS, [scheme]: { ...vector, [name]: wrong } };
        const outcome = verifySelfTest(vectors);
        assert.ok(!outcome.ok, `${scheme} ${name} ${wrong}`);
        assert.equal(outcome.error.code, "SIGN_SELF_TEST");
      }
    }
  }
});

function flip(bytes: Uint8Array): Uint8Array {
  return bytes.with(0, (bytes[0] ?? 0) ^ 1);
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

test("the signature self-test notices each thing that a library may do wrong", () => {
  for (const scheme of SCHEME_NAMES) {
    const sound = SELF_TEST_SUBJECTS[scheme];
    const vector = SELF_TEST_VECTORS[scheme];
    const signer = sound.open(Buffer.from(vector.secret, "hex"));
    assert(signer !== null);
    const wrong: readonly (readonly [string, Partial<typeof sound>])[] = [
      ["takes no key", { open: () => null }],
      ["derives another key", { open: () => ({ ...signer, publicKey: flip(signer.publicKey) }) }],
      ["signs wrongly", { open: () => ({ ...signer, sign: (text) => flip(signer.sign(text)) }) }],
      [
        "signs something else",
        { open: () => ({ ...signer, sign: (text) => signer.sign(flip(text)) }) },
      ],
      ["verifies nothing", { verify: () => false }],
      ["verifies anything", { verify: () => true }],
      [
        "does not look at the first bit",
        { verify: (_, text) => hexOf(text).slice(2) === vector.message.slice(2) },
      ],
      ["throws when it opens", { open: () => assert.fail() }],
      ["throws when it verifies", { verify: () => assert.fail() }],
    ];
    for (const [fault, change] of wrong) {
      const subjects = { ...SELF_TEST_SUBJECTS, [scheme]: { ...sound, ...change } };
      const outcome = verifySelfTest(SELF_TEST_VECTORS, subjects);
      assert.equal(outcome.ok ? "ok" : outcome.error.code, "SIGN_SELF_TEST", `${scheme} ${fault}`);
    }
  }
});
