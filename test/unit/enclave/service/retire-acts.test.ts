import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_FLOOR } from "../../../../enclave/core/chains/ethereum/slashing-rule.ts";
import { withFloor } from "../../../../enclave/service/ethereum-accounts.ts";
import { retireKeys } from "../../../../enclave/service/state-acts.ts";
import { parseEthereumRetirement } from "../../../../shared/attestation/retirement.ts";
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
    const stated = parseEthereumRetirement(retired.value[0]?.document ?? new Uint8Array(0));
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

test("what is below a floor is given on without its root, what is at it or above with it", async () => {
  const rig = await ActsRig.open();
  const account = rig.account();
  account.floor = FLOOR;
  const root = new Uint8Array(32).fill(7);
  // The slot, and what it becomes; a block that is raised to below the floor has no root either.
  for (const [slot, next, isKept] of [
    [39n, 40n, false],
    [40n, 40n, false],
    [41n, 41n, true],
    [42n, 42n, true],
  ] as const) {
    const { block } = withFloor(account, { block: { slot, root }, vote: null });
    assert.deepEqual(block, { slot: next, root: isKept ? root : null });
  }
  for (const [source, target, next, isKept] of [
    [3n, 4n, [3n, 4n], false],
    [2n, 5n, [3n, 5n], false],
    [2n, 6n, [3n, 6n], false],
    [3n, 5n, [3n, 5n], true],
    [4n, 5n, [4n, 5n], true],
    [3n, 6n, [3n, 6n], true],
  ] as const) {
    const { vote } = withFloor(account, { block: null, vote: { source, target, root } });
    const [nextSource, nextTarget] = next;
    const wanted = { source: nextSource, target: nextTarget, root: isKept ? root : null };
    assert.deepEqual(vote, wanted, `${source} to ${target}`);
  }
  // Nothing lies below a target of 0, and a vote may still be below the floor by its source.
  account.floor = { ...FLOOR, target: 0n };
  const vote = { source: 2n, target: 5n, root };
  assert.deepEqual(withFloor(account, { block: null, vote }).vote, { ...vote, root: null });
});
