// How each scheme but Ethereum's signs: the one table that those who load keys, test the libraries
// or check a key file look it up in. It must never have a default: a scheme without an entry does
// not compile.

import { BLS_NUL } from "./bls-nul.ts";
import { SECP256K1, SECP256K1_ETH } from "./ecdsa.ts";
import { ED25519 } from "./ed25519.ts";
import type { MessageScheme, MessageSignature } from "./message-signer.ts";

export const MESSAGE_SIGNATURES: Readonly<Record<MessageScheme, MessageSignature>> = {
  ed25519: ED25519,
  secp256k1: SECP256K1,
  "bls12381-nul": BLS_NUL,
  secp256k1eth: SECP256K1_ETH,
};
