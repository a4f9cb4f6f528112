import assert from "node:assert/strict";
import { test } from "node:test";
import {
  comparePositions,
  isHeight,
  isRound,
  type Position,
  positionBefore,
  positionOfWire,
  STEP_NUMBERS,
  stepOfNumber,
  type TendermintStep,
  wirePositionOf,
} from "../../../../../../enclave/core/chains/tendermint/position.ts";
import { InvariantError } from "../../../../../../shared/invariant.ts";
import { HEIGHT_MAX, ROUND_MAX } from "../../../../../../shared/limits.ts";

const STEPS: readonly TendermintStep[] = ["proposal", "prevote", "precommit"];
const at = (height: bigint, round: number, step: TendermintStep): Position => ({
  height,
  round,
  step,
});

test("places are ordered by height, then round, then step", () => {
  const ordered = [1n, 2n, HEIGHT_MAX].flatMap((height) =>
    [0, 1, ROUND_MAX].flatMap((round) => STEPS.map((step) => at(height, round, step))),
  );
  ordered.forEach((a, first) => {
    ordered.forEach((b, second) => {
      assert.equal(Math.sign(comparePositions(a, b)), Math.sign(first - second));
    });
  });
});

test("steps have FilePV's numbers, and no others", () => {
  assert.deepEqual(STEP_NUMBERS, { proposal: 1, prevote: 2, precommit: 3 });
  for (const step of STEPS) assert.equal(stepOfNumber(STEP_NUMBERS[step]), step);
  for (const number of [-1, 0, 4, 1.5, 255]) assert.equal(stepOfNumber(number), undefined);
});

test("heights start at 1 and rounds at 0, and both fit their types", () => {
  const heights: readonly (readonly [bigint, boolean])[] = [
    [-1n, false],
    [0n, false],
    [1n, true],
    [2n ** 63n - 1n, true],
    [2n ** 63n, false],
  ];
  for (const [height, isIn] of heights) assert.equal(isHeight(height), isIn, `${height}`);
  const rounds: readonly (readonly [number, boolean])[] = [
    [-1, false],
    [0, true],
    [0.5, false],
    [2 ** 31 - 1, true],
    [2 ** 31, false],
    [Number.NaN, false],
  ];
  for (const [round, isIn] of rounds) assert.equal(isRound(round), isIn, `${round}`);
});

test("each place has the one before it, with none between", () => {
  const rows: readonly (readonly [Position, Position])[] = [
    [at(1n, 0, "proposal"), at(1n, 0, "prevote")],
    [at(1n, 0, "prevote"), at(1n, 0, "precommit")],
    [at(1n, 0, "precommit"), at(1n, 1, "proposal")],
    [at(9n, 4, "precommit"), at(9n, 5, "proposal")],
    [at(9n, ROUND_MAX, "prevote"), at(9n, ROUND_MAX, "precommit")],
    [at(9n, ROUND_MAX, "precommit"), at(10n, 0, "proposal")],
  ];
  for (const [before, after] of rows) {
    assert.deepEqual(positionBefore(after), before);
  }
});

test("nothing is before the first place", () => {
  assert.equal(positionBefore(at(1n, 0, "proposal")), null);
  assert.equal(positionBefore(at(0n, 0, "proposal")), null);
  assert.equal(positionBefore(at(0n, 7, "precommit")), null);
});

test("a place has the same numbers on the wire, and comes back as it was", () => {
  for (const [step, number] of Object.entries(STEP_NUMBERS)) {
    const place = at(HEIGHT_MAX, ROUND_MAX, stepOfNumber(number) ?? "proposal");
    assert.equal(place.step, step);
    const wire = wirePositionOf({ ...place });
    assert.deepEqual(wire, { height: HEIGHT_MAX, round: ROUND_MAX, step: number });
    assert.deepEqual(positionOfWire(wire), place);
  }
  for (const step of [0, 4]) {
    assert.throws(() => positionOfWire({ height: 1n, round: 0, step }), InvariantError);
  }
});
