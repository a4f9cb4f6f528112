// Whole enclaves whose parent is hostile in all that it has: it replays, mixes and bends the frames
// of `privval`, exchanges keys and chains, lies about what is stored, and kills. What left is
// verified outside, and held pair by pair against what the chain calls a contradiction.
//
// Two things are out of reach for these chains with the parent's store, and are shown to be the
// only ones: a boot that is shown an older record, and two enclaves at once on two copies.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestClock } from "../fakes/local-enclave.ts";
import type { Random } from "./random.ts";
import type { Contradiction } from "./released-votes.ts";
import { assertReached, isOneSeed, runBatch, TIMEOUT_MS, weightyCount } from "./seeds.ts";
import { runSiege, type SiegeOutcome } from "./siege.ts";
import { MOVES } from "./siege-frames.ts";
import { ParentGround, type ParentPowers } from "./siege-ground.ts";

const SIEGE_COUNT = weightyCount(200);
/** Of what is beside the promise's own. */
const POWER_COUNT = Math.ceil(SIEGE_COUNT / 2);
const NO_POWERS: ParentPowers = { rollsBack: false, forks: false };
const RESERVED: ParentPowers = { ...NO_POWERS, reserves: true };

type Besieged = SiegeOutcome & {
  readonly callCount: number;
  readonly lieCount: number;
  /** Contradictions that nothing explains which the parent was given the power to do. */
  readonly unexplained: readonly Contradiction[];
};

async function besiege(seed: number, powers: ParentPowers): Promise<Besieged> {
  let ground: ParentGround | null = null;
  /** In releases so far; a key of null is every key. */
  const causes: { readonly key: string | null; readonly at: number }[] = [];
  const outcome = await runSiege({
    seed,
    isServedAfter: !powers.rollsBack && !powers.forks,
    ground: (random: Random, clock: TestClock, releaseCount: () => number) => {
      ground = new ParentGround(random, clock, powers);
      ground.onFork = () => void causes.push({ key: null, at: releaseCount() });
      ground.store.onRollBack = (key) => void causes.push({ key, at: releaseCount() });
      return ground;
    },
  });
  assert(ground !== null);
  const { store }: ParentGround = ground;
  const unexplained = outcome.contradictions.filter(
    ({ key, firstAt, secondAt }) =>
      // What ran at once may have signed both after they were parted.
      !causes.some((cause) =>
        cause.key === null
          ? cause.at < secondAt
          : cause.key === key && cause.at >= firstAt && cause.at < secondAt,
      ),
  );
  return { ...outcome, callCount: store.callCount, lieCount: store.lieCount, unexplained };
}

function runAll(subject: string, powers: ParentPowers, look: (outcome: Besieged) => void) {
  return runBatch({
    file: "test/simulation/siege.test.ts",
    subject: `siege, ${subject}`,
    count: powers === NO_POWERS ? SIEGE_COUNT : POWER_COUNT,
    run: async (seed) => {
      const outcome = await besiege(seed, powers);
      look(outcome);
      return outcome;
    },
    countsOf: ({ released, ...outcome }) => ({
      steps: outcome.stepCount,
      answers: outcome.answerCount,
      releases: released.count,
      "extensions signed": released.extensionCount,
      repeats: released.repeatCount,
      "links closed": outcome.closedCount,
      "store calls": outcome.callCount,
      lies: outcome.lieCount,
      kills: outcome.killCount,
      "kills between record and answer": outcome.gapCount,
      contradictions: outcome.contradictions.length,
      "votes with two times": released.retimedCount,
      ...(powers === NO_POWERS ? outcome.moves : {}),
    }),
  });
}

test("whatever a parent does with link, store and life of an enclave, short of an older record for the next boot, nothing contradictory leaves, and an honest one is served", {
  timeout: TIMEOUT_MS,
}, async () => {
  const missing = new Set<string>(MOVES);
  let gapCount = 0;
  const refusals = await runAll("the parent's store", NO_POWERS, (outcome) => {
    assert.deepEqual(outcome.contradictions, []);
    for (const move of MOVES) if (outcome.moves[move] > 0) missing.delete(move);
    gapCount += outcome.gapCount;
  });
  assertReached(refusals, [
    "GUARD_HEIGHT_BELOW",
    "GUARD_ROUND_BELOW",
    "GUARD_STEP_BELOW",
    "GUARD_STEP_DOUBLE",
    "KEY_AMBIGUOUS",
    "KEY_UNKNOWN",
    "POLICY_KIND_DENIED",
    "REQUEST_CHAIN",
    "REQUEST_KIND_UNKNOWN",
    "REQUEST_MALFORMED",
    "STATE_CORRUPT",
    "STATE_ROLLED_BACK",
    "STATE_UNKNOWN",
  ]);
  if (isOneSeed) return;
  assert.deepEqual([...missing], []);
  assert(gapCount > 0, "enclaves were killed between record and answer");
});

test("the same where one chain's heights are reserved ahead", {
  timeout: TIMEOUT_MS,
}, async () => {
  const refusals = await runAll("reserved heights", RESERVED, (outcome) => {
    assert.deepEqual(outcome.contradictions, []);
  });
  assertReached(refusals, ["GUARD_RESERVED", "GUARD_STEP_DOUBLE"]);
});

test("OUTSIDE THE PROMISE: the same parent gets contradictory votes by showing a boot an older record, and by nothing else", {
  timeout: TIMEOUT_MS,
}, async () => {
  let foundCount = 0;
  await runAll("older records for boots", { rollsBack: true, forks: false }, (outcome) => {
    foundCount += outcome.contradictions.length;
    assert.deepEqual(outcome.unexplained, []);
  });
  if (!isOneSeed)
    assert(foundCount > 0, "what nobody promises was kept: then it could be promised");
});

test("OUTSIDE THE PROMISE: the same parent gets contradictory votes by two enclaves at once on two copies, and by nothing else", {
  timeout: TIMEOUT_MS,
}, async () => {
  let foundCount = 0;
  await runAll("two copies", { rollsBack: false, forks: true }, (outcome) => {
    foundCount += outcome.contradictions.length;
    assert.deepEqual(outcome.unexplained, []);
  });
  if (!isOneSeed)
    assert(foundCount > 0, "what nobody promises was kept: then it could be promised");
});
