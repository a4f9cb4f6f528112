// What a key has signed on a chain, as one watermark: the last step, with its root, and the time
// that a vote stated. It must never be lowered here, and never take a root from outside: an import
// says where signing went on, not what was signed (docs/decisions/0005-imports-carry-no-roots.md).

import { isEqualBytes } from "../../../../shared/bytes/compare.ts";
import {
  comparePositions,
  type Position,
  positionAfter,
  positionBefore,
  STEP_NUMBERS,
  stepOfNumber,
} from "./position.ts";
import { isTimestamp, type Timestamp } from "./timestamp.ts";

export type SignedStep = Position & {
  /** Null when it is unknown, as after an import: then nothing at the position is repeated. */
  readonly root: Uint8Array | null;
  /** Of a vote that is repeated: its signature is the same again only with the same time. */
  readonly timestamp: Timestamp;
  /**
   * The root's own write was not seen to be done, and that of something else brought it here: it is
   * written once more, with its receipt, before it is released.
   */
  readonly isUnreceipted?: true;
};

/** Around the step, because a record that is null is none: that of a key which never had one. */
export type TendermintRecord = { readonly last: SignedStep | null };

/** The least that may be signed since the key was loaded. */
export type TendermintFloor = Position;

/** What an import says was signed last; null: nothing. */
export type ImportedPosition = Position | null;

/** Nothing is below it: for records that are known to be the last. */
export const NO_FLOOR: TendermintFloor = { height: 0n, round: 0, step: "proposal" };

/** What is at or above both. */
export function highestFloor(first: TendermintFloor, second: TendermintFloor): TendermintFloor {
  return comparePositions(first, second) < 0 ? second : first;
}

/** What stands in the place of a time where there is no root. */
const NO_TIMESTAMP: Timestamp = { seconds: 0n, nanos: 0 };

/** A position of which it is not known, or not certain, what was signed there. */
export function withoutRoot({ height, round, step }: Position): SignedStep {
  return { height, round, step, root: null, timestamp: NO_TIMESTAMP };
}

/** What the store does not state, at least not as its own write left it. */
export function unreceipted(signed: SignedStep): SignedStep {
  return signed.root === null ? signed : { ...signed, isUnreceipted: true };
}

/** The record after an import: the higher of both. Positions have `isHeight` and `isRound`. */
export function raiseTendermintRecord(
  record: TendermintRecord,
  imported: ImportedPosition,
): TendermintRecord {
  if (imported === null) return record;
  const { last } = record;
  if (last !== null && comparePositions(last, imported) >= 0) return record;
  return { last: withoutRoot(imported) };
}

/** The highest position that may have been signed below a floor. */
export function maximaBelow(floor: TendermintFloor): ImportedPosition {
  return positionBefore(floor);
}

/** The record that states this position and no root, and the floor above it. */
export function recordOfMaxima(maxima: ImportedPosition): {
  readonly record: TendermintRecord;
  readonly floor: TendermintFloor;
} {
  if (maxima === null) return { record: { last: null }, floor: NO_FLOOR };
  return { record: { last: withoutRoot(maxima) }, floor: positionAfter(maxima) };
}

const BODY_BYTES = 58;
const FLAG = { last: 1, root: 2, unreceipted: 4 } as const;

/**
 * flags u8, height u64, round u32, step u8, root 32, seconds i64, nanos u32; absent parts are zero.
 */
export function encodeTendermintRecord({ last }: TendermintRecord): Uint8Array {
  const bytes = new Uint8Array(BODY_BYTES);
  if (last === null) return bytes;
  const view = new DataView(bytes.buffer);
  let flags: number = FLAG.last;
  view.setBigUint64(1, last.height);
  view.setUint32(9, last.round);
  bytes[13] = STEP_NUMBERS[last.step];
  if (last.root !== null) {
    flags |= FLAG.root;
    if (last.isUnreceipted === true) flags |= FLAG.unreceipted;
    bytes.set(last.root, 14);
    view.setBigInt64(46, last.timestamp.seconds);
    view.setUint32(54, last.timestamp.nanos);
  }
  bytes[0] = flags;
  return bytes;
}

/** Undefined for anything that `encodeTendermintRecord` does not make. */
export function parseTendermintRecord(bytes: Uint8Array): TendermintRecord | undefined {
  const flags = bytes[0];
  if (bytes.length !== BODY_BYTES || flags === undefined) return undefined;
  const last = (flags & FLAG.last) === 0 ? null : parseLast(bytes, flags);
  if (last === undefined) return undefined;
  return isEqualBytes(encodeTendermintRecord({ last }), bytes) ? { last } : undefined;
}

function parseLast(bytes: Uint8Array, flags: number): SignedStep | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const step = stepOfNumber(view.getUint8(13));
  if (step === undefined) return undefined;
  const signed = withoutRoot({ height: view.getBigUint64(1), round: view.getUint32(9), step });
  if ((flags & FLAG.root) === 0) return signed;
  const timestamp = { seconds: view.getBigInt64(46), nanos: view.getUint32(54) };
  if (!isTimestamp(timestamp)) return undefined;
  const rooted = { ...signed, root: bytes.slice(14, 46), timestamp };
  return (flags & FLAG.unreceipted) === 0 ? rooted : unreceipted(rooted);
}
