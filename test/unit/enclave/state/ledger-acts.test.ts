// What operators change of a record through the ledger: acts that raise it, and the order that
// replaces it.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type EthereumRecord,
  ethereumRule,
} from "../../../../enclave/core/chains/ethereum/slashing-rule.ts";
import type { Amendment } from "../../../../enclave/state/ledger.ts";
import { refusal } from "../../../../shared/errors.ts";
import {
  block,
  LedgerRig,
  ledgerRig,
  rootOf,
  sentSeqs,
  storedOf,
  vote,
} from "../../../fakes/ledger-rig.ts";
import { denied, lost, MemoryStore, writtenButUnknown } from "../../../fakes/memory-store.ts";

const LOWERED: EthereumRecord = { block: { slot: 3n, root: null }, vote: null };

function receiptOf(kind: string) {
  return { kind, heights: [], signingRoot: null, timeMs: 1 };
}

async function amend(
  rig: LedgerRig,
  kind: string,
  change: (record: EthereumRecord | null) => Amendment<EthereumRecord> | null,
): Promise<string> {
  const done = await rig.ledger.amend(rig.account, receiptOf(kind), change);
  return done.ok ? "ok" : done.error.code;
}

/** Nothing at or below this slot is signed any more. */
function raise(rig: LedgerRig, slot: bigint): Promise<string> {
  const record = { block: { slot, root: null }, vote: null };
  return amend(rig, "import", (before) =>
    before !== null && ethereumRule.isSuccessor(record, before)
      ? null
      : { record, isRetired: false },
  );
}

function retire(rig: LedgerRig): Promise<string> {
  return amend(rig, "retire", (record) => ({
    record: record ?? ethereumRule.empty,
    isRetired: true,
  }));
}

async function override(rig: LedgerRig, seq: number): Promise<string> {
  const done = await rig.ledger.override(rig.account, receiptOf("override"), LOWERED, seq);
  return done.ok ? "ok" : done.error.code;
}

/** A rig whose key has signed a block: its record has version 2. */
async function signedRig(): Promise<LedgerRig> {
  const rig = await ledgerRig();
  assert.equal(await rig.ask(block(7), "a"), "ok");
  return rig;
}

test("an act reads the store before it decides only after an unknown outcome", async () => {
  const rig = await ledgerRig();
  rig.store.refuseRead(refusal("STORE_UNAVAILABLE"));
  assert.equal(await raise(rig, 7n), "ok");
  rig.store.script(lost);
  assert.equal(await raise(rig, 9n), "STATE_UNKNOWN");
  const sent = sentSeqs(rig);
  assert.equal(await raise(rig, 9n), "STORE_UNAVAILABLE");
  assert.deepEqual(sentSeqs(rig), sent);
  assert.equal(await raise(rig, 9n), "ok");
  assert.equal(storedOf(rig).record.block?.slot, 9n);
});

test("an act that only ever meets a conflict is given up after five writes", async () => {
  const rig = await ledgerRig();
  const stored = rig.store.stored(rig.account.publicKey);
  rig.store.script(...Array.from({ length: 9 }, () => denied(stored)));
  rig.store.commits.length = 0;
  assert.equal(await raise(rig, 9n), "STATE_CONFLICT");
  assert.equal(rig.store.commits.length, 5);
  assert.deepEqual(rig.store.stored(rig.account.publicKey), stored);
});

test("an act that meets a conflict is decided again on what another enclave wrote", async () => {
  const rig = await ledgerRig();
  const other = new LedgerRig(rig.store);
  await other.load();
  assert.equal(await other.ask(vote(1, 2), "theirs"), "ok");
  const seen: (bigint | undefined)[] = [];
  const done = await amend(rig, "floor", (record) => {
    seen.push(record?.vote?.target);
    const vote = record?.vote ?? null;
    return { record: { block: { slot: 9n, root: null }, vote }, isRetired: false };
  });
  assert.equal(done, "ok");
  assert.deepEqual(seen, [undefined, 2n]);
  assert.equal(storedOf(rig).record.vote?.target, 2n);
  assert.equal(storedOf(rig).record.block?.slot, 9n);
});

test("a tombstone whose write was lost is what the next act writes, whatever it wanted", async () => {
  const rig = await signedRig();
  rig.store.script(lost);
  assert.equal(await retire(rig), "STATE_UNKNOWN");
  await raise(rig, 9n);
  assert.equal(storedOf(rig).isRetired, true);
  assert.equal(storedOf(rig).record.block?.slot, 7n);
  assert.equal(await raise(rig, 9n), "KEY_RETIRED");
  assert.equal(await rig.ask(block(8), "b"), "KEY_RETIRED");
});

test("an act that has nothing to change writes nothing", async () => {
  const rig = await signedRig();
  const sent = sentSeqs(rig);
  assert.equal(await raise(rig, 6n), "ok");
  assert.deepEqual(sentSeqs(rig), sent);
  const bare = new LedgerRig(new MemoryStore());
  assert.equal(await amend(bare, "import", () => null), "ok");
  assert.deepEqual(sentSeqs(bare), []);
});

