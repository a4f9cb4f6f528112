// A moment as CometBFT's messages state it. It must never be held against a clock: a vote carries
// the time of its node, and nothing about slashing rests on it.

import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { int32In, int64In, parseProto, protoVarint } from "../../../../shared/bytes/protobuf.ts";

export type Timestamp = {
  /** Unix time. */
  readonly seconds: bigint;
  readonly nanos: number;
};

/** 0001-01-01 to 9999-12-31: Go refuses to write anything else (tendermint.md §4.1). */
const SECONDS_MIN = -62_135_596_800n;
const SECONDS_MAX = 253_402_300_799n;
const NANOS_MAX = 999_999_999;
const FIELDS = { 1: "varint", 2: "varint" } as const;

/** Go's zero time: what a node reads, and signs, where a message has no timestamp. */
export const ZERO_TIME: Timestamp = { seconds: SECONDS_MIN, nanos: 0 };

export function isTimestamp({ seconds, nanos }: Timestamp): boolean {
  const isInYears = seconds >= SECONDS_MIN && seconds <= SECONDS_MAX;
  return isInYears && nanos >= 0 && nanos <= NANOS_MAX;
}

export function isSameTime(one: Timestamp, other: Timestamp): boolean {
  return one.seconds === other.seconds && one.nanos === other.nanos;
}

/** Undefined for anything that Go would not have written. */
export function parseTimestamp(bytes: Uint8Array): Timestamp | undefined {
  const values = parseProto(bytes, FIELDS);
  if (values === undefined) return undefined;
  const nanos = int32In(values, 2);
  if (nanos === undefined) return undefined;
  const timestamp = { seconds: int64In(values, 1), nanos };
  return isTimestamp(timestamp) ? timestamp : undefined;
}

export function encodeTimestamp({ seconds, nanos }: Timestamp): Uint8Array {
  return concatBytes(protoVarint(1, seconds), protoVarint(2, BigInt(nanos)));
}
