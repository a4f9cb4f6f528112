// The 20 bytes that a CometBFT chain knows a validator by, computed from the public key. It must
// never be taken for a proof of anything: an address names a key and no more.

import { createHash } from "node:crypto";
import { keccak_256 as keccak256 } from "@noble/hashes/sha3.js";
import { uncompressPublicKey } from "../../enclave/keys/ecdsa.ts";
import type { MessageScheme } from "../../enclave/keys/message-signer.ts";

const ADDRESS_BYTES = 20;

/** Of a public key in its scheme's form (cometbft, crypto/*, `PubKey.Address`). */
const ADDRESS: Readonly<Record<MessageScheme, (publicKey: Uint8Array) => Uint8Array>> = {
  ed25519: (publicKey) => hash("sha256", publicKey).subarray(0, ADDRESS_BYTES),
  "bls12381-nul": (publicKey) => hash("sha256", publicKey).subarray(0, ADDRESS_BYTES),
  secp256k1: (publicKey) => hash("ripemd160", hash("sha256", publicKey)),
  // Ethereum's: both coordinates, without the byte that says so.
  secp256k1eth: (publicKey) =>
    keccak256(uncompressPublicKey(publicKey).subarray(1)).subarray(-ADDRESS_BYTES),
};

export function validatorAddressOf(scheme: MessageScheme, publicKey: Uint8Array): Uint8Array {
  return new Uint8Array(ADDRESS[scheme](publicKey));
}

function hash(name: "sha256" | "ripemd160", bytes: Uint8Array): Uint8Array {
  return createHash(name).update(bytes).digest();
}
