// The fields that votes and proposals have in common. It must never fill in what is malformed:
// only what is left out has a value, which is the one that a Go node reads.

import { bytesIn, int32In, int64In, type ProtoValues } from "../../../../shared/bytes/protobuf.ts";
import { type Refusal, refusal } from "../../../../shared/errors.ts";
import { type Err, err, ok, type Result } from "../../../../shared/result.ts";
import { type BlockId, parseBlockId } from "./block-id.ts";
import { isHeight, isRound } from "./position.ts";
import { parseTimestamp, type Timestamp, ZERO_TIME } from "./timestamp.ts";

export type MalformedRefusal = Refusal<"REQUEST_MALFORMED">;

export function malformed(field: string): Err<MalformedRefusal> {
  return err(refusal("REQUEST_MALFORMED", field));
}

/** `height` and `round`: fields 2 and 3 of both. */
export function readPlace(
  values: ProtoValues,
  at: string,
): Result<{ readonly height: bigint; readonly round: number }, MalformedRefusal> {
  const height = int64In(values, 2);
  if (!isHeight(height)) return malformed(`${at}.height`);
  const round = int32In(values, 3);
  if (round === undefined || !isRound(round)) return malformed(`${at}.round`);
  return ok({ height, round });
}

export function readBlockId(
  values: ProtoValues,
  number: number,
  at: string,
): Result<BlockId | null, MalformedRefusal> {
  const blockId = parseBlockId(bytesIn(values, number));
  return blockId === undefined ? malformed(`${at}.block_id`) : ok(blockId);
}

export function readTimestamp(
  values: ProtoValues,
  number: number,
  at: string,
): Result<Timestamp, MalformedRefusal> {
  if (!values.has(number)) return ok(ZERO_TIME);
  const timestamp = parseTimestamp(bytesIn(values, number));
  return timestamp === undefined ? malformed(`${at}.timestamp`) : ok(timestamp);
}
