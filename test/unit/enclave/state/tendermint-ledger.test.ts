// Tendermint's rule under the ledger that all chains share: what it releases, and by which record.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  NO_FLOOR,
  raiseTendermintRecord,
  type TendermintFloor,
  type TendermintRecord,
} from "../../../../enclave/core/chains/tendermint/consensus-record.ts";
import {
  type TendermintClaim,
  tendermintRule,
  timeToSign,
} from "../../../../enclave/core/chains/tendermint/consensus-rule.ts";
import type { TendermintStep } from "../../../../enclave/core/chains/tendermint/position.ts";
import { Account } from "../../../../enclave/state/account.ts";
import { Ledger } from "../../../../enclave/state/ledger.ts";
import { ownerOf, rootOf, SCOPE } from "../../../fakes/ledger-rig.ts";
import { lost, MemoryStore, writtenButUnknown } from "../../../fakes/memory-store.ts";

const A = rootOf("a");
const B = rootOf("b");

function claim(height: bigint, step: TendermintStep, seconds: bigint): TendermintClaim {
  return { height, round: 0, step, timestamp: { seconds, nanos: 0 } };
}

class Rig {
  readonly store: MemoryStore;
  readonly ledger: Ledger<TendermintRecord, TendermintClaim, TendermintFloor>;
  readonly account = new Account<TendermintRecord, TendermintFloor>(ownerOf(1));

  constructor(store = new MemoryStore()) {
    this.store = store;
    this.ledger = new Ledger(tendermintRule, SCOPE, store);
    this.account.floor = NO_FLOOR;
  }

  /** The seconds to sign, or the code of the refusal. */
  async ask(asked: TendermintClaim, root: Uint8Array): Promise<string> {
    const receipt = { kind: "VOTE", heights: [asked.height], signingRoot: root, timeMs: 1 };
    const answer = await this.ledger.record(this.account, asked, root, receipt);
    if (!answer.ok) return answer.error.code;
    const { durable } = this.account.entry;
    const time = durable === null ? null : timeToSign(durable.record.last, asked, root);
    return `${time?.seconds}`;
  }

  async amend(change: (record: TendermintRecord | null) => TendermintRecord): Promise<string> {
    const receipt = { kind: "import", heights: [], signingRoot: null, timeMs: 1 };
    const answer = await this.ledger.amend(this.account, receipt, (record) => ({
      record: change(record),
      isRetired: false,
    }));
    return answer.ok ? "ok" : answer.error.code;
  }
}

async function rigWithRecord(): Promise<Rig> {
  const rig = new Rig();
  await rig.ledger.load([rig.account]);
  assert.equal(await rig.ask(claim(1n, "prevote", 1n), A), "STATE_MISSING");
  assert.equal(await rig.amend((record) => record ?? tendermintRule.empty), "ok");
  return rig;
}

test("a record of nothing is a record, and no missing one", async () => {
  const rig = await rigWithRecord();
  const seen: (TendermintRecord | null)[] = [];
  await rig.amend((record) => {
    seen.push(record);
    return record ?? { reserved: null, last: null };
  });
  assert.deepEqual(seen, [tendermintRule.empty]);
});

test("several nodes that ask for one vote at different times get one and the same", async () => {
  const rig = await rigWithRecord();
  const asked = [10n, 11n, 12n].map((seconds) => rig.ask(claim(5n, "prevote", seconds), A));
  assert.deepEqual(await Promise.all(asked), ["10", "10", "10"]);
  assert.equal(await rig.ask(claim(5n, "prevote", 13n), A), "10");
  assert.equal(await rig.ask(claim(5n, "prevote", 13n), B), "GUARD_STEP_DOUBLE");
  assert.equal(await rig.ask(claim(5n, "proposal", 13n), A), "GUARD_STEP_BELOW");
  assert.equal(await rig.ask(claim(5n, "precommit", 14n), B), "14");
  assert.equal(await rig.ask(claim(6n, "proposal", 15n), A), "15");
  assert.equal(await rig.ask(claim(6n, "proposal", 16n), A), "16");
});

test("after an unknown outcome a vote keeps the time that may have been written", async () => {
  for (const act of [lost, writtenButUnknown]) {
    const rig = await rigWithRecord();
    rig.store.script(act);
    assert.equal(await rig.ask(claim(5n, "prevote", 10n), A), "STATE_UNKNOWN");
    assert.equal(await rig.ask(claim(5n, "prevote", 11n), B), "GUARD_STEP_DOUBLE");
    assert.equal(await rig.ask(claim(5n, "prevote", 12n), A), "10");
  }
});

test("another enclave on the store repeats a vote with its time", async () => {
  const rig = await rigWithRecord();
  assert.equal(await rig.ask(claim(5n, "precommit", 10n), A), "10");
  const second = new Rig(rig.store);
  assert.equal(await second.ask(claim(5n, "precommit", 11n), A), "10");
  assert.equal(await second.ask(claim(5n, "precommit", 11n), B), "GUARD_STEP_DOUBLE");
});

test("an import raises the record, and what lies at it is not repeated", async () => {
  const rig = await rigWithRecord();
  assert.equal(await rig.ask(claim(5n, "prevote", 10n), A), "10");
  const imported = { height: 9n, round: 0, step: "prevote" } as const;
  assert.equal(
    await rig.amend((record) => raiseTendermintRecord(record ?? tendermintRule.empty, imported)),
    "ok",
  );
  assert.equal(await rig.ask(claim(5n, "prevote", 11n), A), "GUARD_HEIGHT_BELOW");
  assert.equal(await rig.ask(claim(9n, "prevote", 11n), A), "GUARD_STEP_DOUBLE");
  assert.equal(await rig.ask(claim(9n, "precommit", 11n), A), "11");
});
