// Thousands of histories that chance makes up. A history that fails says its seed; `SEED=… npm
// test` (or `node --test` on this file) runs that one alone. REDOUBT_SIMULATIONS asks for more or
// fewer.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode } from "../../shared/errors.ts";
import { FALSE_ALARMS, type Outcome, runHistory, type Wish } from "./history.ts";
import type { Temper } from "./parent.ts";

const HISTORY_COUNT = Number(process.env["REDOUBT_SIMULATIONS"] ?? 2000);
const seedWish = process.env["SEED"];

function seedsOf(count: number): readonly number[] {
  if (seedWish !== undefined) return [Number(seedWish)];
  return Array.from({ length: count }, (_, index) => index + 1);
}

async function run(wish: Wish): Promise<Outcome> {
  try {
    return await runHistory(wish);
  } catch (cause) {
    throw new Error(`SEED=${wish.seed} (${wish.temper}) fails`, { cause });
  }
}

async function runAll(temper: Temper, count: number): Promise<ReadonlySet<ErrorCode>> {
  const startMs = performance.now();
  const sum = { histories: 0, steps: 0, requests: 0, releases: 0, crashes: 0, moves: 0, calls: 0 };
  const refusals = new Set<ErrorCode>();
  for (const seed of seedsOf(count)) {
    const outcome = await run({ seed, temper });
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
  process.stdout.write(`${temper}: ${counts.join(", ")}, ${seconds} s\n`);
  return refusals;
}

test("whatever a hostile parent does, no slashable pair is ever released, and an honest one after it is served", async () => {
  const refusals = await runAll("hostile", HISTORY_COUNT);
  if (seedWish !== undefined) return;
  // The histories reach what they are there for.
  const reached: readonly ErrorCode[] = [
    "GUARD_BLOCK_DOUBLE",
    "GUARD_VOTE_DOUBLE",
    "GUARD_VOTE_SOURCE_BELOW",
    "GUARD_BOOT_FLOOR",
    "FUTURE",
    "STATE_ROLLED_BACK",
    "STATE_CORRUPT",
    "STATE_MISSING",
    "STATE_UNKNOWN",
  ];
  for (const code of reached) assert(refusals.has(code), code);
});

test("a parent that loses answers and writes late, but does not lie, never costs a key its state", async () => {
  const refusals = await runAll("unreliable", Math.ceil(HISTORY_COUNT / 4));
  for (const code of FALSE_ALARMS) assert(!refusals.has(code), code);
});
