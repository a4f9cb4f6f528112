// BLS signatures by another library than ours: what a signature has to be equal to.

import assert from "node:assert/strict";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { KeyMaterial } from "../../enclave/keys/key-material.ts";
import { RootKey } from "../../enclave/keys/signing-key.ts";
import { bundleKeyOf, secretOf } from "./sealed-keys.ts";

const SUITE = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const KEY_NUMBER = 20_260_731;

const { longSignatures } = bls12_381;
const ourKey = RootKey.load(bundleKeyOf(KEY_NUMBER), new KeyMaterial(1), 0);

/** Our signature of the root is the one that @noble/curves makes with the same secret. */
export function compareSignature(signingRoot: Uint8Array): void {
  assert(ourKey !== undefined);
  const theirs = longSignatures.sign(longSignatures.hash(signingRoot, SUITE), secretOf(KEY_NUMBER));
  assert.deepEqual(
    new Uint8Array(ourKey.sign(signingRoot)),
    new Uint8Array(longSignatures.Signature.toBytes(theirs)),
  );
}
