// A key with reserved heights whose store refuses, forgets or holds back: what is told then, and
// what is written again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal } from "../../../../shared/errors.ts";
import { VALIDATOR } from "../../../fakes/consensus-rig.ts";
import { rootOf } from "../../../fakes/ledger-rig.ts";
import { denied, lost, MemoryStore } from "../../../fakes/memory-store.ts";
import { ReservationRig } from "../../../fakes/reservation-rig.ts";

const A = rootOf("a");
const B = rootOf("b");

function settle(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 5);
  });
}

/** How often the store has a receipt of this root at this height. */
function lineCount(store: MemoryStore, height: number): number {
  const line = Buffer.from(`PREVOTE`).toString("hex");
  const histories = store.receipts.map((bytes) => Buffer.from(bytes).toString("hex"));
  const at = `${line}82${(0x18_00 + height).toString(16)}00`;
  return histories.join(" ").split(at).length - 1;
}

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
  const rig = await ReservationRig.serve(store, { heights: 20 });
  await rig.ask(50, A);
  await settle();
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
});

type Ordered = { readonly code: string; readonly next: string };

async function orderWith(prepare: (store: MemoryStore) => void): Promise<Ordered> {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store, { heights: 20 });
  const { account, recorder } = rig;
  await rig.ask(50, A);
  await settle();
  const seq = account.entry.durable?.seq ?? 0;
  prepare(store);
  const order = { kind: "override", heights: [], signingRoot: A, timeMs: 1 };
  const ordered = await recorder.override(account, () =>
    account.ledger.override(account, order, { last: null, reserved: null }, seq),
  );
  const code = ordered.ok ? "ok" : ordered.error.code;
  return { code, next: await rig.ask(51, B) };
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
  const rig = await ReservationRig.serve(store, { heights: 20 });
  const { account, recorder } = rig;
  await rig.ask(50, A);
  await settle();
  account.entry.isStale = true;
  store.refuseRead(refusal("STORE_UNAVAILABLE"));
  const order = { kind: "override", heights: [], signingRoot: A, timeMs: 1 };
  const ordered = await recorder.override(account, () =>
    account.ledger.override(account, order, { last: null, reserved: null }, 9),
  );
  assert.equal(ordered.ok ? "ok" : ordered.error.code, "STORE_UNAVAILABLE");
  assert.equal(await rig.ask(51, A), "51");
});
