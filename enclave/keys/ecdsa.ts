// ECDSA on secp256k1 with the nonces of RFC 6979 and a low s, in the two forms that CometBFT has:
// over SHA-256 as `r || s`, and over Keccak-256 as `r || s || v`, which is Ethereum's. By
// @noble/curves: OpenSSL has the curve, but Node no way to ask it for these nonces. It must never
// sign with a random nonce: votes that were signed twice would differ.
//
// A signer reads the secret from the arena each time. The library makes bigints and short-lived
// arrays of it, which can't be overwritten and lie in the heap until the collector reuses it. It
// blinds the inversion of the nonce, and multiplies without branches on secrets; JavaScript's
// bigints promise nothing about time beyond that.

import { secp256k1 as curve } from "@noble/curves/secp256k1.js";
import { keccak_256 as keccak256 } from "@noble/hashes/sha3.js";
import { SCHEMES } from "../../shared/scheme.ts";
import type { MessageSignature, MessageSigner } from "./message-signer.ts";

/** Said in full, so that no default of the library decides what is signed. */
const SHA256_FORM = { prehash: true, lowS: true, format: "compact" } as const;
const KECCAK_FORM = { prehash: false, lowS: true, format: "recovered" } as const;
const NO_ENTROPY = { extraEntropy: false } as const;
/** `v` says the parity of y; nodes take none that says an x above the group order (2 and 3). */
const V_MAX = 1;

export const SECP256K1: MessageSignature = {
  open: (secret) =>
    openScalar(secret, (message) => curve.sign(message, secret, { ...SHA256_FORM, ...NO_ENTROPY })),
  verify: (publicKey, message, signature) =>
    signature.length === SCHEMES.secp256k1.signatureBytes &&
    isCompressed(publicKey) &&
    curve.verify(signature, message, publicKey, SHA256_FORM),
  canLeakKey: true,
};

export const SECP256K1_ETH: MessageSignature = {
  open: (secret) =>
    openScalar(secret, (message) => {
      const digest = keccak256(message);
      const recovered = curve.sign(digest, secret, { ...KECCAK_FORM, ...NO_ENTROPY });
      // The library writes v first.
      const signature = new Uint8Array(recovered.length);
      signature.set(recovered.subarray(1));
      signature.set(recovered.subarray(0, 1), recovered.length - 1);
      return signature;
    }),
  verify: (publicKey, message, signature) => {
    const v = signature.at(-1) ?? 0;
    if (signature.length !== SCHEMES.secp256k1eth.signatureBytes || v > V_MAX) return false;
    if (!isCompressed(publicKey)) return false;
    const recovered = Uint8Array.of(v, ...signature.subarray(0, -1));
    // A node recovers the key from v and compares it.
    return curve.verify(recovered, keccak256(message), publicKey, KECCAK_FORM);
  },
  canLeakKey: true,
};

/** Null for zero and for numbers at or above the group order. */
function openScalar(secret: Uint8Array, sign: MessageSigner["sign"]): MessageSigner | null {
  if (!curve.utils.isValidSecretKey(secret)) return null;
  return { publicKey: curve.getPublicKey(secret, true), sign };
}

function isCompressed(publicKey: Uint8Array): boolean {
  return publicKey.length === SCHEMES.secp256k1.publicKeyBytes;
}

/** A key of either scheme as `0x04 || x || y`: CometBFT v2.0.0-rc1 writes "secp256k1eth" so. */
export function uncompressPublicKey(publicKey: Uint8Array): Uint8Array {
  return curve.Point.fromBytes(publicKey).toBytes(false);
}
