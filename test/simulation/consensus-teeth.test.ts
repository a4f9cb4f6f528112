// The tests of the simulation of Tendermint chains: each breaks one thing that the promise rests
// on, in the store, the table or the rule, never in the recorder; and a history has to be found
// that releases what it must not.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { voteRoot } from "../../enclave/core/chains/tendermint/canonical.ts";
import {
  type SignedStep,
  type TendermintRecord,
  withoutRoot,
} from "../../enclave/core/chains/tendermint/consensus-record.ts";
import {
  type TendermintClaim,
  tendermintRule,
} from "../../enclave/core/chains/tendermint/consensus-rule.ts";
import {
  comparePositions,
  type Position,
  positionBefore,
} from "../../enclave/core/chains/tendermint/position.ts";
import type { CommitOutcome } from "../../enclave/core/ports.ts";
import type { Verdict } from "../../enclave/core/rule.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import type { ConsensusState } from "../../shared/wire/consensus-methods.ts";
import { CHAIN } from "../fakes/privval-node.ts";
import { ConsensusChain, Retimed } from "./consensus-chain.ts";
import { Slashed, Unreceipted } from "./recorder.ts";
import { firstSeedThat } from "./seeds.ts";
import { runTableHistoryOf, type Wish } from "./table-history.ts";

const SEED_COUNT_MAX = 600;
const COMMITTED: CommitOutcome = { kind: "committed" };
const sound = { ...tendermintRule };

type Change = Omit<Wish, "seed">;
type Break = {
  readonly found: typeof Slashed | typeof Retimed | typeof Unreceipted;
  readonly make: (t: TestContext) => Change;
  readonly chain?: ConsensusChain;
};
type Decide = (
  last: SignedStep,
  claim: TendermintClaim,
  root: Uint8Array,
) => Verdict<TendermintRecord> | null;

/** For what takes an act of the operators between a write and its repeat. */
const OFTEN_AMENDED: Change = { amendWeight: 30, retireWeight: 0 };

/** Decides what `decide` has an answer for, and leaves the rest to the rule. */
function brokenRule(decide: Decide, change: Change = {}): Break["make"] {
  return (t) => {
    t.mock.method(
      tendermintRule,
      "decide",
      (...[record, claim, root, floor]: Parameters<typeof sound.decide>) => {
        const broken = record.last === null ? null : decide(record.last, claim, root);
        return broken ?? sound.decide(record, claim, root, floor);
      },
    );
    return change;
  };
}

function brokenStore(change: (outcome: CommitOutcome) => CommitOutcome): Break["make"] {
  return () => ({
    breakStore: (store) => ({
      pacing: store.pacing,
      verify: () => store.verify(),
      read: (scope, keys) => store.read(scope, keys),
      commit: async (scope, writes) => (await store.commit(scope, writes)).map(change),
    }),
  });
}

function approve(claim: TendermintClaim, root: Uint8Array): Verdict<TendermintRecord> {
  const { timestamp } = claim;
  return {
    kind: "approve",
    record: { reserved: null, last: { ...withoutRoot(claim), root, timestamp } },
  };
}

function isNil(claim: TendermintClaim, root: Uint8Array): boolean {
  const { step, height, round } = claim;
  if (step === "proposal") return false;
  const untold = { validatorAddress: root, validatorIndex: 0, extension: root };
  const { timestamp } = claim;
  const nil = { step, height, round, blockId: null, timestamp, ...untold };
  return isEqualBytes(voteRoot(nil, CHAIN), root);
}

/** Its proofs state the place before the last. */
class UnderstatedChain extends ConsensusChain {
  override lastOf(state: ConsensusState): Position | null {
    const last = super.lastOf(state);
    return last === null ? null : positionBefore(last);
  }
}

const BREAKS: Readonly<Record<string, Break>> = {
  "nil and a block are taken for the same": {
    found: Slashed,
    make: brokenRule((last, claim, root) => {
      if (comparePositions(last, claim) !== 0 || last.root === null) return null;
      const isOneNil = isNil(claim, root) !== isNil(claim, last.root);
      return isOneNil ? approve(claim, root) : null;
    }),
  },
  "the steps of a round are not in order": {
    found: Slashed,
    make: brokenRule((last, claim, root) => {
      const isSameRound = last.height === claim.height && last.round === claim.round;
      return isSameRound && last.step !== claim.step ? approve(claim, root) : null;
    }),
  },
  "the rounds of a height are not in order": {
    found: Slashed,
    make: brokenRule((last, claim, root) =>
      last.height === claim.height && last.round !== claim.round ? approve(claim, root) : null,
    ),
  },
  "an unknown root is taken for the one that is asked for": {
    found: Slashed,
    make: brokenRule(
      (last, claim, root) =>
        comparePositions(last, claim) === 0 && last.root === null ? approve(claim, root) : null,
      OFTEN_AMENDED,
    ),
  },
  "a vote is signed again with the time that is asked for": {
    found: Retimed,
    make: brokenRule((last, claim, root) => {
      const isRepeat = comparePositions(last, claim) === 0 && last.root !== null;
      return isRepeat && isEqualBytes(last.root, root) ? approve(claim, root) : null;
    }),
  },
  "a conflict is taken for a write": {
    found: Slashed,
    make: brokenStore((outcome) => (outcome.kind === "conflict" ? COMMITTED : outcome)),
  },
  "an unknown outcome is taken for a write": {
    found: Slashed,
    make: brokenStore((outcome) => (outcome.kind === "unknown" ? COMMITTED : outcome)),
  },
  "the table meets every condition": {
    found: Slashed,
    make: () => ({ table: { ignoresConditions: true } }),
  },
  "a proof of retirement states too low a place": {
    found: Slashed,
    make: () => ({ retireWeight: 3 }),
    chain: new UnderstatedChain(),
  },
  "every enclave has a table of its own": { found: Slashed, make: () => ({ isSplit: true }) },
  "what another write brought is released without a receipt": {
    found: Unreceipted,
    make: (t) => {
      t.mock.method(
        tendermintRule,
        "join",
        (...[raised, stored]: Parameters<typeof sound.join>) => {
          const { last } = sound.join(raised, stored);
          if (last === null) return { reserved: null, last };
          return {
            reserved: null,
            last: { ...withoutRoot(last), root: last.root, timestamp: last.timestamp },
          };
        },
      );
      return OFTEN_AMENDED;
    },
  },
};

for (const [name, { found, make, chain = new ConsensusChain() }] of Object.entries(BREAKS)) {
  test(`the simulation notices that ${name}`, async (t) => {
    const wish = make(t);
    const seed = await firstSeedThat(
      (thrown) => thrown instanceof found,
      SEED_COUNT_MAX,
      (each) => runTableHistoryOf(chain, { ...wish, seed: each }),
    );
    assert(seed !== undefined, `${SEED_COUNT_MAX} histories, and nothing was noticed`);
    t.diagnostic(`${found.name}: history ${seed}`);
  });
}
