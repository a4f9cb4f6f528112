// What a key has signed on a chain, as one watermark: the last step, with its root, and the time
// that a vote stated. It must never take a root from outside: an import, or an order of the
// operators, says where signing went on, not what was signed
// (docs/decisions/0005-imports-carry-no-roots.md).

import { isEqualBytes } from "../../../../shared/bytes/compare.ts";
import { ROUND_MAX } from "../../../../shared/limits.ts";
import { type SignedRoot, unreceipted } from "../../signed-root.ts";
import { comparePositions, type Position, STEP_NUMBERS, stepOfNumber } from "./position.ts";
import { isTimestamp, type Timestamp } from "./timestamp.ts";

export type SignedStep = Position &
  SignedRoot & {
    /** Of a vote that is repeated: its signature is the same again only with the same time. */
    readonly timestamp: Timestamp;
  };

/** Heights up to `height` that are the holder's, a boot's: only it may have signed there. */
export type Reservation = { readonly height: bigint; readonly holder: Uint8Array };

export type TendermintRecord = {
  readonly last: SignedStep | null;
  /**
   * Nobody but its holder signs up to there, because the holder does not write before it signs. It
   * is no signature, and its holder may give it back (`reservation.ts`).
   */
  readonly reserved: Reservation | null;
};

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

/** Above everything that a holder may have signed. */
export function endOf({ height }: Reservation): Position {
  return { height, round: ROUND_MAX, step: "precommit" };
}

/** The last place that may have been signed; null: none. */
export function maximumOf({ last, reserved }: TendermintRecord): ImportedPosition {
  return reserved === null ? last : highestOf(last, reserved);
}

function highestOf(last: SignedStep | null, reserved: Reservation): Position {
  const end = endOf(reserved);
  return last !== null && comparePositions(last, end) > 0 ? last : end;
}

/**
 * The record with nothing reserved: it forbids everything that may have been signed. For a key that
 * signs nothing more.
 */
export function lastWord(record: TendermintRecord): TendermintRecord {
  const { last, reserved } = record;
  if (reserved === null) return record;
  const highest = highestOf(last, reserved);
  return { last: highest === last ? last : withoutRoot(highest), reserved: null };
}

/** The record after an import: the higher of both. Positions have `isHeight` and `isRound`. */
export function raiseTendermintRecord(
  record: TendermintRecord,
  imported: ImportedPosition,
): TendermintRecord {
  if (imported === null) return record;
  const { last, reserved } = record;
  if (last !== null && comparePositions(last, imported) >= 0) return record;
  return { last: withoutRoot(imported), reserved };
}

/** The record that states this position and no root: nothing is signed at or below it. */
export function recordAt(position: Position): TendermintRecord {
  return { last: withoutRoot(position), reserved: null };
}

const LAST_BYTES = 58;
const HOLDER_BYTES = 16;
const RESERVED_BYTES = 8 + HOLDER_BYTES;
const FLAG = { last: 1, root: 2, unreceipted: 4, reserved: 8 } as const;

/**
 * flags u8, height u64, round u32, step u8, root 32, seconds i64, nanos u32; absent parts are zero.
 * Then, with a reservation only, its height u64 and holder 16.
 */
export function encodeTendermintRecord({ last, reserved }: TendermintRecord): Uint8Array {
  const bytes = new Uint8Array(LAST_BYTES + (reserved === null ? 0 : RESERVED_BYTES));
  const view = new DataView(bytes.buffer);
  bytes[0] = (last === null ? 0 : writeLast(view, last)) | (reserved === null ? 0 : FLAG.reserved);
  if (reserved !== null) {
    view.setBigUint64(LAST_BYTES, reserved.height);
    bytes.set(reserved.holder, LAST_BYTES + 8);
  }
  return bytes;
}

/** Answers its flags. */
function writeLast(view: DataView<ArrayBuffer>, last: SignedStep): number {
  view.setBigUint64(1, last.height);
  view.setUint32(9, last.round);
  view.setUint8(13, STEP_NUMBERS[last.step]);
  if (last.root === null) return FLAG.last;
  new Uint8Array(view.buffer).set(last.root, 14);
  view.setBigInt64(46, last.timestamp.seconds);
  view.setUint32(54, last.timestamp.nanos);
  return FLAG.last | FLAG.root | (last.isUnreceipted === true ? FLAG.unreceipted : 0);
}

/** Undefined for anything that `encodeTendermintRecord` does not make. */
export function parseTendermintRecord(bytes: Uint8Array): TendermintRecord | undefined {
  const flags = bytes[0];
  if (flags === undefined) return undefined;
  const hasReservation = (flags & FLAG.reserved) !== 0;
  if (bytes.length !== LAST_BYTES + (hasReservation ? RESERVED_BYTES : 0)) return undefined;
  const last = (flags & FLAG.last) === 0 ? null : parseLast(bytes, flags);
  if (last === undefined) return undefined;
  const record = { last, reserved: hasReservation ? parseReservation(bytes) : null };
  return isEqualBytes(encodeTendermintRecord(record), bytes) ? record : undefined;
}

function parseReservation(bytes: Uint8Array): Reservation {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { height: view.getBigUint64(LAST_BYTES), holder: bytes.slice(LAST_BYTES + 8) };
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
