// How libp2p names a peer: its public key itself, as a multihash that hashes nothing, in base58
// (`12D3Koo…` for Ed25519, `16Uiu2…` for secp256k1). CometBFT's node keys are of these two kinds. A
// name that is a digest of a key is refused: nothing could be checked against it before the peer
// has shown its key. There must be one spelling of a name only.

import { ECDH } from "node:crypto";
import { base58btc } from "multiformats/bases/base58";
import { concatBytes, isEqualBytes } from "../../shared/bytes/compare.ts";
import { err, ok, type Result } from "../../shared/result.ts";

const ED25519_KEY_BYTES = 32;
const SECP256K1_KEY_BYTES = 33;
/** Multihash `identity` with its length, then a PublicKey: its type, and the length of the key. */
const ED25519_HEAD = Uint8Array.of(0, 36, 0x08, 1, 0x12, ED25519_KEY_BYTES);
const SECP256K1_HEAD = Uint8Array.of(0, 37, 0x08, 2, 0x12, SECP256K1_KEY_BYTES);
const TEXT_LENGTH_MAX = 53;

/** What is no name of a peer, or the name of a key that can't be. */
export function parsePeerId(text: string): Result<string, "PEER_ID"> {
  const bytes = text.length > TEXT_LENGTH_MAX ? null : decode(text);
  if (bytes === null) return err("PEER_ID");
  return isOfEd25519(bytes) || isOfSecp256k1(bytes) ? ok(text) : err("PEER_ID");
}

export function peerIdOfEd25519(publicKey: Uint8Array): string {
  return base58btc.baseEncode(concatBytes(ED25519_HEAD, publicKey));
}

/** Null for what is no base58, and for every spelling but the one that is written. */
function decode(text: string): Uint8Array | null {
  try {
    const bytes = base58btc.baseDecode(text);
    return base58btc.baseEncode(bytes) === text ? bytes : null;
  } catch {
    return null;
  }
}

function isOfEd25519(bytes: Uint8Array): boolean {
  return hasHead(bytes, ED25519_HEAD, ED25519_KEY_BYTES);
}

function isOfSecp256k1(bytes: Uint8Array): boolean {
  if (!hasHead(bytes, SECP256K1_HEAD, SECP256K1_KEY_BYTES)) return false;
  try {
    const point = bytes.subarray(SECP256K1_HEAD.length);
    ECDH.convertKey(point, "secp256k1");
    return true;
  } catch {
    return false;
  }
}

function hasHead(bytes: Uint8Array, head: Uint8Array, keyBytes: number): boolean {
  return (
    bytes.length === head.length + keyBytes && isEqualBytes(bytes.subarray(0, head.length), head)
  );
}