test("the same act twice in one turn is one write, and neither is told before it is durable", async () => {
  const rig = await ledgerRig();
  const open = rig.store.hold();
  const told: string[] = [];
  const asked = [raise(rig, 9n), raise(rig, 9n)].map(async (each) => told.push(await each));
  await new Promise(setImmediate);
  assert.deepEqual(told, []);
  open();
  await Promise.all(asked);
  assert.deepEqual(told, ["ok", "ok"]);
  assert.deepEqual(sentSeqs(rig), [[[1, 1]], [[1, 2]]]);
});

test("an act beside a write of its key that is under way has a version and a receipt of its own", async () => {
  const rig = await ledgerRig();
  const answers = [raise(rig, 9n), raise(rig, 11n), rig.ask(block(12), "a")];
  assert.deepEqual(await Promise.all(answers), ["ok", "ok", "ok"]);
  assert.deepEqual(sentSeqs(rig), [[[1, 1]], [[1, 2]], [[1, 3]], [[1, 4]]]);
  assert.equal(rig.store.receipts.length, 4);
  assert.deepEqual(storedOf(rig).record.block, { slot: 12n, root: new Uint8Array(rootOf("a")) });
});

test("an act that would lower a record is a bug, and writes nothing", async () => {
  const rig = await signedRig();
  const sent = sentSeqs(rig);
  const lowered = amend(rig, "import", () => ({ record: LOWERED, isRetired: false }));
  await assert.rejects(lowered, { name: "InvariantError" });
  assert.deepEqual(sentSeqs(rig), sent);
  assert.equal(await rig.ask(block(7), "b"), "GUARD_BLOCK_DOUBLE");
});

test("an order replaces the record that it names, and nothing is read for it", async () => {
  const rig = await signedRig();
  rig.store.refuseRead(refusal("STORE_UNAVAILABLE"));
  assert.equal(await override(rig, 2), "ok");
  assert.equal(storedOf(rig).seq, 3);
  assert.deepEqual(storedOf(rig).record, LOWERED);
  assert.equal(await rig.ask(block(4), "b"), "ok");
});

test("an order after an unknown outcome goes by what is stored", async () => {
  const rig = await signedRig();
  rig.store.script(writtenButUnknown);
  assert.equal(await rig.ask(block(8), "b"), "STATE_UNKNOWN");
  const sent = sentSeqs(rig);
  rig.store.refuseRead(refusal("STORE_UNAVAILABLE"));
  assert.equal(await override(rig, 3), "STORE_UNAVAILABLE");
  assert.equal(await override(rig, 2), "OVERRIDE_STATE");
  assert.deepEqual(sentSeqs(rig), sent);
  assert.equal(await override(rig, 3), "ok");
  assert.deepEqual(storedOf(rig).record, LOWERED);
});

test("an order lowers nothing while a write is under way, or may still arrive", async () => {
  const rig = await signedRig();
  const answers = [rig.ask(block(8), "b"), override(rig, 2)];
  assert.deepEqual(await Promise.all(answers), ["ok", "OVERRIDE_STATE"]);
  rig.store.script(lost);
  assert.equal(await rig.ask(block(9), "c"), "STATE_UNKNOWN");
  assert.equal(await override(rig, 3), "OVERRIDE_STATE");
  assert.equal(storedOf(rig).record.block?.slot, 8n);
});

test("an order gives no record to a key that has none, or whose first one may be lost", async () => {
  const rig = new LedgerRig(new MemoryStore());
  assert.equal(await override(rig, 0), "STATE_MISSING");
  assert.equal(rig.store.commits.length, 0);
  rig.store.script(lost);
  assert.equal(await rig.init(), "STATE_UNKNOWN");
  assert.equal(await override(rig, 0), "STATE_MISSING");
  assert.equal(rig.store.stored(rig.account.publicKey), null);
});

test("an order brings no retired key back", async () => {
  const rig = await signedRig();
  assert.equal(await retire(rig), "ok");
  assert.equal(await override(rig, 3), "KEY_RETIRED");
  assert.equal(storedOf(rig).isRetired, true);
  assert.equal(await rig.ask(block(8), "b"), "KEY_RETIRED");
});

test("an order mends no key whose store was rolled back", async () => {
  const rig = await signedRig();
  rig.store.script(denied(null));
  assert.equal(await rig.ask(block(8), "b"), "STATE_ROLLED_BACK");
  const sent = sentSeqs(rig);
  assert.equal(await override(rig, 2), "STATE_ROLLED_BACK");
  assert.deepEqual(sentSeqs(rig), sent);
});

test("an order that meets a conflict is not tried again", async () => {
  const rig = await signedRig();
  const stored = rig.store.stored(rig.account.publicKey);
  rig.store.script(denied(stored));
  assert.equal(await override(rig, 2), "STATE_CONFLICT");
  assert.deepEqual(sentSeqs(rig), [[[1, 1]], [[1, 2]], [[1, 3]]]);
  assert.deepEqual(rig.store.stored(rig.account.publicKey), stored);
});
