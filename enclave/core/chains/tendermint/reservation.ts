// Signing ahead of a slow store: a signer writes once that heights up to some later one are its
// own, signs those from memory, and reserves more before they end. Whoever takes over goes on above
// what the record reserves, whatever the clocks say: every write is a compare-and-swap on the
// record's version, which is the fencing token (docs/decisions/0018-reservation.md).
// Nothing here may let two boots sign one height, unless the first has said that it stopped.

import { isEqualBytes } from "../../../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../../../shared/errors.ts";
import { HEIGHT_MAX } from "../../../../shared/limits.ts";
import {
  endOf,
  type Reservation,
  type SignedStep,
  type TendermintFloor,
  type TendermintRecord,
  withoutRoot,
} from "./consensus-record.ts";
import { decideStep, highestStep, type TendermintClaim } from "./consensus-rule.ts";

/** What a signer knows of a key that the store need not know yet. */
export type Held = {
  /** Who it is: its boot's id. */
  readonly holder: Uint8Array;
  /** The last step that it signed. */
  readonly last: SignedStep | null;
  /** It may have told the store that it signs no more, and must not. */
  readonly isClosed: boolean;
};

export type HeldVerdict =
  | { readonly kind: "refuse"; readonly refusal: Refusal }
  /** `last` is the last step from now on; a repeat leaves it as it is. */
  | { readonly kind: "sign"; readonly last: SignedStep | null; readonly isRepeat: boolean }
  /** Reserve first, then decide again. */
  | { readonly kind: "reserve" }
  /** Another's; it may have been given back since the record was read. */
  | { readonly kind: "reserved"; readonly refusal: Refusal };

/**
 * `durable` is what the store is known to hold: a reservation counts when it is there. `raised`
 * may be ahead of it, by an act of the operator that is under way.
 */
export function decideHeld(
  held: Held,
  durable: TendermintRecord,
  raised: TendermintRecord,
  claim: TendermintClaim,
  root: Uint8Array,
  floor: TendermintFloor,
): HeldVerdict {
  if (held.isClosed) return { kind: "refuse", refusal: refusal("DRAINING") };
  const last = highestStep(highestStep(held.last, durable.last), raised.last);
  const verdict = decideStep(last, claim, root, floor);
  if (verdict.kind === "refuse") return verdict;
  const { reserved } = durable;
  if (reserved === null) return { kind: "reserve" };
  const isOurs = isHolder(held, reserved);
  if (claim.height > reserved.height) return { kind: "reserve" };
  if (!isOurs) {
    const why = refusal("GUARD_RESERVED", claim.height, reserved.height);
    return { kind: "reserved", refusal: why };
  }
  return verdict.kind === "repeat"
    ? { kind: "sign", last, isRepeat: true }
    : { kind: "sign", last: verdict.last, isRepeat: false };
}

/** Up to which height this signer may sign from memory; null: none. */
export function heldHeight(held: Held, { reserved }: TendermintRecord): bigint | null {
  return reserved !== null && !held.isClosed && isHolder(held, reserved) ? reserved.height : null;
}

/** The record's last step is this signer's, or from before it: nobody took over. */
export function isHeldBy(held: Held, { reserved }: TendermintRecord): boolean {
  return reserved !== null && isHolder(held, reserved);
}

/** What a signer would write. */
export type HeldWish = {
  /** The last of the steps that it signed, whose receipt goes with the write; null: none. */
  readonly signed: SignedStep | null;
  /** A height that it was asked for, with the one up to which it would reserve; null: no more. */
  readonly next: { readonly asked: bigint; readonly upTo: bigint } | null;
};

/**
 * The next record, or null when there is nothing to be written. What is another's is never cut
 * short: above it the record says that everything below may have been signed. Whoever is closed
 * reserves nothing more.
 */
export function reserveNext(
  held: Held,
  record: TendermintRecord,
  wish: HeldWish,
): TendermintRecord | null {
  const { reserved } = record;
  const { signed } = wish;
  const next = held.isClosed ? null : wish.next;
  if (reserved !== null && isHolder(held, reserved)) {
    const height = next === null || next.upTo < reserved.height ? reserved.height : next.upTo;
    if (signed === null && height === reserved.height) return null;
    return { last: highestStep(record.last, signed), reserved: { ...reserved, height } };
  }
  const isFree = next !== null && (reserved === null || next.asked > reserved.height);
  if (!isFree) return notHeld(record, signed);
  const last =
    reserved === null ? record.last : highestStep(record.last, withoutRoot(endOf(reserved)));
  return { last: highestStep(last, signed), reserved: { height: next.upTo, holder: held.holder } };
}

/** The record without our reservation: others may go on at once. Only for one that is closed. */
export function giveBack(
  held: Held,
  record: TendermintRecord,
  signed: SignedStep | null,
): TendermintRecord | null {
  const { last, reserved } = record;
  if (!held.isClosed) return null;
  if (reserved === null || !isHolder(held, reserved)) return notHeld(record, signed);
  return { last: highestStep(highestStep(last, held.last), signed), reserved: null };
}

/**
 * The record where the heights are not this signer's: when somebody took over, only the receipts
 * are written; when nobody holds them, what was signed stands in the record all the same.
 */
function notHeld(record: TendermintRecord, signed: SignedStep | null): TendermintRecord | null {
  if (signed === null) return null;
  const { last, reserved } = record;
  return reserved === null ? { last: highestStep(last, signed), reserved } : record;
}

/** Up to where a signer reserves that is asked for `height`; `end` is the manifest's last one. */
export function reservedUpTo(height: bigint, count: bigint, end: bigint | null): bigint {
  const last = end ?? HEIGHT_MAX;
  const wished = height + count - 1n;
  return wished < last ? wished : last;
}

function isHolder({ holder }: Held, reserved: Reservation): boolean {
  return isEqualBytes(reserved.holder, holder);
}
