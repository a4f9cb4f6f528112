// The tests of the simulation of the shared table: each breaks one thing that the argument in
// docs/safety.md rests on, in the store, the table or the rule, never in the recorder; and a
// history has to be found in which somebody is slashed for it.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ethereumRule } from "../../enclave/core/chains/ethereum/slashing-rule.ts";
import type { CommitOutcome, StateStore } from "../../enclave/core/ports.ts";
import { Slashed, Unreceipted } from "./recorder.ts";
import { firstSeedThat } from "./seeds.ts";
import { runTableHistory, type Wish } from "./table-history.ts";

const SEED_COUNT_MAX = 400;
const sound = { ...ethereumRule };

type Break = (t: TestContext) => Omit<Wish, "seed">;

function withOutcomes(change: (outcome: CommitOutcome) => CommitOutcome): Omit<Wish, "seed"> {
  return {
    breakStore: (store) => ({
      ...portOf(store),
      commit: async (scope, writes) => (await store.commit(scope, writes)).map(change),
    }),
  };
}

function portOf(store: StateStore): StateStore {
  return {
    pacing: store.pacing,
    verify: () => store.verify(),
    read: (scope, keys) => store.read(scope, keys),
    commit: (scope, writes) => store.commit(scope, writes),
  };
}

const COMMITTED: CommitOutcome = { kind: "committed" };

const BREAKS: Readonly<Record<string, Break>> = {
  "an unknown outcome is taken for a write": () =>
    withOutcomes((outcome) => (outcome.kind === "unknown" ? COMMITTED : outcome)),
  "a conflict is taken for a write": () =>
    withOutcomes((outcome) => (outcome.kind === "conflict" ? COMMITTED : outcome)),
  "a write is answered before it is made": () => ({
    breakStore: (store) => ({
      ...portOf(store),
      commit: (scope, writes) => {
        void store.commit(scope, writes);
        return Promise.resolve(writes.map(() => COMMITTED));
      },
    }),
  }),
  "the table meets every condition": () => ({ table: { ignoresConditions: true } }),
  "another's item is taken for our own": () => ({ table: { showsOwnToken: true } }),
  "a restored table is taken for the one before": () => ({ table: { keepsId: true } }),
  "every enclave has a table of its own": () => ({ isSplit: true }),
  "another root at the last height is taken for a repeat": (t) => {
    t.mock.method(
      ethereumRule,
      "decide",
      (...[record, claim, root, floor]: Parameters<typeof sound.decide>) => {
        const block = record.block === null ? null : { ...record.block, root };
        const vote = record.vote === null ? null : { ...record.vote, root };
        return sound.decide({ block, vote }, claim, root, floor);
      },
    );
    return {};
  },
  "a vote's source may be below that of the last one": (t) => {
    t.mock.method(
      ethereumRule,
      "decide",
      (...[record, claim, root, floor]: Parameters<typeof sound.decide>) => {
        const vote = record.vote === null ? null : { ...record.vote, source: 0n };
        return sound.decide({ ...record, vote }, claim, root, floor);
      },
    );
    return {};
  },
};

/** The first history that ends in this way. */
function seedThatThrows(
  wanted: typeof Slashed | typeof Unreceipted,
  wish: Omit<Wish, "seed">,
): Promise<number | undefined> {
  return firstSeedThat(
    (thrown) => thrown instanceof wanted,
    SEED_COUNT_MAX,
    (seed) => runTableHistory({ ...wish, seed }),
  );
}

for (const [name, breakIt] of Object.entries(BREAKS)) {
  test(`the simulation notices that ${name}`, async (t) => {
    const seed = await seedThatThrows(Slashed, breakIt(t));
    assert(seed !== undefined, `${SEED_COUNT_MAX} histories, and nobody was slashed`);
    t.diagnostic(`slashed by history ${seed}`);
  });
}

test("the simulation notices that what another write brought is released without a receipt", async (t) => {
  t.mock.method(ethereumRule, "join", (...[raised, stored]: Parameters<typeof sound.join>) => {
    const { block, vote } = sound.join(raised, stored);
    return {
      block: block === null ? null : { slot: block.slot, root: block.root },
      vote: vote === null ? null : { source: vote.source, target: vote.target, root: vote.root },
    };
  });
  const seed = await seedThatThrows(Unreceipted, {});
  assert(seed !== undefined, `${SEED_COUNT_MAX} histories, and each release had its receipt`);
  t.diagnostic(`found by history ${seed}`);
});
