import assert from "node:assert/strict";
import { test } from "node:test";
import { ethereumRule } from "../../../../enclave/core/chains/ethereum/slashing-rule.ts";
import { initRecords } from "../../../../enclave/service/state-acts.ts";
import { refusal } from "../../../../shared/errors.ts";
import { ActsRig, codeOf } from "../../../fakes/acts-rig.ts";
import { lost } from "../../../fakes/memory-store.ts";
import { KEY_A, KEY_B } from "../../../fakes/service-rig.ts";

const BOTH = { keys: [KEY_A.publicKey, KEY_B.publicKey] };

test("first records are made without trusted time, or in a store that is not the right one, never", async () => {
  const rig = await ActsRig.open();
  rig.nowMs = null;
  assert.equal(codeOf(await initRecords(rig.parts, BOTH)), "TIME_STALE");
  const timed = await ActsRig.open();
  timed.refuseVerify(refusal("STORE_IDENTITY"));
  assert.equal(codeOf(await initRecords(timed.parts, BOTH)), "STORE_IDENTITY");
  for (const each of [rig, timed]) assert.equal(each.store.commits.length, 0);
});

test("a first record is empty, counted once, and its receipt says that it is the first", async () => {
  const rig = await ActsRig.open();
  assert.deepEqual(await initRecords(rig.parts, { keys: [KEY_A.publicKey] }), {
    ok: true,
    value: 1,
  });
  rig.assertReceipt({ kind: "init" }, null);
  const stored = rig.stored();
  assert.deepEqual(stored?.record, ethereumRule.empty);
  assert.equal(stored?.isRetired, false);
  assert.deepEqual(await initRecords(rig.parts, BOTH), { ok: true, value: 1 });
  assert.deepEqual(rig.stored(), stored);
});

test("a record that the store had hidden is taken over, not made, nor counted", async () => {
  const rig = await ActsRig.open();
  const record = { block: { slot: 50n, root: null }, vote: null };
  rig.put(record, 5);
  const stored = rig.store.stored(KEY_A.publicKey);
  assert.deepEqual(await initRecords(rig.parts, BOTH), { ok: true, value: 1 });
  assert.deepEqual(rig.store.stored(KEY_A.publicKey), stored);
  assert.deepEqual(rig.account().entry.durable?.record, record);
});

test("a first record whose write has an unknown outcome is no success", async () => {
  const rig = await ActsRig.open();
  rig.store.script(lost);
  assert.equal(codeOf(await initRecords(rig.parts, BOTH)), "STATE_UNKNOWN");
});
