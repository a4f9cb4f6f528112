import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { test } from "node:test";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { verifySelfTest } from "../../../../enclave/keys/self-test.ts";
import { SELF_TEST_VECTORS } from "../../../../enclave/keys/self-test-vector.ts";
import { isScheme, SCHEMES } from "../../../../shared/scheme.ts";

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
  const schemes = Object.keys(SCHEMES).filter(isScheme);
  assert.equal(schemes.length, 5);
  for (const scheme of schemes) {
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
