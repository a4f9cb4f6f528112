import assert from "node:assert/strict";
import { test } from "node:test";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { SELF_TEST_VECTOR, verifySelfTest } from "../../../../enclave/keys/self-test.ts";

test("the signature self-test passes, and its answer is also that of @noble/curves", () => {
  assert.ok(verifySelfTest().ok);
  const { longSignatures } = bls12_381;
  const message = Buffer.from(SELF_TEST_VECTOR.message, "hex");
  const hashed = longSignatures.hash(message, "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_");
  const secret = Buffer.from(SELF_TEST_VECTOR.secret, "hex");
  const signature = longSignatures.Signature.toBytes(longSignatures.sign(hashed, secret));
  assert.equal(Buffer.from(signature).toString("hex"), SELF_TEST_VECTOR.signature);
});

test("the signature self-test fails when any part of its vector differs", () => {
  for (const name of ["secret", "publicKey", "message", "signature"] as const) {
    const text = SELF_TEST_VECTOR[name];
    const last = text.endsWith("3") ? "4" : "3";
    for (const wrong of [`${text.slice(0, -1)}${last}`, text.slice(2), "", "zz"]) {
      const outcome = verifySelfTest({ ...SELF_TEST_VECTOR, [name]: wrong });
      assert.ok(!outcome.ok, `${name} ${wrong}`);
      assert.equal(outcome.error.code, "SIGN_SELF_TEST");
    }
  }
});
