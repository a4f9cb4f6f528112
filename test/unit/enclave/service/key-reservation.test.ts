// A key whose heights are reserved: what is signed without waiting for the store, what is written
// behind, and what happens when writes fail, are lost or come late. That no order of events makes
// two roots of one step is shown in test/model and test/simulation.

import assert from "node:assert/strict";
import { test } from "node:test";
import { raiseTendermintRecord } from "../../../../enclave/core/chains/tendermint/consensus-record.ts";
import { type CborValue, isArray, parseCbor } from "../../../../shared/bytes/cbor.ts";
import { RECEIPT_SIGNED_COUNT_MAX, UNRECEIPTED_COUNT_MAX } from "../../../../shared/limits.ts";
import { VALIDATOR } from "../../../fakes/consensus-rig.ts";
import { rootOf } from "../../../fakes/ledger-rig.ts";
import { late, lost, MemoryStore, writtenButUnknown } from "../../../fakes/memory-store.ts";
import { ReservationRig, settle } from "../../../fakes/reservation-rig.ts";

const A = rootOf("a");
const B = rootOf("b");

/** Of each receipt the kind, and the step and height of everything that it says was signed. */
function receiptsOf(store: MemoryStore): readonly string[] {
  return store.receipts.map((bytes) => {
    const item = parseCbor(bytes, { depthMax: 4, itemCountMax: 400 });
    assert(item.ok && isArray(item.value));
    const [version, , , kind, lines] = item.value;
    assert(typeof kind === "string" && isArray(lines));
    return version === 1 ? kind : [kind, ...lines.map(describeLine)].join(" ");
  });
}

function describeLine(line: CborValue): string {
  assert(isArray(line));
  const [step, heights] = line;
  assert(typeof step === "string" && isArray(heights));
  const [height] = heights;
  assert(typeof height === "number");
  return `${step} ${height}`;
}

test("the first signature waits for its reservation, those that follow for nothing", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store);
  const before = store.commits.length;
  assert.equal(await rig.ask(5, A), "5");
  assert.equal(store.commits.length, before + 1 + 1);
  assert.equal(rig.stored().reserved?.height, 8n);
  const open = store.hold();
  assert.equal(await rig.ask(5, B, "precommit"), "5");
  assert.equal(await rig.ask(6, A), "6");
  assert.equal(await rig.ask(8, A), "8");
  const beyond = rig.ask(9, A);
  await settle();
  open();
  assert.equal(await beyond, "9");
  await settle();
  assert.equal(rig.stored().reserved?.height, 12n);
  assert.equal(rig.stored().last?.height, 9n);
});

test("more is reserved while half is left", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store, { heights: 4 });
  const reserved: string[] = [];
  for (const height of [5, 6, 7, 8, 9]) {
    await rig.ask(height, A);
    await settle();
    reserved.push(`${height}: ${rig.stored().reserved?.height}`);
  }
  assert.deepEqual(reserved, ["5: 8", "6: 8", "7: 10", "8: 10", "9: 12"]);
});

test("nothing is reserved above the manifest's last height", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store, { maxHeight: "6" });
  assert.equal(await rig.ask(5, A), "5");
  assert.equal(rig.stored().reserved?.height, 6n);
  assert.equal(await rig.ask(6, A), "6");
  await settle();
  assert.equal(rig.stored().reserved?.height, 6n);
});

test("what is signed from memory follows the rule, and repeats keep their time", async () => {
  const rig = await ReservationRig.serve(new MemoryStore());
  assert.equal(await rig.ask(5, A, "prevote", 10), "10");
  assert.equal(await rig.ask(5, A, "prevote", 11), "10");
  assert.equal(await rig.ask(5, B, "prevote", 11), "GUARD_STEP_DOUBLE");
  assert.equal(await rig.ask(5, A, "proposal", 11), "GUARD_STEP_BELOW");
  assert.equal(await rig.ask(6, A, "proposal", 12), "12");
  assert.equal(await rig.ask(6, A, "proposal", 13), "13");
  assert.equal(await rig.ask(6, B, "proposal", 13), "GUARD_STEP_DOUBLE");
  assert.equal(await rig.ask(5, B, "precommit", 14), "GUARD_HEIGHT_BELOW");
});

test("several nodes that ask at once get one root, before and after the reservation", async () => {
  const rig = await ReservationRig.serve(new MemoryStore());
  const first = await Promise.all([rig.ask(5, A), rig.ask(5, B), rig.ask(5, A, "prevote", 9)]);
  assert.deepEqual(first, ["5", "GUARD_STEP_DOUBLE", "5"]);
  const then = await Promise.all([rig.ask(6, B), rig.ask(6, A), rig.ask(6, B, "prevote", 9)]);
  assert.deepEqual(then, ["6", "GUARD_STEP_DOUBLE", "6"]);
});

