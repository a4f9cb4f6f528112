import assert from "node:assert/strict";
import { test } from "node:test";
import { raiseRecords } from "../../../../enclave/service/state-acts.ts";
import { refusal } from "../../../../shared/errors.ts";
import { RAISE_REASONS } from "../../../../shared/wire/methods.ts";
import { ActsRig, codeOf } from "../../../fakes/acts-rig.ts";
import { lost } from "../../../fakes/memory-store.ts";
import { bundleKeyOf } from "../../../fakes/sealed-keys.ts";
import { KEY_A, KEY_B, SCOPE } from "../../../fakes/service-rig.ts";

type Params = Parameters<typeof raiseRecords>[1];

const FLOOR = { key: KEY_A.publicKey, blockSlot: 50n, source: 5n, target: 6n };
const RECORD = {
  block: { slot: 50n, root: null },
  vote: { source: 5n, target: 6n, root: null },
};

function asked(change: Partial<Params> = {}): Params {
  const usual = { floors: [FLOOR], isDryRun: false, reason: RAISE_REASONS.import };
  return { genesisValidatorsRoot: SCOPE, ...usual, ...change };
}

test("floors are refused for each thing that is wrong with them, and nothing is written", async () => {
  const rows: readonly (readonly [Partial<Params>, string])[] = [
    [{ genesisValidatorsRoot: new Uint8Array(32) }, "INTERCHANGE_NETWORK"],
    [{ reason: 2 }, "PARAMS_MALFORMED"],
    [{ reason: 255 }, "PARAMS_MALFORMED"],
    [{ floors: [FLOOR, { ...FLOOR, key: KEY_B.publicKey, target: 13n }] }, "FUTURE"],
    [{ floors: [{ ...FLOOR, blockSlot: 101n }] }, "FUTURE"],
  ];
  const rig = await ActsRig.open({ isInited: true });
  const before = rig.store.commits.length;
  for (const [change, code] of rows) {
    for (const isDryRun of [true, false]) {
      const params = { ...asked(change), isDryRun };
      assert.equal(codeOf(await raiseRecords(rig.parts, params)), code);
    }
  }
  assert.equal(rig.store.commits.length, before);
});

test("floors are not raised without trusted time, or in a store that is not the right one", async () => {
  const rig = await ActsRig.open();
  rig.nowMs = null;
  assert.equal(codeOf(await raiseRecords(rig.parts, asked())), "TIME_STALE");
  const timed = await ActsRig.open();
  timed.refuseVerify(refusal("STORE_IDENTITY"));
  assert.equal(codeOf(await raiseRecords(timed.parts, asked())), "STORE_IDENTITY");
  for (const each of [rig, timed]) assert.equal(each.store.commits.length, 0);
});

test("a floor makes the record of a key that has none, and the receipt says why", async () => {
  for (const kind of ["import", "floor"] as const) {
    const rig = await ActsRig.open();
    const raised = await raiseRecords(rig.parts, asked({ reason: RAISE_REASONS[kind] }));
    assert(raised.ok);
    assert.deepEqual(
      raised.value.map(({ hasRecord, isRetired, seq, blockSlot, source, target }) => ({
        hasRecord,
        isRetired,
        seq,
        blockSlot,
        source,
        target,
      })),
      [{ hasRecord: true, isRetired: false, seq: 1, blockSlot: 50n, source: 5n, target: 6n }],
    );
    rig.assertReceipt({ kind }, null);
    assert.deepEqual(rig.stored()?.record, RECORD);
    assert.equal(rig.stored()?.isRetired, false);
  }
});

test("a floor only raises what a record states, and writes nothing when it raises nothing", async () => {
  const rig = await ActsRig.open();
  assert((await raiseRecords(rig.parts, asked())).ok);
  const higher = { ...FLOOR, blockSlot: null, source: 4n, target: 9n };
  assert((await raiseRecords(rig.parts, asked({ floors: [higher] }))).ok);
  const vote = { source: 5n, target: 9n, root: null };
  assert.deepEqual(rig.stored()?.record, { block: RECORD.block, vote });
  const stored = rig.stored();
  const raised = await raiseRecords(rig.parts, asked());
  assert(raised.ok && raised.value[0]?.target === 9n);
  assert.deepEqual(rig.stored(), stored);
});

test("a dry run tells what would be, from what is recorded or from nothing, and writes nothing", async () => {
  const rig = await ActsRig.open();
  const both = [FLOOR, { ...FLOOR, key: KEY_B.publicKey, blockSlot: null }];
  const first = await raiseRecords(rig.parts, asked({ floors: both, isDryRun: true }));
  assert(first.ok);
  assert.deepEqual(
    first.value.map(({ blockSlot, target, seq }) => [blockSlot, target, seq]),
    [
      [50n, 6n, 0],
      [null, 6n, 0],
    ],
  );
  assert.equal(rig.store.commits.length, 0);
  assert((await raiseRecords(rig.parts, asked())).ok);
  const stored = rig.stored();
  const floors = [{ ...FLOOR, blockSlot: null, target: 8n }];
  const second = await raiseRecords(rig.parts, asked({ floors, isDryRun: true }));
  assert(second.ok);
  assert.deepEqual(
    second.value.map(({ blockSlot, target, seq }) => [blockSlot, target, seq]),
    [[50n, 8n, 1]],
  );
  assert.deepEqual(rig.stored(), stored);
});

test("floors of keys that are not loaded are left out", async () => {
  const rig = await ActsRig.open();
  const floors = [{ ...FLOOR, key: bundleKeyOf(3).publicKey }, FLOOR];
  for (const isDryRun of [true, false]) {
    const raised = await raiseRecords(rig.parts, asked({ floors, isDryRun }));
    assert(raised.ok);
    assert.deepEqual(
      raised.value.map(({ key }) => key),
      [rig.account().publicKey],
    );
  }
});

test("a floor whose write has an unknown outcome is no success", async () => {
  const rig = await ActsRig.open();
  rig.store.script(lost);
  assert.equal(codeOf(await raiseRecords(rig.parts, asked())), "STATE_UNKNOWN");
});
