import assert from "node:assert/strict";
import { test } from "node:test";
import { ethereumRule } from "../../../../enclave/core/chains/ethereum/slashing-rule.ts";
import { Account } from "../../../../enclave/state/account.ts";
import { encodeRecord } from "../../../../enclave/state/record-codec.ts";
import { refusal } from "../../../../shared/errors.ts";
import { COMMIT_COUNT_MAX } from "../../../../shared/limits.ts";
import {
  block,
  LedgerRig,
  ledgerRig,
  NO_FLOOR,
  ownerOf,
  rootOf,
  sentSeqs,
  storedOf,
  vote,
} from "../../../fakes/ledger-rig.ts";
import {
  committedButNotWritten,
  denied,
  late,
  lost,
  MemoryStore,
  writtenButDenied,
  writtenButUnknown,
} from "../../../fakes/memory-store.ts";

test("a key without a record signs nothing, and is not given one by being asked", async () => {
  const rig = new LedgerRig(new MemoryStore());
  assert.equal(await rig.ask(block(7), "a"), "STATE_MISSING");
  assert.equal(rig.store.commits.length, 0);
});

test("a claim is told to be durable only after the store has said so", async () => {
  const rig = await ledgerRig();
  const open = rig.store.hold();
  let isTold = false;
  const asked = rig.ask(block(7), "a").then((answer) => {
    isTold = true;
    return answer;
  });
  await new Promise(setImmediate);
  assert.equal(rig.store.commits.length, 2);
  assert.equal(isTold, false);
  open();
  assert.equal(await asked, "ok");
  assert.equal(storedOf(rig).record.block?.slot, 7n);
});

test("of a hundred roots for one slot, asked for in one turn, exactly one is signed", async () => {
  const rig = await ledgerRig();
  const asks = Array.from({ length: 100 }, (_, index) => rig.ask(block(7), `root ${index}`));
  const answers = await Promise.all(asks);
  assert.equal(answers.filter((answer) => answer === "ok").length, 1);
  assert.equal(answers.filter((answer) => answer === "GUARD_BLOCK_DOUBLE").length, 99);
});

test("a repeat waits for the write that is under way, and costs no write of its own", async () => {
  const rig = await ledgerRig();
  const answers = await Promise.all([rig.ask(block(7), "a"), rig.ask(block(7), "a")]);
  assert.deepEqual(answers, ["ok", "ok"]);
  assert.equal(await rig.ask(block(7), "a"), "ok");
  assert.equal(rig.store.commits.length, 2);
});

test("writes of many keys leave in one group, those of one key one after the other", async () => {
  const rig = await ledgerRig();
  const other = new Account<typeof ethereumRule.empty, typeof NO_FLOOR>(ownerOf(2));
  other.floor = NO_FLOOR;
  await rig.load(other);
  await rig.init(other);
  rig.store.commits.length = 0;
  const answers = await Promise.all([
    rig.ask(block(7), "a"),
    rig.ask(vote(1, 2), "b"),
    rig.ask(block(7), "c", other),
    rig.ask(block(8), "d"),
  ]);
  assert.deepEqual(answers, ["ok", "ok", "ok", "ok"]);
  assert.deepEqual(sentSeqs(rig), [
    [
      [1, 2],
      [2, 2],
    ],
    [[1, 3]],
    [[1, 4]],
  ]);
});

test("a group holds COMMIT_COUNT_MAX writes and no more", async () => {
  const store = new MemoryStore();
  const rig = new LedgerRig(store);
  const accounts = Array.from({ length: COMMIT_COUNT_MAX + 1 }, (_, index) => {
    const publicKey = new Uint8Array(48);
    new DataView(publicKey.buffer).setUint32(0, index);
    const account: typeof rig.account = new Account({ ...ownerOf(1), publicKey });
    account.floor = NO_FLOOR;
    return account;
  });
  await rig.ledger.load(accounts);
  assert.equal(store.readCount, 2);
  await Promise.all(accounts.map((account) => rig.init(account)));
  assert.deepEqual(
    store.commits.map((group) => group.length),
    [COMMIT_COUNT_MAX, 1],
  );
});