test("every signature has its line in a receipt, and a repeat has no second one", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store);
  for (const height of [5, 6]) {
    await rig.ask(height, A);
    await rig.ask(height, A);
    await rig.ask(height, B, "precommit");
  }
  await settle();
  const lines = receiptsOf(store).flatMap((receipt) => receipt.split(/ (?=PRE)/).slice(1));
  assert.deepEqual(lines, ["PREVOTE 5", "PRECOMMIT 5", "PREVOTE 6", "PRECOMMIT 6"]);
});

test("a restart signs nothing that was reserved, and goes on above", async () => {
  const store = new MemoryStore();
  const first = await ReservationRig.serve(store);
  assert.equal(await first.ask(5, A), "5");
  await settle();
  const second = await ReservationRig.boot(store, { boot: 2 });
  assert.equal(await second.ask(5, A), "GUARD_RESERVED");
  assert.equal(await second.ask(8, A), "GUARD_RESERVED");
  assert.equal(await second.ask(9, A), "9");
  assert.deepEqual(second.stored().reserved, { height: 12n, holder: new Uint8Array(16).fill(2) });
  // The one before was paused, and wakes up: what is left of its heights nobody else signs.
  assert.equal(await first.ask(8, A), "8");
  await settle();
  assert.equal(await first.ask(9, B), "GUARD_STEP_DOUBLE");
  assert.equal(await first.ask(10, A), "GUARD_RESERVED");
  assert.equal(await first.ask(8, A), "GUARD_HEIGHT_BELOW");
  assert.equal(await second.ask(9, A), "9");
});

test("two signers that are asked for the same height: one reserves it", async () => {
  const store = new MemoryStore();
  const first = await ReservationRig.serve(store);
  const second = await ReservationRig.boot(store, { boot: 2 });
  const answers = await Promise.all([first.ask(5, A), second.ask(5, B)]);
  assert.equal(answers.filter((answer) => answer === "5").length, 1);
  assert.equal(answers.filter((answer) => answer.startsWith("GUARD_")).length, 1);
});

test("a drain gives back: another signs the next step at once, and this one nothing more", async () => {
  const store = new MemoryStore();
  const first = await ReservationRig.serve(store);
  const second = await ReservationRig.boot(store, { boot: 2 });
  assert.equal(await first.ask(5, A), "5");
  assert.equal(await second.ask(6, A), "GUARD_RESERVED");
  await first.recorder.giveBack();
  assert.equal(first.stored().reserved, null);
  assert.equal(await first.ask(6, B), "DRAINING");
  // The second had read the record while it was reserved: it looks once more.
  assert.equal(await second.ask(5, A), "5");
  assert.equal(await second.ask(5, B), "GUARD_STEP_DOUBLE");
  assert.equal(await second.ask(5, B, "precommit"), "5");
});

test("a drain writes every receipt, and waits for the write that is under way", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 1, { heights: 100 });
  const open = store.hold();
  const count = RECEIPT_SIGNED_COUNT_MAX * 2 + 3;
  for (let height = 2; height <= count; height += 1)
    assert.equal(await rig.ask(height, A), `${height}`);
  const drained = rig.recorder.giveBack();
  open();
  await drained;
  assert.equal(rig.stored().reserved, null);
  assert.equal(rig.stored().last?.height, BigInt(count));
  const lines = receiptsOf(store).flatMap((receipt) => receipt.split(/ (?=PRE)/).slice(1));
  assert.deepEqual(
    lines,
    Array.from({ length: count }, (_, index) => `PREVOTE ${index + 1}`),
  );
  assert.equal(receiptsOf(store).at(-1)?.startsWith("giveback"), true);
  // Again is no harm.
  await rig.recorder.giveBack();
  assert.equal(rig.stored().reserved, null);
});

test("a drain that can't be written leaves the heights reserved", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store);
  await rig.ask(5, A);
  await settle();
  store.script(lost);
  await rig.recorder.giveBack();
  assert.equal(rig.stored().reserved?.height, 8n);
  assert.equal(await rig.ask(6, A), "DRAINING");
});

test("when the store is away, signing goes on to the end of what is reserved", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store);
  await rig.ask(5, A);
  await settle();
  store.script(...Array.from({ length: 20 }, () => lost));
  for (const height of [6, 7, 8]) {
    assert.equal(await rig.ask(height, A), `${height}`);
    await settle();
  }
  assert.equal(await rig.ask(9, A), "STATE_UNKNOWN");
  assert.equal(await rig.ask(8, A), "8");
  assert.equal(await rig.ask(8, B), "GUARD_STEP_DOUBLE");
});

