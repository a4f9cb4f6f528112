// A key with reserved heights whose store refuses, forgets or holds back: what is told then, and
// what is written again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { raiseTendermintRecord } from "../../../../enclave/core/chains/tendermint/consensus-record.ts";
import { refusal } from "../../../../shared/errors.ts";
import { RECEIPT_SIGNED_COUNT_MAX, UNRECEIPTED_COUNT_MAX } from "../../../../shared/limits.ts";
import { VALIDATOR } from "../../../fakes/consensus-rig.ts";
import { rootOf } from "../../../fakes/ledger-rig.ts";
import {
  denied,
  honestly,
  lost,
  MemoryStore,
  writtenButUnknown,
} from "../../../fakes/memory-store.ts";
import { lineCount, ReservationRig, settle } from "../../../fakes/reservation-rig.ts";

const A = rootOf("a");
const B = rootOf("b");

test("a store that can't be read is told as that, not as another's reservation", async () => {
  const store = new MemoryStore();
  const first = await ReservationRig.serve(store);
  await first.ask(50, A);
  await settle();
  const second = await ReservationRig.boot(store, { boot: 2 });
  store.refuseRead(refusal("STORE_UNAVAILABLE"));
  assert.equal(await second.ask(51, A), "STORE_UNAVAILABLE");
  assert.equal(await second.ask(51, A), "GUARD_RESERVED");
});

test("a drain has ended when what it gives back is stored", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store);
  await rig.ask(50, A);
  await settle();
  const open = store.hold();
  let isDrained = false;
  const drained = rig.recorder.giveBack().then(() => {
    isDrained = true;
  });
  await settle();
  assert(!isDrained);
  open();
  await drained;
  assert.equal(rig.stored().reserved, null);
});

test("receipts whose write was lost are written with the next", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 50, { heights: 20 });
  store.script(lost);
  assert.equal(await rig.ask(51, A), "51");
  await settle();
  assert.equal(lineCount(store, 51), 0);
  assert.equal(await rig.ask(52, A), "52");
  await settle();
  assert.deepEqual(
    [50, 51, 52].map((height) => lineCount(store, height)),
    [1, 1, 1],
  );
  assert.equal(rig.stored().last?.height, 52n);
});

test("a drain beside a write that is under way has nothing written twice", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 50, { heights: 20 });
  const open = store.hold();
  assert.equal(await rig.ask(51, A), "51");
  const drained = rig.recorder.giveBack();
  open();
  await drained;
  assert.equal(lineCount(store, 51), 1);
  assert.equal(rig.stored().reserved, null);
});

/** A key that has signed `count` steps from height 51 on, none of which could be written. */
async function unwritten(store: MemoryStore, count: number): Promise<ReservationRig> {
  const rig = await ReservationRig.begin(store, 50, { heights: 100 });
  for (let height = 51; height <= 50 + count; height += 1) {
    store.script(lost);
    assert.equal(await rig.ask(height, A), `${height}`);
    await settle();
  }
  return rig;
}

test("a drain looks up what may have been written, and two at once are one", async () => {
  for (const act of [writtenButUnknown, lost]) {
    const store = new MemoryStore();
    const rig = await ReservationRig.begin(store, 50, { heights: 20 });
    store.script(act);
    assert.equal(await rig.ask(51, A), "51");
    await settle();
    await Promise.all([rig.recorder.giveBack(), rig.recorder.close(rig.account)]);
    assert.equal(lineCount(store, 51), 1);
    assert.equal(rig.stored().reserved, null);
  }
});

test("a drain that failed is tried again by the next", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 50, { heights: 20 });
  store.script(lost);
  await rig.recorder.giveBack();
  assert.equal(rig.stored().reserved?.height, 69n);
  await rig.recorder.giveBack();
  assert.equal(rig.stored().reserved, null);
});

test("an act that writes a step without its receipt leaves the receipt to be written, once", async () => {
  const act = { kind: "import", heights: [], signingRoot: null, timeMs: 1 };
  // What becomes of the act, how many steps are unwritten, and whether the last is asked for again.
  for (const [outcome, count, isRepeat] of [
    [writtenButUnknown, 2, false],
    [honestly, 1, true],
    [honestly, 2, true],
    [honestly, 3, true],
    [honestly, 2, false],
  ] as const) {
    const store = new MemoryStore();
    const rig = await unwritten(store, count);
    store.script(outcome);
    // What is not known to be written is written with the act, although that changes nothing.
    const acted = await rig.account.ledger.amend(rig.account, act, () => null);
    assert.equal(acted.ok, outcome === honestly);
    assert.equal(rig.stored().last?.isUnreceipted, true);
    const next = 50 + count + (isRepeat ? 0 : 1);
    assert.equal(await rig.ask(next, A), `${next}`);
    await settle();
    for (let height = 51; height <= 50 + count; height += 1) {
      assert.equal(lineCount(store, height), 1);
    }
  }
});

test("a drain gives back with the receipts that are left, as far as one write takes them", async () => {
  for (const [count, writeCount] of [
    [RECEIPT_SIGNED_COUNT_MAX, 1],
    [RECEIPT_SIGNED_COUNT_MAX + 1, 2],
  ] as const) {
    const store = new MemoryStore();
    const rig = await unwritten(store, count);
    const before = store.commits.length;
    await rig.recorder.giveBack();
    assert.equal(store.commits.length, before + writeCount);
    assert.equal(rig.stored().reserved, null);
    assert.equal(lineCount(store, 50 + count), 1);
  }
});