test("an unknown outcome releases nothing, and the store is read before the next decision", async () => {
  for (const act of [writtenButUnknown, lost]) {
    const rig = await ledgerRig();
    rig.store.script(act);
    assert.equal(await rig.ask(block(7), "a"), "STATE_UNKNOWN");
    const readCount = rig.store.readCount;
    assert.equal(await rig.ask(block(7), "b"), "GUARD_BLOCK_DOUBLE");
    assert.equal(rig.store.readCount, readCount + 1);
    assert.equal(await rig.ask(block(7), "a"), "ok");
    assert.equal(storedOf(rig).record.block?.slot, 7n);
  }
});

test("a write that lands after its outcome was given up changes nothing that is decided", async () => {
  const rig = await ledgerRig();
  rig.store.script(late);
  assert.equal(await rig.ask(block(7), "a"), "STATE_UNKNOWN");
  // Read before it lands: what is decided next is built on the record of before.
  assert.equal(await rig.ask(block(6), "b"), "GUARD_BLOCK_BELOW");
  assert.deepEqual(rig.store.landLate(), [{ kind: "committed" }]);
  assert.equal(await rig.ask(block(7), "b"), "GUARD_BLOCK_DOUBLE");
  assert.equal(await rig.ask(block(8), "c"), "ok");
  assert.equal(storedOf(rig).seq, 3);
});

test("writes of one key that are lost together can't land late on top of what came instead", async () => {
  const rig = await ledgerRig();
  rig.store.script(late);
  const lostTogether = await Promise.all([rig.ask(block(7), "a"), rig.ask(vote(1, 2), "b")]);
  assert.equal(lostTogether[0], "STATE_UNKNOWN");
  assert.equal(await rig.ask(block(9), "c"), "ok");
  rig.store.landLate();
  assert.equal(storedOf(rig).record.block?.slot, 9n);
  assert.equal(await rig.ask(block(10), "d"), "ok");
});

test("a store error while reading again refuses, and is gone when the store is back", async () => {
  const rig = await ledgerRig();
  rig.store.script(lost);
  assert.equal(await rig.ask(block(7), "a"), "STATE_UNKNOWN");
  rig.store.refuseRead(refusal("STORE_UNAVAILABLE"));
  assert.equal(await rig.ask(block(7), "a"), "STORE_UNAVAILABLE");
  assert.equal(await rig.ask(block(7), "a"), "ok");
});

test("an older record, none, another key's or a garbled one end the key until the enclave boots again", async () => {
  const rows: readonly (readonly [string, (rig: LedgerRig) => void, string])[] = [
    ["older", (rig) => rig.store.rollBack(rig.account.publicKey, first), "STATE_ROLLED_BACK"],
    ["none", (rig) => rig.store.rollBack(rig.account.publicKey, null), "STATE_ROLLED_BACK"],
    [
      "another key's",
      (rig) => {
        const { record } = { record: { block: null, vote: null } };
        const head = new Uint8Array(32);
        const bytes = encodeRecord(ethereumRule, ownerOf(2), {
          record,
          isRetired: false,
          seq: 9,
          head,
        });
        rig.store.rollBack(rig.account.publicKey, { seq: 9, record: bytes });
      },
      "STATE_CORRUPT",
    ],
    [
      "another version than stated",
      (rig) => {
        const { seq, record } = rig.store.stored(rig.account.publicKey) ?? assert.fail();
        rig.store.rollBack(rig.account.publicKey, { seq: seq + 1, record });
      },
      "STATE_CORRUPT",
    ],
  ];
  let first: ReturnType<MemoryStore["stored"]> = null;
  for (const [name, tamper, code] of rows) {
    const rig = await ledgerRig();
    first = rig.store.stored(rig.account.publicKey);
    assert.equal(await rig.ask(block(7), "a"), "ok");
    const good = rig.store.stored(rig.account.publicKey);
    rig.store.script(lost);
    assert.equal(await rig.ask(block(8), "b"), "STATE_UNKNOWN");
    tamper(rig);
    assert.equal(await rig.ask(block(8), "b"), code, name);
    rig.store.rollBack(rig.account.publicKey, good);
    assert.equal(await rig.ask(block(9), "c"), code, `${name}, and then the right one`);
    assert.equal(await rig.init(), code, name);
  }
});

