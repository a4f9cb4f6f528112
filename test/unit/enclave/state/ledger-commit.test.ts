// How the ledger reads and writes: pages, groups, the pace of the store, and what becomes of a
// request whose write, or the one that it is built on, does not end well.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Account } from "../../../../enclave/state/account.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import { refusal } from "../../../../shared/errors.ts";
import { PAGE_COUNT_MAX } from "../../../../shared/limits.ts";
import {
  block,
  type EthereumAccount,
  LedgerRig,
  ledgerRig,
  NO_FLOOR,
  ownerOf,
  receiptCount,
  rootOf,
  sentSeqs,
  storedOf,
  vote,
} from "../../../fakes/ledger-rig.ts";
import {
  type Act,
  committedButNotWritten,
  denied,
  late,
  lost,
  MemoryStore,
} from "../../../fakes/memory-store.ts";

const GARBLED = { seq: 2, record: new Uint8Array(64) };

class EachStore extends MemoryStore {
  override readonly pacing = "each";
}

function accountOf(number: number): EthereumAccount {
  const account: EthereumAccount = new Account(ownerOf(number));
  account.floor = NO_FLOOR;
  return account;
}

test("keys that are loaded together are all read", async () => {
  const rig = await ledgerRig();
  const numbers = [1, 2, 3];
  for (const other of numbers.slice(1).map(accountOf)) assert.equal(await rig.init(other), "ok");
  const next = new LedgerRig(rig.store);
  const loaded = numbers.map(accountOf);
  assert((await next.ledger.load(loaded)).ok);
  const { readCount } = rig.store;
  for (const account of loaded) assert.equal(await next.ask(block(7), "a", account), "ok");
  assert.equal(rig.store.readCount, readCount);
});

test("keys are read by full pages, and for none nothing is read", async () => {
  const rig = new LedgerRig(new MemoryStore());
  assert((await rig.ledger.load([])).ok);
  assert.equal(rig.store.readCount, 0);
  const page = Array.from({ length: PAGE_COUNT_MAX }, () => rig.account);
  assert((await rig.ledger.load(page)).ok);
  assert.equal(rig.store.readCount, 1);
});

test("a store that answers for fewer keys than asked for is not believed for any", async () => {
  const rig = await ledgerRig();
  rig.store.script(lost);
  assert.equal(await rig.ask(block(7), "a"), "STATE_UNKNOWN");
  const { read } = rig.store;
  rig.store.read = (scope) => read(scope, []);
  assert.equal(await rig.ask(block(7), "a"), "STORE_CORRUPT");
  rig.store.read = read;
  assert.equal(await rig.ask(block(7), "a"), "ok");
});

test("requests that wait for the same reading share it", async () => {
  const rig = await ledgerRig();
  rig.store.script(lost);
  assert.equal(await rig.ask(block(7), "a"), "STATE_UNKNOWN");
  const { readCount } = rig.store;
  const answers = [rig.ask(block(7), "a"), rig.ask(vote(1, 2), "b"), rig.ask(block(7), "c")];
  assert.deepEqual(await Promise.all(answers), ["ok", "ok", "GUARD_BLOCK_DOUBLE"]);
  assert.equal(rig.store.readCount, readCount + 1);
});

test("a write whose outcome is unknown is refused with the store's own reason", async () => {
  const rig = await ledgerRig();
  rig.store.script(() => ({ kind: "unknown", cause: refusal("STORE_UNAVAILABLE") }));
  assert.equal(await rig.ask(block(7), "a"), "STORE_UNAVAILABLE");
});

test("a store paced by each write is sent those of other keys at once, of one key by turns", async () => {
  const rig = new LedgerRig(new EachStore());
  const other = accountOf(2);
  assert.deepEqual([await rig.init(), await rig.init(other)], ["ok", "ok"]);
  rig.store.commits.length = 0;
  const open = rig.store.hold();
  const answers = [rig.ask(block(7), "a"), rig.ask(vote(1, 2), "b")];
  await new Promise(setImmediate);
  answers.push(rig.ask(block(7), "c", other));
  await new Promise(setImmediate);
  assert.deepEqual(sentSeqs(rig), [[[1, 2]], [[2, 2]]]);
  open();
  assert.deepEqual(await Promise.all(answers), ["ok", "ok", "ok"]);
  assert.deepEqual(sentSeqs(rig), [[[1, 2]], [[2, 2]], [[1, 3]]]);
});

test("a repeat of a write that waited for another of its key costs no write of its own", async () => {
  const rig = await ledgerRig();
  const first = rig.ask(block(7), "a");
  const second = rig.ask(vote(1, 2), "b");
  assert.equal(await first, "ok");
  assert.equal(await rig.ask(vote(1, 2), "b"), "ok");
  assert.equal(await second, "ok");
  assert.deepEqual(sentSeqs(rig), [[[1, 1]], [[1, 2]], [[1, 3]]]);
  assert.equal(receiptCount(rig, "b"), 1);
});

/** An act that is written in any case. */
async function touch(rig: LedgerRig): Promise<string> {
  const receipt = { kind: "floor", heights: [], signingRoot: null, timeMs: 1 };
  const done = await rig.ledger.amend(rig.account, receipt, (record) =>
    record === null ? null : { record, isRetired: false },
  );
  return done.ok ? "ok" : done.error.code;
}

/** A block, two acts and a vote in one turn: each waits for the one before, and is built on it. */
function askInLine(rig: LedgerRig): Promise<readonly string[]> {
  rig.store.commits.length = 0;
  return Promise.all([rig.ask(block(7), "a"), touch(rig), touch(rig), rig.ask(vote(1, 2), "b")]);
}

