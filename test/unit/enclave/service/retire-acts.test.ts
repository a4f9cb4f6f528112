import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_FLOOR } from "../../../../enclave/core/chains/ethereum/slashing-rule.ts";
import { retireKeys, withFloor } from "../../../../enclave/service/state-acts.ts";
import { parseRetirement } from "../../../../shared/attestation/retirement.ts";
import { refusal } from "../../../../shared/errors.ts";
import { ActsRig, BOOT_ID, codeOf } from "../../../fakes/acts-rig.ts";
import type { Act } from "../../../fakes/memory-store.ts";
import { KEY_A, KEY_B } from "../../../fakes/service-rig.ts";

const KEYS = { keys: [KEY_A.publicKey] };
const FLOOR = { slot: 41n, source: 3n, target: 5n };
/** With a cause that is not what an unproved tombstone is refused with. */
const unreachable: Act = () => ({ kind: "unknown", cause: refusal("STORE_UNAVAILABLE") });

test("no key is retired without trusted time", async () => {
  const rig = await ActsRig.open({ isInited: true });
  const stored = rig.stored();
  rig.nowMs = null;
  assert.equal(codeOf(await retireKeys(rig.parts, KEYS)), "TIME_STALE");
  assert.deepEqual(rig.stored(), stored);
});

test("a key is retired with what may lie below its floor, whether it had a record or not", async () => {
  for (const isInited of [true, false]) {
    const rig = await ActsRig.open({ isInited, floor: FLOOR });
    const before = rig.stored();
    const retired = await retireKeys(rig.parts, KEYS);
    assert(retired.ok);
    rig.assertReceipt({ kind: "retire" }, before);
    const stored = rig.stored();
    assert.equal(stored?.isRetired, true);
    assert.deepEqual(stored.record, {
      block: { slot: 40n, root: null },
      vote: { source: 3n, target: 4n, root: null },
    });
    const stated = parseRetirement(retired.value[0]?.document ?? new Uint8Array(0));
    assert(stated.ok);
    const { seq, blockSlot, source, target } = stated.value;
    assert.deepEqual([seq, blockSlot, source, target], [stored.seq, 40n, 3n, 4n]);
    assert.deepEqual(stated.value.bootId.slice(), BOOT_ID);
  }
});

test("a tombstone that may be lost is refused with the store's reason, beside others that are not", async () => {
  const rig = await ActsRig.open({ isInited: true });
  rig.store.script(unreachable);
  const keys = [KEY_A.publicKey, KEY_B.publicKey];
  assert.equal(codeOf(await retireKeys(rig.parts, { keys })), "STORE_UNAVAILABLE");
  assert.equal(rig.stored(KEY_B)?.isRetired, true);
  const again = await retireKeys(rig.parts, { keys });
  assert(again.ok && again.value.length === 2);
});

test("a tombstone that the NSM does not attest is proved when it is asked for again", async () => {
  const rig = await ActsRig.open({ isInited: true });
  rig.attestRefusal = refusal("NSM_REFUSED");
  assert.equal(codeOf(await retireKeys(rig.parts, KEYS)), "NSM_REFUSED");
  const stored = rig.stored();
  assert.equal(stored?.isRetired, true);
  rig.attestRefusal = null;
  assert((await retireKeys(rig.parts, KEYS)).ok);
  assert.deepEqual(rig.stored(), stored);
});

test("a record is left as it is by no floor, and by one that nothing lies below", async () => {
  const rig = await ActsRig.open();
  const record = { block: { slot: 7n, root: null }, vote: null };
  const account = rig.account();
  for (const floor of [null, NO_FLOOR]) {
    account.floor = floor;
    assert.deepEqual(withFloor(account, record), record);
  }
});