test("a drain whose receipts can't be written gives nothing back", async () => {
  const store = new MemoryStore();
  const rig = await unwritten(store, RECEIPT_SIGNED_COUNT_MAX + 1);
  store.script(lost);
  await rig.recorder.giveBack();
  assert.equal(rig.stored().reserved?.height, 149n);
  assert.equal(await rig.ask(60, A), "DRAINING");
});

test("a key with too much unwritten still refuses by the rule, not by the store", async () => {
  const store = new MemoryStore();
  const rig = await unwritten(store, UNRECEIPTED_COUNT_MAX);
  store.script(lost, lost);
  const next = 51 + UNRECEIPTED_COUNT_MAX;
  assert.equal(await rig.ask(next, A), "STATE_UNKNOWN");
  assert.equal(await rig.ask(next - 1, B), "GUARD_STEP_DOUBLE");
});

test("a reservation of which nothing was heard leaves what was not signed yet to be written", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store, { heights: 20 });
  store.script(honestly, lost);
  assert.equal(await rig.ask(50, A), "50");
  await settle();
  assert.equal(lineCount(store, 50), 0);
  assert.equal(await rig.ask(51, A), "51");
  await settle();
  assert.deepEqual([lineCount(store, 50), lineCount(store, 51)], [1, 1]);
});

test("what was written unheard is not written again, also when nothing else is", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 50, { heights: 20 });
  store.script(writtenButUnknown);
  await rig.ask(51, A);
  await settle();
  const before = store.commits.length;
  // A repeat looks it up; a second one has nothing to do.
  for (const _ of [1, 2]) {
    assert.equal(await rig.ask(51, A), "51");
    await settle();
  }
  assert.equal(store.commits.length, before);
  assert.equal(lineCount(store, 51), 1);
});

test("what may have been written is looked up before it is written again", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 50, { heights: 20 });
  store.script(writtenButUnknown);
  await rig.ask(51, A);
  await settle();
  store.refuseRead(refusal("STORE_UNAVAILABLE"));
  for (const height of [52, 53]) {
    assert.equal(await rig.ask(height, A), `${height}`);
    await settle();
  }
  assert.deepEqual(
    [51, 52, 53].map((height) => lineCount(store, height)),
    [1, 1, 1],
  );
});

test("an act that raised the record above what is unwritten does not stand for its receipts", async () => {
  const store = new MemoryStore();
  const rig = await unwritten(store, 1);
  store.script(writtenButUnknown);
  const receipt = { kind: "floor", heights: [], signingRoot: null, timeMs: 1 };
  const position = { height: 60n, round: 0, step: "prevote" } as const;
  const { account } = rig;
  const raised = await account.ledger.amend(account, receipt, (record) => {
    assert(record !== null);
    return { record: raiseTendermintRecord(record, position), isRetired: false };
  });
  assert(!raised.ok);
  assert.equal(await rig.ask(61, A), "61");
  await settle();
  assert.deepEqual([lineCount(store, 51), lineCount(store, 61)], [1, 1]);
});

test("a first record that was not seen to be written is none yet", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.boot(store);
  const { account } = rig;
  const receipt = { kind: "init", heights: [], signingRoot: null, timeMs: 1 };
  const make = () =>
    account.ledger.amend(account, receipt, () => ({
      record: { last: null, reserved: null },
      isRetired: false,
    }));
  store.script(lost);
  assert(!(await make()).ok);
  assert.equal(await rig.ask(50, A), "STATE_MISSING");
  assert((await make()).ok);
  assert.equal(await rig.ask(50, A), "50");
});

test("a height beyond the manifest's last is never reserved", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store, { maxHeight: "60" });
  assert.equal(await rig.ask(61, A), "STATE_CONFLICT");
  assert.equal(rig.stored().reserved?.height, 60n);
});

type Ordered = { readonly code: string; readonly next: string };

async function orderWith(prepare: (store: MemoryStore) => void): Promise<Ordered> {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 50, { heights: 20 });
  const { account } = rig;
  const seq = account.entry.durable?.seq ?? 0;
  prepare(store);
  const ordered = await rig.order(seq);
  return { code: ordered, next: await rig.ask(51, B) };
}

test("after an order that was not carried out signing goes on; after one of which nothing was heard it does not", async () => {
  assert.deepEqual(
    await orderWith((store) => store.script(denied(store.stored(VALIDATOR.publicKey)))),
    { code: "STATE_CONFLICT", next: "51" },
  );
  assert.deepEqual(await orderWith((store) => store.script(lost)), {
    code: "STATE_UNKNOWN",
    next: "DRAINING",
  });
});

test("an order before which the record can't be read leaves the key as it is", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 50, { heights: 20 });
  const { account } = rig;
  account.entry.isStale = true;
  store.refuseRead(refusal("STORE_UNAVAILABLE"));
  const ordered = await rig.order(9);
  assert.equal(ordered, "STORE_UNAVAILABLE");
  assert.equal(await rig.ask(51, A), "51");
});
