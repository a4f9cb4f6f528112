// Histories of enclaves that share a DynamoDB table and sign for a Tendermint chain. A history that
// fails says its seed; `SEED=… node --test` on this file runs that one alone. REDOUBT_SIMULATIONS
// asks for more or fewer.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode } from "../../shared/errors.ts";
import { ConsensusChain } from "./consensus-chain.ts";
import { runTableHistoryOf } from "./table-history.ts";

/** However many are asked for, and however busy the machine is. */
const TIMEOUT_MS = 7_200_000;
const HISTORY_COUNT = Number(process.env["REDOUBT_SIMULATIONS"] ?? 800);
const seedWish = process.env["SEED"];
const SEEDS =
  seedWish === undefined
    ? Array.from({ length: HISTORY_COUNT }, (_, index) => index + 1)
    : [Number(seedWish)];

test("whatever network, machines and nodes do, enclaves that share a table sign one root for one step, with one time, and serve afterwards", {
  timeout: TIMEOUT_MS,
}, async () => {
  const startMs = performance.now();
  const sum = { histories: 0, steps: 0, requests: 0, releases: 0, conflicts: 0, calls: 0 };
  const more = { crashes: 0, stops: 0, retirements: 0 };
  const refusals = new Set<ErrorCode>();
  const fates = new Set<string>();
  const chain = new ConsensusChain();
  for (const seed of SEEDS) {
    const outcome = await runTableHistoryOf(chain, { seed }).catch((cause: unknown) => {
      const command = `SEED=${seed} node --test test/simulation/consensus-table.test.ts`;
      throw new Error(`history ${seed} fails; again: ${command}`, { cause });
    });
    sum.histories += 1;
    sum.steps += outcome.stepCount;
    sum.requests += outcome.requestCount;
    sum.releases += outcome.releaseCount;
    sum.conflicts += outcome.conflictCount;
    sum.calls += outcome.callCount;
    more.crashes += outcome.crashCount;
    more.stops += outcome.stopCount;
    more.retirements += outcome.retiredCount;
    for (const code of outcome.refusals) refusals.add(code);
    for (const fate of outcome.fates) fates.add(fate);
  }
  const counts = Object.entries({ ...sum, ...more }).map(([name, number]) => `${number} ${name}`);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  process.stdout.write(`tendermint, dynamodb: ${counts.join(", ")}, ${seconds} s\n`);
  process.stdout.write(`refusals: ${[...refusals].toSorted().join(" ")}\n`);
  if (seedWish !== undefined) return;
  // The histories reach what they are there for.
  const reached: readonly ErrorCode[] = [
    "GUARD_HEIGHT_BELOW",
    "GUARD_ROUND_BELOW",
    "GUARD_STEP_BELOW",
    "GUARD_STEP_DOUBLE",
    "KEY_RETIRED",
    "STATE_UNKNOWN",
    "STORE_DENIED",
    "STORE_IDENTITY",
    "STORE_UNAVAILABLE",
  ];
  for (const code of reached) assert(refusals.has(code), code);
  assert.equal(fates.size, 14);
});
