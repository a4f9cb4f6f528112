// CometBFT's rule against signing twice, as FilePV has it (tendermint.md §4.3): height, round and
// step only go up, and at one step only what was signed there is signed again. It must never
// compare two different steps by their blocks (a prevote of A and a precommit of B in one round are
// honest, §0.9), and never treat an unknown root as equal to one that is asked for.

import { type Refusal, refusal } from "../../../../shared/errors.ts";
import type { Rule, Verdict } from "../../rule.ts";
import { isRootSuccessor, isSameRoot, unreceipted } from "../../signed-root.ts";
import {
  encodeTendermintRecord,
  parseTendermintRecord,
  type SignedStep,
  type TendermintFloor,
  type TendermintRecord,
  withoutRoot,
} from "./consensus-record.ts";
import { comparePositions, type Position } from "./position.ts";
import type { Timestamp } from "./timestamp.ts";

/** What a vote or a proposal would add to the record; both are claims as they are. */
export type TendermintClaim = Position & { readonly timestamp: Timestamp };

type TendermintVerdict = Verdict<TendermintRecord>;

/** The root is that of the vote or proposal without its time, as `voteRoot` makes it. */
export const tendermintRule: Rule<TendermintRecord, TendermintClaim, TendermintFloor> = {
  empty: { last: null, reserved: null },
  decide: decideClaim,
  // A reservation is no signature, and may have been given back.
  isSuccessor: ({ last: earlier }, { last: later }) => isStepSuccessor(earlier, later),
  // Nobody signs by a reservation that was not seen to be stored.
  join: (raised, { last, reserved }) => ({ last: joinSteps(raised.last, last), reserved }),
  encode: encodeTendermintRecord,
  parse: parseTendermintRecord,
};

/** For whoever writes before it signs: what is reserved is somebody else's, or was. */
function decideClaim(
  { last, reserved }: TendermintRecord,
  claim: TendermintClaim,
  root: Uint8Array,
  floor: TendermintFloor,
): TendermintVerdict {
  const verdict = decideStep(last, claim, root, floor);
  if (verdict.kind === "refuse") return verdict;
  if (reserved !== null && claim.height <= reserved.height) {
    return refuse(refusal("GUARD_RESERVED", claim.height, reserved.height));
  }
  if (verdict.kind === "repeat") return verdict;
  return { kind: "approve", record: { last: verdict.last, reserved: null } };
}

export type StepVerdict =
  | { readonly kind: "approve"; readonly last: SignedStep }
  | Exclude<TendermintVerdict, { readonly kind: "approve" }>;

/** The rule itself, against the last step that was signed. */
export function decideStep(
  last: SignedStep | null,
  claim: TendermintClaim,
  root: Uint8Array,
  floor: TendermintFloor,
): StepVerdict {
  if (last !== null && comparePositions(claim, last) < 0) return refuse(belowRefusal(claim, last));
  const { height, round, step, timestamp } = claim;
  const isRepeat = last !== null && comparePositions(claim, last) === 0;
  if (isRepeat && !isSameRoot(last.root, root)) {
    return refuse(refusal("GUARD_STEP_DOUBLE", height, round, step));
  }
  // A repeat is no exception from the floor: a store that is rolled back may hold two authentic
  // records with different roots for one step of an earlier boot (docs/safety.md). Nobody sets a
  // floor of these chains: an order of the operators says in the record what it forbids.
  if (comparePositions(claim, floor) < 0) {
    return refuse(refusal("GUARD_FLOOR", floor.height, floor.round, floor.step));
  }
  if (isRepeat && last.isUnreceipted !== true) return { kind: "repeat" };
  // One root keeps the time that it was first recorded with: whoever reads the record while a
  // write of it is under way signs the same bytes.
  const time = isRepeat ? last.timestamp : timestamp;
  return { kind: "approve", last: { height, round, step, root, timestamp: time } };
}

function belowRefusal({ height, round, step }: Position, last: Position): Refusal {
  if (height !== last.height) return refusal("GUARD_HEIGHT_BELOW", height, last.height);
  if (round !== last.round) return refusal("GUARD_ROUND_BELOW", height, round, last.round);
  return refusal("GUARD_STEP_BELOW", height, round, step, last.step);
}

function refuse(why: Refusal): { readonly kind: "refuse"; readonly refusal: Refusal } {
  return { kind: "refuse", refusal: why };
}

/** A step's time may become another: votes that differ in nothing else are no evidence. */
function isStepSuccessor(earlier: SignedStep | null, later: SignedStep | null): boolean {
  if (earlier === null) return true;
  if (later === null) return false;
  const order = comparePositions(later, earlier);
  if (order !== 0) return order > 0;
  return isRootSuccessor(earlier.root, later.root);
}

function joinSteps(raised: SignedStep | null, stored: SignedStep | null): SignedStep | null {
  const highest = highestStep(raised, stored);
  return highest === null || highest === stored ? highest : unreceipted(highest);
}

/** What forbids as much as both: the second when they are the same. */
export function highestStep(
  first: SignedStep | null,
  second: SignedStep | null,
): SignedStep | null {
  if (first === null) return second;
  if (second === null) return first;
  const order = comparePositions(first, second);
  if (order > 0) return first;
  // Two roots at one position: neither is repeated.
  return order < 0 || isSameRoot(first.root, second.root) ? second : withoutRoot(second);
}

/**
 * The time that the signature of a claim states, by the record that approved or repeated it: a vote
 * keeps that of its first signature, as peers would take another for a fault (§4.3). A proposal has
 * its own each time, because nodes keep theirs whatever the answer says (§0.5). Null when the
 * record is of something else, and nothing may be signed by it.
 */
export function timeToSign(
  last: SignedStep | null,
  claim: TendermintClaim,
  root: Uint8Array,
): Timestamp | null {
  if (last === null || comparePositions(last, claim) !== 0) return null;
  if (!isSameRoot(last.root, root)) return null;
  return claim.step === "proposal" ? claim.timestamp : last.timestamp;
}

/**
 * Null when the claim is not above the manifest's last height, or there is none: so that a chain
 * that is forked or upgraded by hand stops where its operators agreed.
 */
export function decideMaxHeight(maxHeight: bigint | null, { height }: Position): Refusal | null {
  if (maxHeight === null || height <= maxHeight) return null;
  return refusal("MAX_HEIGHT", height, maxHeight);
}