test("an extension that was lost and lands late is taken for what it is", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store);
  await rig.ask(5, A);
  await settle();
  store.script(late);
  assert.equal(await rig.ask(7, A), "7");
  await settle();
  assert.equal(rig.stored().reserved?.height, 8n);
  assert.deepEqual(
    store.landLate().map(({ kind }) => kind),
    ["committed"],
  );
  assert.equal(await rig.ask(9, A), "9");
  await settle();
  assert.equal(rig.stored().last?.height, 9n);
});

test("a write of which nothing was heard is looked up, and its lines are not written twice", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store);
  await rig.ask(5, A);
  await settle();
  store.script(writtenButUnknown);
  await rig.ask(6, A);
  await settle();
  await rig.ask(7, A);
  await settle();
  const lines = receiptsOf(store).flatMap((receipt) => receipt.split(/ (?=PRE)/).slice(1));
  assert.deepEqual(lines, ["PREVOTE 5", "PREVOTE 6", "PREVOTE 7"]);
});

test("receipts of one who was overtaken are written all the same, the record as it was", async () => {
  const store = new MemoryStore();
  const first = await ReservationRig.serve(store);
  await first.ask(5, A);
  await settle();
  const open = store.hold();
  await first.ask(6, A);
  store.script(lost);
  open();
  await settle();
  const second = await ReservationRig.boot(store, { boot: 2 });
  assert.equal(await second.ask(9, A), "9");
  await settle();
  const before = second.stored();
  assert.equal(await first.ask(7, A), "7");
  await settle();
  assert.deepEqual(second.stored(), before);
  const last = receiptsOf(store).at(-1);
  assert.equal(last, "reserve PREVOTE 6 PREVOTE 7");
  assert.equal(await second.ask(10, A), "10");
});

test("signing waits when too much has no receipt, and goes on when it has", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.begin(store, 1, { heights: 100 });
  const open = store.hold();
  for (let height = 2; height <= UNRECEIPTED_COUNT_MAX + 1; height += 1) {
    assert.equal(await rig.ask(height, A), `${height}`);
  }
  const next = UNRECEIPTED_COUNT_MAX + 2;
  let answered: string | null = null;
  const waiting = rig.ask(next, A).then((answer) => {
    answered = answer;
  });
  await settle();
  assert.equal(answered, null);
  // A repeat adds nothing, but waits with the others: it is as late as they are.
  open();
  await waiting;
  assert.equal(answered, `${next}`);
});

test("an act of the operators that raises the record holds for what is signed from memory", async () => {
  const rig = await ReservationRig.serve(new MemoryStore());
  await rig.ask(5, A);
  await settle();
  const { account } = rig;
  const receipt = { kind: "floor", heights: [], signingRoot: null, timeMs: 1 };
  const position = { height: 7n, round: 0, step: "prevote" } as const;
  const raised = await account.ledger.amend(account, receipt, (record) => {
    assert(record !== null);
    return { record: raiseTendermintRecord(record, position), isRetired: false };
  });
  assert(raised.ok);
  assert.equal(await rig.ask(6, A), "GUARD_HEIGHT_BELOW");
  assert.equal(await rig.ask(7, A), "GUARD_STEP_DOUBLE");
  assert.equal(await rig.ask(7, A, "precommit"), "7");
});

test("a tombstone ends what is reserved, too", async () => {
  const rig = await ReservationRig.serve(new MemoryStore());
  await rig.ask(5, A);
  await settle();
  const { account } = rig;
  const receipt = { kind: "retire", heights: [], signingRoot: null, timeMs: 1 };
  const retired = await account.ledger.amend(account, receipt, (record) => {
    assert(record !== null);
    return { record, isRetired: true };
  });
  assert(retired.ok);
  assert.equal(await rig.ask(6, A), "KEY_RETIRED");
});

test("without a record or trusted time nothing is reserved", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.boot(store);
  assert.equal(await rig.ask(5, A), "STATE_MISSING");
  assert.equal(store.stored(VALIDATOR.publicKey), null);
  const other = await ReservationRig.serve(store, { boot: 2 });
  // Somebody made the first record meanwhile.
  assert.equal(await rig.ask(5, A), "5");
  other.timeMs = null;
  assert.equal(await other.ask(9, A), "TIME_STALE");
});

test("a store that shows an older record ends the key, also for what is reserved", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store);
  const old = store.stored(VALIDATOR.publicKey);
  await rig.ask(5, A);
  await settle();
  store.rollBack(VALIDATOR.publicKey, old);
  assert.equal(await rig.ask(6, A), "6");
  await settle();
  assert.equal(await rig.ask(7, A), "STATE_ROLLED_BACK");
});
