// Orders of the operators on a key with reserved heights, beside what else happens to it: nothing
// that was given back may be taken up again by one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal } from "../../../../shared/errors.ts";
import { ok } from "../../../../shared/result.ts";
import { rootOf } from "../../../fakes/ledger-rig.ts";
import { late, lost, MemoryStore } from "../../../fakes/memory-store.ts";
import { ReservationRig, settle } from "../../../fakes/reservation-rig.ts";

const A = rootOf("a");
const B = rootOf("b");
const unasked = () => assert.fail("nothing is written");

test("an order that fails does not undo what was given back beside it", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 5, { heights: 10 });
  const { account, recorder } = rig;
  // An act whose answer is lost: the order and the retirement both read the record first.
  store.script(lost);
  const receipt = { kind: "import", heights: [], signingRoot: null, timeMs: 1 };
  const acted = await account.ledger.amend(account, receipt, (record) => {
    assert(record !== null);
    return { record, isRetired: false };
  });
  assert(!acted.ok);
  const ordered = rig.order(1);
  const closed = recorder.close(account);
  const refused = await ordered;
  assert.equal(refused, "OVERRIDE_STATE");
  assert.equal(await rig.ask(6, A), "DRAINING");
  await closed;
  assert.equal(await rig.ask(6, A), "DRAINING");
  assert.equal(rig.stored().reserved, null);
  const second = await ReservationRig.boot(store, { boot: 2 });
  assert.equal(await second.ask(6, B), "6");
});

test("an order that is carried out beside a drain leaves nothing reserved, and nothing signed", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 5, { heights: 10 });
  const { recorder } = rig;
  const ordered = rig.order();
  const drained = recorder.giveBack();
  assert.equal(await ordered, "ok");
  await drained;
  assert.equal(await rig.ask(5, B), "DRAINING");
  assert.deepEqual(rig.stored(), { last: null, reserved: null });
});

/** A key signs height 5, then `prepare`, then an order beside a drain: what the order answers. */
async function drainBesideOrder(
  prepare: (rig: ReservationRig, store: MemoryStore) => Promise<void>,
) {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 5, { heights: 10 });
  const { account, recorder } = rig;
  const seq = account.entry.durable?.seq ?? 0;
  await prepare(rig, store);
  const ordered = rig.order(seq);
  // Another order is refused, and does not take the place of the first one.
  const beside = recorder.override(account, unasked);
  await recorder.giveBack();
  assert(!(await beside).ok);
  return { code: await ordered, rig, store };
}

test("a drain beside an order has a write of its own, whatever becomes of the order", async () => {
  for (const act of [lost, late]) {
    const { code, rig, store } = await drainBesideOrder(async (_, memory) => memory.script(act));
    assert.equal(code, "STATE_UNKNOWN");
    assert.equal(rig.stored().last?.height, 5n);
    assert.equal(rig.stored().reserved, null);
    // An order that comes late finds another record than it was meant for.
    assert(store.landLate().every(({ kind }) => kind === "conflict"));
    const second = await ReservationRig.boot(store, { boot: 2 });
    assert.equal(await second.ask(6, B), "6");
  }
});

test("a drain beside an order whose record can't be read reads it again", async () => {
  const { code, rig } = await drainBesideOrder(async ({ account }, store) => {
    store.script(lost);
    const receipt = { kind: "import", heights: [], signingRoot: null, timeMs: 1 };
    const acted = await account.ledger.amend(account, receipt, (record) => {
      assert(record !== null);
      return { record, isRetired: false };
    });
    assert(!acted.ok);
    store.refuseRead(refusal("STORE_UNAVAILABLE"));
  });
  assert.equal(code, "STORE_UNAVAILABLE");
  assert.equal(rig.stored().reserved, null);
});

test("an order is refused while a reservation is on its way, and beside another order", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store, { heights: 10 });
  const { account, recorder } = rig;
  const open = store.hold();
  const asked = rig.ask(5, A);
  const refused = await recorder.override(account, unasked);
  assert.equal(refused.ok ? "ok" : refused.error.code, "STATE_CONFLICT");
  open();
  assert.equal(await asked, "5");
  await settle();
  const { promise, resolve } = Promise.withResolvers<void>();
  const ordered = recorder.override(account, async () => {
    await promise;
    return ok(null);
  });
  const beside = await recorder.override(account, unasked);
  assert.equal(beside.ok ? "ok" : beside.error.code, "STATE_CONFLICT");
  assert.equal(await rig.ask(6, A), "DRAINING");
  resolve();
  assert((await ordered).ok);
  assert.equal(await rig.ask(6, A), "6");
});

test("an order leaves nothing of what was wished for before it", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 5, { heights: 10 });
  store.script(lost);
  // The second wishes while the first is on its way.
  assert.deepEqual(await Promise.all([rig.ask(500, A), rig.ask(500, A)]), [
    "STATE_UNKNOWN",
    "STATE_UNKNOWN",
  ]);
  const ordered = await rig.order();
  assert.equal(ordered, "ok");
  assert.equal(await rig.ask(5, B), "5");
  assert.equal(rig.stored().reserved?.height, 14n);
});

test("an order waits for what is not written yet, and has it written", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 5, { heights: 10 });
  const { account, recorder } = rig;
  store.script(lost);
  assert.equal(await rig.ask(6, A), "6");
  await settle();
  const refused = await recorder.override(account, unasked);
  assert.equal(refused.ok ? "ok" : refused.error.code, "STATE_CONFLICT");
  await settle();
  assert.equal(rig.stored().last?.height, 6n);
});
