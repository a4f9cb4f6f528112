// An Ed25519 consensus key as tmkms prints it, by the `key_format` of its chain, so that an
// operator can hold one line against the other. It must never take a key of another scheme.

import { concatBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { encodeBech32 } from "./bech32.ts";
import type { KeyFormat } from "./config-schema.ts";

/** Amino's name for an Ed25519 key, and the length of what follows (tendermint.md §2.4). */
const AMINO_ED25519 = Uint8Array.of(0x16, 0x24, 0xde, 0x64, 0x20);

export function formatConsensusKey(format: KeyFormat, publicKey: Uint8Array): string {
  switch (format.type) {
    case "bech32":
      return encodeBech32(format.consensus_key_prefix, concatBytes(AMINO_ED25519, publicKey));
    case "cosmos-json": {
      const key = Buffer.from(publicKey).toString("base64");
      return JSON.stringify({ "@type": "/cosmos.crypto.ed25519.PubKey", key });
    }
    case "hex":
      return encodeHex(publicKey).toUpperCase();
  }
}
