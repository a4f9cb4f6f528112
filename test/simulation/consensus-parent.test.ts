// Histories of enclaves, one at a time, that sign for a Tendermint chain with the state in their
// parent's store: a parent that loses answers and writes late, but never lies. What a lying one
// gets is outside of the promise for these chains, and is shown as that. A history that fails says
// its seed; `SEED=… node --test` on this file runs that one alone. REDOUBT_SIMULATIONS asks for
// more or fewer.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode } from "../../shared/errors.ts";
import { ConsensusChain } from "./consensus-chain.ts";
import { FALSE_ALARMS, runHistoryOf } from "./history.ts";
import { Slashed } from "./recorder.ts";

/** However many are asked for, and however busy the machine is. */
const TIMEOUT_MS = 7_200_000;
const HISTORY_COUNT = Number(process.env["REDOUBT_SIMULATIONS"] ?? 1000);
const LIAR_COUNT = 400;
const seedWish = process.env["SEED"];
const SEEDS =
  seedWish === undefined
    ? Array.from({ length: HISTORY_COUNT }, (_, index) => index + 1)
    : [Number(seedWish)];

test("a parent that loses answers and writes late, but does not lie, gets one root for one step, with one time, and costs no key its state", {
  timeout: TIMEOUT_MS,
}, async () => {
  const startMs = performance.now();
  const sum = { histories: 0, steps: 0, requests: 0, releases: 0, crashes: 0, moves: 0, calls: 0 };
  const refusals = new Set<ErrorCode>();
  const chain = new ConsensusChain();
  for (const seed of SEEDS) {
    const wish = { seed, temper: "unreliable" } as const;
    const outcome = await runHistoryOf(chain, wish).catch((cause: unknown) => {
      const command = `SEED=${seed} node --test test/simulation/consensus-parent.test.ts`;
      throw new Error(`history ${seed} fails; again: ${command}`, { cause });
    });
    sum.histories += 1;
    sum.steps += outcome.stepCount;
    sum.requests += outcome.requestCount;
    sum.releases += outcome.releaseCount;
    sum.crashes += outcome.crashCount;
    sum.moves += outcome.moveCount;
    sum.calls += outcome.storeCallCount;
    for (const code of outcome.refusals) refusals.add(code);
  }
  const counts = Object.entries(sum).map(([name, number]) => `${number} ${name}`);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  process.stdout.write(`tendermint, unreliable: ${counts.join(", ")}, ${seconds} s\n`);
  for (const code of FALSE_ALARMS) assert(!refusals.has(code), code);
  if (seedWish !== undefined) return;
  const reached: readonly ErrorCode[] = [
    "GUARD_HEIGHT_BELOW",
    "GUARD_ROUND_BELOW",
    "GUARD_STEP_BELOW",
    "GUARD_STEP_DOUBLE",
    "STATE_UNKNOWN",
  ];
  for (const code of reached) assert(refusals.has(code), code);
});

test("OUTSIDE THE PROMISE: histories are found in which a parent that lies has a step signed twice", async (t) => {
  for (let seed = 1; seed <= LIAR_COUNT; seed++) {
    try {
      await runHistoryOf(new ConsensusChain(), { seed, temper: "hostile" });
    } catch (thrown) {
      if (thrown instanceof Slashed) return t.diagnostic(`slashed by history ${seed}`);
    }
  }
  assert.fail("what nobody promises was kept: then it could be promised");
});
