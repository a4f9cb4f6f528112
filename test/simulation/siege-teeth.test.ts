// The tests of the sieges: each breaks one thing that keeps an enclave from signing twice, in the
// rule or in what it makes of the store's answers, never in the recorder or in what the parent may
// do; and a siege has to be found in which something contradictory leaves. What takes more lies in
// a row is in consensus-teeth.test.ts and consensus-attack.test.ts.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { withoutRoot } from "../../enclave/core/chains/tendermint/consensus-record.ts";
import { tendermintRule } from "../../enclave/core/chains/tendermint/consensus-rule.ts";
import { comparePositions } from "../../enclave/core/chains/tendermint/position.ts";
import type { CommitOutcome, StateStore } from "../../enclave/core/ports.ts";
import { firstSeedThat } from "./seeds.ts";
import { runSiege, type SiegeWish } from "./siege.ts";
import { ParentGround } from "./siege-ground.ts";

const SEED_COUNT_MAX = 40;
const COMMITTED: CommitOutcome = { kind: "committed" };
const sound = { ...tendermintRule };

class Contradicted extends Error {}

type Break = (t: TestContext) => Pick<SiegeWish, "breakStore">;

function withCommit(commitOf: (store: StateStore) => StateStore["commit"]): Break {
  return () => ({
    breakStore: (store) => ({
      pacing: store.pacing,
      verify: () => store.verify(),
      read: (scope, keys) => store.read(scope, keys),
      commit: commitOf(store),
    }),
  });
}

function withOutcomes(change: (outcome: CommitOutcome) => CommitOutcome): Break {
  return withCommit((store) => async (scope, writes) => {
    const outcomes = await store.commit(scope, writes);
    return outcomes.map(change);
  });
}

const BREAKS: Readonly<Record<string, Break>> = {
  "another root at the last step is signed": (t) => {
    t.mock.method(
      tendermintRule,
      "decide",
      (...[record, claim, root, floor]: Parameters<typeof sound.decide>) => {
        const { last } = record;
        const isLast = last !== null && comparePositions(last, claim) === 0;
        if (!isLast) return sound.decide(record, claim, root, floor);
        const { timestamp } = claim;
        const signed = { ...withoutRoot(claim), root, timestamp };
        return { kind: "approve" as const, record: { ...record, last: signed } };
      },
    );
    return {};
  },
  "a step that was passed is signed": (t) => {
    t.mock.method(
      tendermintRule,
      "decide",
      (...[record, claim, root, floor]: Parameters<typeof sound.decide>) => {
        const { last } = record;
        const isPassed = last !== null && comparePositions(last, claim) > 0;
        return sound.decide(isPassed ? { ...record, last: null } : record, claim, root, floor);
      },
    );
    return {};
  },
  "an unknown outcome is taken for a write": withOutcomes((outcome) =>
    outcome.kind === "unknown" ? COMMITTED : outcome,
  ),
  "an answer does not wait for its write": withCommit((store) => (scope, writes) => {
    void store.commit(scope, writes);
    return Promise.resolve(writes.map(() => COMMITTED));
  }),
};

for (const [name, breakIt] of Object.entries(BREAKS)) {
  test(`a siege notices that ${name}`, async (t) => {
    const broken = breakIt(t);
    const seed = await firstSeedThat(
      (thrown) => thrown instanceof Contradicted,
      SEED_COUNT_MAX,
      async (each) => {
        const { contradictions } = await runSiege({
          ...broken,
          seed: each,
          // What is broken may fail there first.
          isServedAfter: false,
          ground: (random, clock) =>
            new ParentGround(random, clock, { rollsBack: false, forks: false }),
        });
        if (contradictions.length > 0) throw new Contradicted();
      },
    );
    assert(seed !== undefined, `${SEED_COUNT_MAX} sieges, and nothing contradictory left`);
    t.diagnostic(`found by siege ${seed}`);
  });
}
