// Histories of enclaves that share a DynamoDB table and sign for a Tendermint chain.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConsensusChain } from "./consensus-chain.ts";
import { assertReached, historyCount, isOneSeed, runBatch, TIMEOUT_MS } from "./seeds.ts";
import { runTableHistoryOf } from "./table-history.ts";

test("whatever network, machines and nodes do, enclaves that share a table sign one root for one step, with one time, and serve afterwards", {
  timeout: TIMEOUT_MS,
}, async () => {
  const fates = new Set<string>();
  const chain = new ConsensusChain();
  const refusals = await runBatch({
    file: "test/simulation/consensus-table.test.ts",
    subject: "tendermint, dynamodb",
    count: historyCount(800),
    run: async (seed) => {
      const outcome = await runTableHistoryOf(chain, { seed });
      for (const fate of outcome.fates) fates.add(fate);
      return outcome;
    },
    countsOf: (outcome) => ({
      steps: outcome.stepCount,
      requests: outcome.requestCount,
      releases: outcome.releaseCount,
      conflicts: outcome.conflictCount,
      calls: outcome.callCount,
      crashes: outcome.crashCount,
      stops: outcome.stopCount,
      retirements: outcome.retiredCount,
    }),
  });
  process.stdout.write(`refusals: ${[...refusals].toSorted().join(" ")}\n`);
  assertReached(refusals, [
    "GUARD_HEIGHT_BELOW",
    "GUARD_ROUND_BELOW",
    "GUARD_STEP_BELOW",
    "GUARD_STEP_DOUBLE",
    "KEY_RETIRED",
    "STATE_UNKNOWN",
    "STORE_DENIED",
    "STORE_IDENTITY",
    "STORE_UNAVAILABLE",
  ]);
  if (!isOneSeed) assert.equal(fates.size, 14);
});
