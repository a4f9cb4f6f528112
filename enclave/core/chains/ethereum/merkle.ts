// The few Merkle steps that every signature takes, on 32-byte chunks (consensus-specs ssz/
// simple-serialize.md, merkleization). Written out for the hot path; everything that is rare or
// variable in size goes through `shape.ts`. The tests compare the two.

import { digest2Bytes32Into } from "@chainsafe/as-sha256";

export const CHUNK_BYTES = 32;

export const ZERO_CHUNK: Readonly<Uint8Array> = new Uint8Array(CHUNK_BYTES);
/** The root of two zero chunks. */
export const ZERO_PAIR: Readonly<Uint8Array> = hashPair(ZERO_CHUNK, ZERO_CHUNK);

export function hashPairInto(left: Uint8Array, right: Uint8Array, root: Uint8Array): void {
  digest2Bytes32Into(left, right, root);
}

export function hashPair(left: Uint8Array, right: Uint8Array): Uint8Array {
  const root = new Uint8Array(CHUNK_BYTES);
  digest2Bytes32Into(left, right, root);
  return root;
}

/** Bytes of up to one chunk, padded with zeros on the right. */
export function chunkOfBytes(bytes: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(CHUNK_BYTES);
  chunk.set(bytes);
  return chunk;
}

/** A uint64: little-endian, padded with zeros. */
export function chunkOfU64(value: bigint): Uint8Array {
  const chunk = new Uint8Array(CHUNK_BYTES);
  writeU64(chunk, value);
  return chunk;
}

/** The first eight bytes of a chunk; the others stay as they are. */
export function writeU64(chunk: Uint8Array, value: bigint): void {
  new DataView(chunk.buffer, chunk.byteOffset, CHUNK_BYTES).setBigUint64(0, value, true);
}