test("a conflict takes over what another enclave wrote, and decides again", async () => {
  const rig = await ledgerRig();
  const second = new LedgerRig(rig.store);
  await second.load();
  assert.equal(await second.ask(block(7), "theirs"), "ok");
  assert.equal(await rig.ask(block(7), "ours"), "GUARD_BLOCK_DOUBLE");
  assert.equal(await rig.ask(block(7), "theirs"), "ok");
  assert.equal(await second.ask(block(8), "next"), "ok");
  assert.equal(await rig.ask(vote(1, 2), "vote"), "ok");
  assert.deepEqual(storedOf(rig).record.block, { slot: 8n, root: new Uint8Array(rootOf("next")) });
});

test("a store that only ever says conflict is given up after five writes", async () => {
  const rig = await ledgerRig();
  const stored = rig.store.stored(rig.account.publicKey);
  rig.store.script(...Array.from({ length: 9 }, () => denied(stored)));
  rig.store.commits.length = 0;
  assert.equal(await rig.ask(block(7), "a"), "STATE_CONFLICT");
  assert.equal(rig.store.commits.length, 5);
});

test("what a store denies after writing it can't come back beside another root", async () => {
  const rig = await ledgerRig();
  const before = rig.store.stored(rig.account.publicKey);
  rig.store.script(...Array.from({ length: 5 }, () => writtenButDenied(before)));
  assert.equal(await rig.ask(block(7), "a"), "STATE_CONFLICT");
  const hidden = rig.store.stored(rig.account.publicKey);
  rig.store.rollBack(rig.account.publicKey, before);
  assert.equal(await rig.ask(block(7), "b"), "ok");
  rig.store.script(denied(hidden));
  assert.equal(await rig.ask(block(8), "c"), "STATE_ROLLED_BACK");
  assert.equal(await rig.ask(block(7), "a"), "STATE_ROLLED_BACK");
});

test("a commit that was claimed and not made does not lower what is known", async () => {
  const rig = await ledgerRig();
  rig.store.script(committedButNotWritten);
  assert.equal(await rig.ask(block(7), "a"), "ok");
  assert.equal(await rig.ask(block(7), "b"), "GUARD_BLOCK_DOUBLE");
  // The next write meets the record of before, which is older than what was said to be written.
  assert.equal(await rig.ask(block(8), "c"), "STATE_ROLLED_BACK");
});

test("a first record whose write was lost can be asked for again", async () => {
  const rig = new LedgerRig(new MemoryStore());
  await rig.load();
  rig.store.script(lost);
  assert.equal(await rig.init(), "STATE_UNKNOWN");
  assert.equal(await rig.ask(block(7), "a"), "STATE_MISSING");
  assert.equal(await rig.init(), "ok");
  assert.equal(await rig.ask(block(7), "a"), "ok");
});

test("an act that was asked for before is not called done until it is durable", async () => {
  const rig = await ledgerRig();
  const receipt = { kind: "import", heights: [], signingRoot: null, timeMs: 1 };
  const record = { block: { slot: 9n, root: null }, vote: null };
  const raise = () =>
    rig.ledger.amend(rig.account, receipt, (before) =>
      before !== null && ethereumRule.isSuccessor(record, before)
        ? null
        : { record, isRetired: false },
    );
  rig.store.script(lost);
  assert.equal((await raise()).ok, false);
  assert.equal((await raise()).ok, true);
  assert.equal(storedOf(rig).record.block?.slot, 9n);
  const [first, second] = await Promise.all([raise(), raise()]);
  assert(first.ok && second.ok);
});

test("a key that is loaded again while its write is under way is neither lost nor misled", async () => {
  const rig = await ledgerRig();
  const open = rig.store.hold();
  const asked = rig.ask(block(7), "a");
  await new Promise(setImmediate);
  // The read is answered with the record of before, after the write.
  const loaded = rig.load();
  open();
  assert.deepEqual(await Promise.all([asked, loaded]), ["ok", "ok"]);
  assert.equal(await rig.ask(block(7), "b"), "GUARD_BLOCK_DOUBLE");
  assert.equal(await rig.ask(block(8), "b"), "ok");
});

test("a key signs nothing before it has a floor: that is a bug, and ends the process", async () => {
  const rig = await ledgerRig();
  rig.account.floor = null;
  await assert.rejects(rig.ask(block(7), "a"), { name: "InvariantError" });
});