test("a request behind writes that are lost is recorded by itself, whatever they carried of it", async () => {
  const rig = await ledgerRig();
  rig.store.script(lost, lost);
  assert.deepEqual(await askInLine(rig), ["STATE_UNKNOWN", "STATE_UNKNOWN", "ok", "ok"]);
  assert.deepEqual(sentSeqs(rig), [[[1, 2]], [[1, 2]], [[1, 2]], [[1, 3]]]);
  assert.equal(receiptCount(rig, "b"), 1);
});

test("a request behind three writes that are lost in turn is given up, and not released", async () => {
  const rig = await ledgerRig();
  rig.store.script(lost, lost, lost);
  const lostCodes = ["STATE_UNKNOWN", "STATE_UNKNOWN", "STATE_UNKNOWN"];
  assert.deepEqual(await askInLine(rig), [...lostCodes, "STATE_CONFLICT"]);
  assert.deepEqual(sentSeqs(rig), [[[1, 2]], [[1, 2]], [[1, 2]]]);
});

/** Two requests of one key, of which the first is sent, and the key loaded again beside them. */
async function askWhileLoading(rig: LedgerRig, act: Act) {
  const open = rig.store.hold();
  const answers = [rig.ask(block(7), "a"), rig.ask(vote(1, 2), "b")];
  await new Promise(setImmediate);
  const loaded = rig.load();
  rig.store.script(act);
  open();
  return { loaded: await loaded, answers: await Promise.all(answers) };
}

test("a write on top of one that may be lost is not sent, though the key is read at that moment", async () => {
  const rig = await ledgerRig();
  const { loaded, answers } = await askWhileLoading(rig, lost);
  assert.deepEqual([loaded, ...answers], ["ok", "STATE_UNKNOWN", "ok"]);
  assert.deepEqual(sentSeqs(rig), [[[1, 1]], [[1, 2]], [[1, 2]]]);
  assert.equal(receiptCount(rig, "b"), 1);
});

test("a key whose record is found to be garbled at that moment signs nothing that waits", async () => {
  const rig = await ledgerRig();
  rig.store.rollBack(rig.account.publicKey, GARBLED);
  const { answers } = await askWhileLoading(rig, lost);
  assert.deepEqual(answers, ["STATE_UNKNOWN", "STATE_CORRUPT"]);
  assert.deepEqual(sentSeqs(rig), [[[1, 1]], [[1, 2]]]);
});

test("a write on top of one that met a record which is not the key's is not sent", async () => {
  const rig = await ledgerRig();
  rig.store.script(denied(GARBLED));
  const answers = [rig.ask(block(7), "a"), rig.ask(vote(1, 2), "b")];
  assert.deepEqual(await Promise.all(answers), ["STATE_CORRUPT", "STATE_CORRUPT"]);
  assert.deepEqual(sentSeqs(rig), [[[1, 1]], [[1, 2]]]);
});

test("a key whose record is not its own is not read again", async () => {
  const rig = await ledgerRig();
  rig.store.script(lost);
  assert.equal(await rig.ask(block(7), "a"), "STATE_UNKNOWN");
  rig.store.rollBack(rig.account.publicKey, GARBLED);
  assert.equal(await rig.ask(block(7), "a"), "STATE_CORRUPT");
  rig.store.refuseRead(refusal("STORE_UNAVAILABLE"));
  assert.equal(await rig.ask(block(7), "a"), "STATE_CORRUPT");
});

test("a root that was lost has no receipt until its own, whatever else of its kind was written", async () => {
  const rig = await ledgerRig();
  const { store } = rig;
  const first = store.stored(rig.account.publicKey);
  store.script(lost);
  assert.equal(await rig.ask(block(9), "a"), "STATE_UNKNOWN");
  // Carries the block, and lands late. What is read and then denied four times forgets both.
  store.script(late, ...Array.from({ length: 4 }, () => denied(first)));
  assert.equal(await rig.ask(vote(1, 2), "b"), "STATE_UNKNOWN");
  assert.equal(await rig.ask(vote(1, 3), "c"), "STATE_CONFLICT");
  store.script(committedButNotWritten);
  assert.equal(await rig.ask(block(8), "d"), "ok");
  assert.deepEqual(store.landLate(), [{ kind: "committed" }]);
  // What landed is above what was claimed to be written: it is taken over.
  store.script(denied(store.stored(rig.account.publicKey)));
  assert.equal(await rig.ask(vote(1, 4), "e"), "ok");
  assert.equal(
    encodeHex(storedOf(rig).record.block?.root ?? assert.fail()),
    encodeHex(rootOf("a")),
  );
  assert.equal(receiptCount(rig, "a"), 0);
  assert.equal(await rig.ask(block(9), "a"), "ok");
  assert.equal(receiptCount(rig, "a"), 1);
});

/** What would end the process: the reason of a promise that nobody waits for; null for none. */
async function uncaught(run: () => Promise<void>): Promise<unknown> {
  const listeners = process.listeners("unhandledRejection");
  const { promise, resolve } = Promise.withResolvers<unknown>();
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", resolve);
  try {
    return await Promise.race([promise, run().then(() => null)]);
  } finally {
    process.off("unhandledRejection", resolve);
    for (const listener of listeners) process.on("unhandledRejection", listener);
  }
}

test("a store that answers for fewer writes than it was given ends the process", async () => {
  const rig = await ledgerRig();
  rig.store.commit = () => Promise.resolve([]);
  const thrown = await uncaught(async () => {
    await rig.ask(block(7), "a");
  });
  assert(thrown instanceof Error && thrown.name === "InvariantError");
});
