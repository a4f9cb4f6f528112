// Thousands of histories that chance makes up, with a parent of each temper.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode } from "../../shared/errors.ts";
import { FALSE_ALARMS, runHistory } from "./history.ts";
import type { Temper } from "./parent.ts";
import { assertReached, historyCount, runBatch, TIMEOUT_MS } from "./seeds.ts";

const HISTORY_COUNT = historyCount(2000);

function runAll(temper: Temper, count: number): Promise<ReadonlySet<ErrorCode>> {
  return runBatch({
    file: "test/simulation/simulation.test.ts",
    subject: temper,
    count,
    run: (seed) => runHistory({ seed, temper }),
    countsOf: (outcome) => ({
      steps: outcome.stepCount,
      requests: outcome.requestCount,
      releases: outcome.releaseCount,
      crashes: outcome.crashCount,
      moves: outcome.moveCount,
      calls: outcome.storeCallCount,
    }),
  });
}

test("whatever a hostile parent does, no slashable pair is ever released, and an honest one after it is served", {
  timeout: TIMEOUT_MS,
}, async () => {
  const refusals = await runAll("hostile", HISTORY_COUNT);
  assertReached(refusals, [
    "GUARD_BLOCK_DOUBLE",
    "GUARD_VOTE_DOUBLE",
    "GUARD_VOTE_SOURCE_BELOW",
    "GUARD_BOOT_FLOOR",
    "FUTURE",
    "STATE_ROLLED_BACK",
    "STATE_CORRUPT",
    "STATE_MISSING",
    "STATE_UNKNOWN",
  ]);
});

test("a parent that loses answers and writes late, but does not lie, never costs a key its state", {
  timeout: TIMEOUT_MS,
}, async () => {
  const refusals = await runAll("unreliable", Math.ceil(HISTORY_COUNT / 4));
  for (const code of FALSE_ALARMS) assert(!refusals.has(code), code);
});
