// Which block a vote or proposal is for: the hash of its header and that of its parts. It must
// never take half of one for a block or for none: peers would not, and two halves could be two
// votes.

import { concatBytes } from "../../../../shared/bytes/compare.ts";
import {
  bytesIn,
  parseProto,
  protoBytes,
  protoMessage,
  protoVarint,
  uint32In,
} from "../../../../shared/bytes/protobuf.ts";

export type BlockId = {
  readonly hash: Uint8Array;
  readonly partCount: number;
  readonly partsHash: Uint8Array;
};

const HASH_BYTES = 32;
const FIELDS = { 1: "bytes", 2: "bytes" } as const;
const PARTS_FIELDS = { 1: "varint", 2: "bytes" } as const;

/** Null for none: a vote for nil. Undefined for what is neither complete nor empty (§4.1). */
export function parseBlockId(bytes: Uint8Array): BlockId | null | undefined {
  const values = parseProto(bytes, FIELDS);
  const parts = values === undefined ? undefined : parseProto(bytesIn(values, 2), PARTS_FIELDS);
  if (values === undefined || parts === undefined) return undefined;
  const hash = bytesIn(values, 1);
  const partCount = uint32In(parts, 1);
  const partsHash = bytesIn(parts, 2);
  if (partCount === undefined) return undefined;
  if (hash.length === 0 && partCount === 0 && partsHash.length === 0) return null;
  const isComplete = hash.length === HASH_BYTES && partCount > 0 && partsHash.length === HASH_BYTES;
  return isComplete ? { hash, partCount, partsHash } : undefined;
}

/**
 * `BlockID` and `CanonicalBlockID` alike: the header of the parts is there even when it is empty.
 */
export function encodeBlockId(blockId: BlockId | null): Uint8Array {
  if (blockId === null) return protoMessage(2, new Uint8Array(0));
  const { hash, partCount, partsHash } = blockId;
  const parts = concatBytes(protoVarint(1, BigInt(partCount)), protoBytes(2, partsHash));
  return concatBytes(protoBytes(1, hash), protoMessage(2, parts));
}
