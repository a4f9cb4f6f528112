// BLS12-381 as CometBFT has it: public keys in G1, signatures in G2, and the basic suite, whose
// domain separation tag ends in NUL_ where Ethereum's ends in POP_. blst's binding for Node has
// only Ethereum's tag built in: keys are opened by it, and signed with by @noble/curves, 11 ms a
// signature instead of 0.3. It must never sign with another tag (v1.0.0 of CometBFT had one of G1,
// which v1.0.1 corrected), nor take a scalar that blst refuses: the other library reduces numbers
// above the group order without a word.
//
// A signer reads the secret from the arena each time, and blst's copy goes with the collector once
// the key is open. @noble/curves makes bigints of the secret, which can't be overwritten and lie in
// the heap until the collector reuses it; it multiplies without branches on secrets, but bigints
// promise nothing about time beyond that.

import { SecretKey } from "@chainsafe/blst";
import { bls12_381 as curve } from "@noble/curves/bls12-381.js";
import { SCHEMES } from "../../shared/scheme.ts";
import type { MessageSignature, MessageSigner } from "./message-signer.ts";

const { publicKeyBytes, signatureBytes } = SCHEMES["bls12381-nul"];
/** The ciphersuite of draft-irtf-cfrg-bls-signature §4.2.1, which is CometBFT's `dstMinPk`. */
const TAG = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";
const { G1, longSignatures } = curve;

export const BLS_NUL: MessageSignature = { open, verify, canLeakKey: false };

function open(secret: Uint8Array): MessageSigner | null {
  const publicKey = publicKeyOf(secret);
  if (publicKey === null) return null;
  const sign = (message: Uint8Array): Uint8Array => {
    const point = longSignatures.sign(longSignatures.hash(message, TAG), secret);
    return longSignatures.Signature.toBytes(point);
  };
  return { publicKey, sign };
}

/** Null for zero and for numbers at or above the group order. */
function publicKeyOf(secret: Uint8Array): Uint8Array | null {
  try {
    return SecretKey.fromBytes(secret).toPublicKey().toBytes(false);
  } catch {
    return null;
  }
}

function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== publicKeyBytes || signature.length !== signatureBytes) return false;
  try {
    // Both are checked to be in their groups; the pairing takes no key at infinity.
    const key = G1.Point.fromBytes(publicKey);
    const point = longSignatures.Signature.fromBytes(signature);
    return longSignatures.verify(point, longSignatures.hash(message, TAG), key);
  } catch {
    return false;
  }
}
