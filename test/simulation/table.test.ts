// Thousands of histories of enclaves that share a DynamoDB table.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertReached, historyCount, isOneSeed, runBatch, TIMEOUT_MS } from "./seeds.ts";
import { runTableHistory } from "./table-history.ts";

test("whatever network, machines and validators do, enclaves that share a table release no slashable pair, and serve afterwards", {
  timeout: TIMEOUT_MS,
}, async () => {
  const fates = new Set<string>();
  const refusals = await runBatch({
    file: "test/simulation/table.test.ts",
    subject: "dynamodb",
    count: historyCount(2000),
    run: async (seed) => {
      const outcome = await runTableHistory({ seed });
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
    "FUTURE",
    "GUARD_BLOCK_BELOW",
    "GUARD_BLOCK_DOUBLE",
    "GUARD_VOTE_DOUBLE",
    "GUARD_VOTE_SOURCE_BELOW",
    "KEY_RETIRED",
    "STATE_UNKNOWN",
    "STORE_DENIED",
    "STORE_IDENTITY",
    "STORE_THROTTLED",
    "STORE_UNAVAILABLE",
  ]);
  if (!isOneSeed) assert.equal(fates.size, 14);
});
