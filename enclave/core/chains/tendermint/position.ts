// A place in the consensus of a chain: height, round and step, in that order. It must never order
// two places in another way than CometBFT's `CheckHRS`: everything that is signed once rests on it.

import { invariant } from "../../../../shared/invariant.ts";
import { HEIGHT_MAX, ROUND_MAX } from "../../../../shared/limits.ts";
import type { WirePosition } from "../../../../shared/wire/position-field.ts";

export type TendermintStep = "proposal" | "prevote" | "precommit";

export type Position = {
  readonly height: bigint;
  readonly round: number;
  readonly step: TendermintStep;
};

/** As FilePV numbers them, in its state file and in our records. */
export const STEP_NUMBERS: Readonly<Record<TendermintStep, number>> = {
  proposal: 1,
  prevote: 2,
  precommit: 3,
};

const STEPS = ["proposal", "prevote", "precommit"] as const;
const FIRST: Position = { height: 1n, round: 0, step: "proposal" };

export function stepOfNumber(number: number): TendermintStep | undefined {
  return STEPS.find((step) => STEP_NUMBERS[step] === number);
}

/** Of a position that was parsed: its step has a name. */
export function positionOfWire({ height, round, step }: WirePosition): Position {
  const named = stepOfNumber(step);
  invariant(named !== undefined, "the wire has three steps");
  return { height, round, step: named };
}

export function wirePositionOf({ height, round, step }: Position): WirePosition {
  return { height, round, step: STEP_NUMBERS[step] };
}

export function isHeight(height: bigint): boolean {
  return height > 0n && height <= HEIGHT_MAX;
}

export function isRound(round: number): boolean {
  return Number.isInteger(round) && round >= 0 && round <= ROUND_MAX;
}

/** Negative when `a` is below `b`, zero when they are the same. */
export function comparePositions(a: Position, b: Position): number {
  if (a.height !== b.height) return a.height < b.height ? -1 : 1;
  if (a.round !== b.round) return a.round - b.round;
  return STEP_NUMBERS[a.step] - STEP_NUMBERS[b.step];
}

/** The last place below this one; null when there is none. */
export function positionBefore(position: Position): Position | null {
  const { height, round, step } = position;
  if (comparePositions(position, FIRST) <= 0) return null;
  const earlier = stepOfNumber(STEP_NUMBERS[step] - 1);
  if (earlier !== undefined) return { height, round, step: earlier };
  return round > 0
    ? { height, round: round - 1, step: "precommit" }
    : { height: height - 1n, round: ROUND_MAX, step: "precommit" };
}
