// That nothing is released of which the history has no receipt, whichever write brought it into the
// record, and whoever is asked for it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { headAfter } from "../../../../enclave/state/record-codec.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import {
  block,
  LedgerRig,
  ledgerRig,
  receiptCount,
  rootOf,
  storedOf,
  vote,
} from "../../../fakes/ledger-rig.ts";
import { late, lost, type MemoryStore } from "../../../fakes/memory-store.ts";

/** Another enclave with the key, that has read its record. */
async function another(store: MemoryStore): Promise<LedgerRig> {
  const rig = new LedgerRig(store);
  await rig.load();
  return rig;
}

test("receipts form a chain whose head the record holds", async () => {
  const rig = await ledgerRig();
  await Promise.all([rig.ask(block(7), "a"), rig.ask(vote(1, 2), "b")]);
  assert.equal(rig.store.receipts.length, 3);
  let head = new Uint8Array(32);
  for (const receipt of rig.store.receipts) head = new Uint8Array(headAfter(rig.account, receipt));
  assert.deepEqual(storedOf(rig).head, head);
});

function blockText(rig: LedgerRig): string {
  const { block: signed } = storedOf(rig).record;
  return `${signed?.slot} ${encodeHex(signed?.root ?? new Uint8Array(0))}`;
}

test("what another write made durable gets its own receipt before it is released", async () => {
  const rig = await ledgerRig();
  rig.store.script(lost);
  assert.equal(await rig.ask(block(7), "a"), "STATE_UNKNOWN");
  assert.equal(await rig.ask(vote(1, 2), "b"), "ok");
  assert.equal(blockText(rig), `7 ${encodeHex(rootOf("a"))}`);
  assert.equal(receiptCount(rig, "a"), 0);
  const answers = await Promise.all([rig.ask(block(7), "a"), rig.ask(block(7), "a")]);
  assert.deepEqual(answers, ["ok", "ok"]);
  assert.equal(await rig.ask(block(7), "a"), "ok");
  assert.equal(receiptCount(rig, "a"), 1);
  assert.equal(blockText(rig), `7 ${encodeHex(rootOf("a"))}`);
});

test("a lost root that the record does not state any more is decided anew, and recorded", async () => {
  const rig = await ledgerRig();
  rig.store.script(late, lost);
  assert.equal(await rig.ask(block(8), "x"), "STATE_UNKNOWN");
  assert.equal(await rig.ask(block(9), "a"), "STATE_UNKNOWN");
  assert.equal(await rig.ask(block(1), "b"), "GUARD_BLOCK_BELOW");
  assert.deepEqual(rig.store.landLate(), [{ kind: "committed" }]);
  // Meets what landed late, and takes it over.
  assert.equal(await rig.ask(vote(1, 2), "c"), "ok");
  assert.equal(await rig.ask(block(9), "a"), "ok");
  assert.equal(blockText(rig), `9 ${encodeHex(rootOf("a"))}`);
  assert.equal(await rig.ask(block(9), "b"), "GUARD_BLOCK_DOUBLE");
});

test("another enclave writes a receipt for what it finds in a record without one", async () => {
  const rig = await ledgerRig();
  rig.store.script(lost);
  assert.equal(await rig.ask(vote(1, 2), "a"), "STATE_UNKNOWN");
  assert.equal(await rig.ask(block(9), "b"), "ok");
  const second = await another(rig.store);
  // Also when its own record has carried the root on.
  assert.equal(await second.ask(block(10), "c"), "ok");
  assert.equal(receiptCount(rig, "a"), 0);
  assert.equal(await second.ask(vote(1, 2), "x"), "GUARD_VOTE_DOUBLE");
  assert.equal(await second.ask(vote(1, 2), "a"), "ok");
  assert.equal(receiptCount(rig, "a"), 1);
  assert.equal(await second.ask(vote(1, 2), "a"), "ok");
  // Who had lost it takes over that there is one by now.
  assert.equal(await rig.ask(block(11), "d"), "ok");
  assert.equal(await rig.ask(vote(1, 2), "a"), "ok");
  assert.equal(receiptCount(rig, "a"), 1);
});

test("a root that was lost before others were, and came back with a conflict, gets its receipt", async () => {
  const rig = await ledgerRig();
  rig.store.script(lost);
  assert.equal(await rig.ask(block(9), "a"), "STATE_UNKNOWN");
  assert.equal(await rig.ask(vote(1, 2), "b"), "ok");
  rig.store.script(lost);
  assert.equal(await rig.ask(block(10), "c"), "STATE_UNKNOWN");
  const second = await another(rig.store);
  assert.equal(await second.ask(vote(2, 3), "d"), "ok");
  assert.equal(await rig.ask(block(8), "x"), "GUARD_BLOCK_BELOW");
  assert.equal(await second.ask(vote(3, 4), "e"), "ok");
  // In conflict with that: what was lost last is forgotten, what was stored is known.
  assert.equal(await rig.ask(vote(4, 5), "f"), "ok");
  assert.equal(storedOf(rig).record.block?.slot, 9n);
  assert.equal(receiptCount(rig, "a"), 0);
  assert.equal(await rig.ask(block(9), "a"), "ok");
  assert.equal(receiptCount(rig, "a"), 1);
});

test("an operator's act carries a root on as it is", async () => {
  const rig = await ledgerRig();
  rig.store.script(lost);
  assert.equal(await rig.ask(vote(1, 2), "a"), "STATE_UNKNOWN");
  const receipt = { kind: "import", heights: [], signingRoot: null, timeMs: 1 };
  const raised = await rig.ledger.amend(rig.account, receipt, (record) =>
    record === null
      ? null
      : { record: { ...record, block: { slot: 7n, root: null } }, isRetired: false },
  );
  assert(raised.ok);
  const second = await another(rig.store);
  assert.equal(await second.ask(vote(1, 2), "a"), "ok");
  assert.equal(receiptCount(rig, "a"), 1);
});

test("a write that lands after all has its receipt, and no other is written", async () => {
  const rig = await ledgerRig();
  rig.store.script(late);
  assert.equal(await rig.ask(vote(1, 2), "a"), "STATE_UNKNOWN");
  assert.equal(await rig.ask(block(0), "x"), "ok");
  assert.deepEqual(
    rig.store.landLate().map(({ kind }) => kind),
    ["conflict"],
  );
  assert.equal(await rig.ask(vote(1, 2), "a"), "ok");
  assert.equal(receiptCount(rig, "a"), 1);
  rig.store.script(late);
  assert.equal(await rig.ask(vote(2, 3), "b"), "STATE_UNKNOWN");
  rig.store.landLate();
  assert.equal(await rig.ask(vote(2, 3), "b"), "ok");
  assert.equal(receiptCount(rig, "b"), 1);
});
