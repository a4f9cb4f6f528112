// The height, round and step of `redoubt state floor` and `override`, as an operator writes them.
// It must never guess a part that was left out: a height alone means all of that height.

import {
  isHeight,
  isRound,
  type Position,
  STEP_NUMBERS,
  type TendermintStep,
} from "../../enclave/core/chains/tendermint/position.ts";
import { ROUND_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";

const HEIGHT = /^[1-9][0-9]{0,18}$/;
const ROUND = /^(0|[1-9][0-9]{0,9})$/;

export type PositionTexts = {
  readonly height: string | undefined;
  readonly round: string | undefined;
  readonly step: string | undefined;
};

/** Null: not given. The error is a sentence for people. */
export function parsePositionOption({
  height: heightText,
  round: roundText,
  step,
}: PositionTexts): Result<Position | null, string> {
  if ((roundText === undefined) !== (step === undefined)) {
    return err("--round and --step go together");
  }
  if (heightText === undefined) {
    return step === undefined ? ok(null) : err("--round and --step take --height");
  }
  const height = HEIGHT.test(heightText) ? BigInt(heightText) : 0n;
  if (!isHeight(height)) return err("--height takes a decimal number from 1 to 2^63 - 1");
  if (roundText === undefined || step === undefined) {
    return ok({ height, round: ROUND_MAX, step: "precommit" });
  }
  const round = ROUND.test(roundText) ? Number(roundText) : -1;
  if (!isRound(round)) return err("--round takes a decimal number from 0 to 2^31 - 1");
  return isStep(step)
    ? ok({ height, round, step })
    : err(`--step takes ${Object.keys(STEP_NUMBERS).join(", ")}`);
}

function isStep(text: string): text is TendermintStep {
  return Object.hasOwn(STEP_NUMBERS, text);
}
