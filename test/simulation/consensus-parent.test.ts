// Histories of enclaves, one at a time, that sign for a Tendermint chain with the state in their
// parent's store: a parent that loses answers and writes late, but never lies. What a lying one
// gets is outside of the promise for these chains, and is shown as that.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConsensusChain } from "./consensus-chain.ts";
import { FALSE_ALARMS, runHistoryOf } from "./history.ts";
import { Slashed } from "./recorder.ts";
import { assertReached, firstSeedThat, historyCount, runBatch, TIMEOUT_MS } from "./seeds.ts";

const LIAR_COUNT = 400;

test("a parent that loses answers and writes late, but does not lie, gets one root for one step, with one time, and costs no key its state", {
  timeout: TIMEOUT_MS,
}, async () => {
  const chain = new ConsensusChain();
  const refusals = await runBatch({
    file: "test/simulation/consensus-parent.test.ts",
    subject: "tendermint, unreliable",
    count: historyCount(1000),
    run: (seed) => runHistoryOf(chain, { seed, temper: "unreliable" }),
    countsOf: (outcome) => ({
      steps: outcome.stepCount,
      requests: outcome.requestCount,
      releases: outcome.releaseCount,
      crashes: outcome.crashCount,
      moves: outcome.moveCount,
      calls: outcome.storeCallCount,
    }),
  });
  for (const code of FALSE_ALARMS) assert(!refusals.has(code), code);
  assertReached(refusals, [
    "GUARD_HEIGHT_BELOW",
    "GUARD_ROUND_BELOW",
    "GUARD_STEP_BELOW",
    "GUARD_STEP_DOUBLE",
    "STATE_UNKNOWN",
  ]);
});

test("OUTSIDE THE PROMISE: histories are found in which a parent that lies has a step signed twice", async (t) => {
  const seed = await firstSeedThat(
    (thrown) => thrown instanceof Slashed,
    LIAR_COUNT,
    (each) => runHistoryOf(new ConsensusChain(), { seed: each, temper: "hostile" }),
  );
  assert(seed !== undefined, "what nobody promises was kept: then it could be promised");
  t.diagnostic(`slashed by history ${seed}`);
});
