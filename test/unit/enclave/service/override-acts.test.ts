import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { overrideRecord } from "../../../../enclave/service/state-acts.ts";
import { type EthereumOrder, encodeEthereumOrder } from "../../../../shared/override-order.ts";
import { ok } from "../../../../shared/result.ts";
import { ActsRig, BOOT_ID, codeOf, NOW_MS } from "../../../fakes/acts-rig.ts";
import { Operator } from "../../../fakes/operator.ts";
import { KEY_A, SCOPE } from "../../../fakes/service-rig.ts";
import { openedBundle } from "../../../simulation/simulated-enclave.ts";

const OPERATOR = new Operator();
const OVERRIDE = { threshold: 1, operators: [OPERATOR.publicKey] };
const ORDER = {
  scope: SCOPE,
  key: KEY_A.publicKey,
  bootId: BOOT_ID,
  expiresMs: NOW_MS + 1000,
};
const NOTHING = { blockSlot: null, source: null, target: null };
type Maxima = Pick<EthereumOrder, "blockSlot" | "source" | "target">;

function signed(seq: number, maxima: Maxima, bootId: Uint8Array = BOOT_ID) {
  const order = encodeEthereumOrder({ ...ORDER, bootId, seq, ...maxima });
  return { order, signatures: [OPERATOR.sign(order)] };
}

test("no floor is lowered without trusted time", async () => {
  const rig = await ActsRig.open({ isInited: true, manifest: { override: OVERRIDE } });
  const stored = rig.stored();
  rig.nowMs = null;
  const params = signed(1, NOTHING);
  assert.equal(codeOf(await overrideRecord(rig.parts, params)), "TIME_STALE");
  assert.deepEqual(rig.stored(), stored);
});

test("the receipt of an order states the heights that it names, and its digest", async () => {
  const rows: readonly (readonly [Maxima, readonly bigint[]])[] = [
    [{ blockSlot: 9n, source: 3n, target: 11n }, [9n, 3n, 11n]],
    [{ blockSlot: null, source: 3n, target: 11n }, [3n, 11n]],
    [{ blockSlot: 9n, source: null, target: null }, [9n]],
    [NOTHING, []],
  ];
  for (const [maxima, heights] of rows) {
    const rig = await ActsRig.open({ isInited: true, manifest: { override: OVERRIDE } });
    const before = rig.stored();
    const params = signed(1, maxima);
    assert.equal(codeOf(await overrideRecord(rig.parts, params)), "ok");
    const signingRoot = createHash("sha256").update(params.order).digest();
    rig.assertReceipt({ kind: "override", heights, signingRoot }, before);
  }
});

test("an order for a boot whose id differs in one byte is refused, and nothing is written", async () => {
  const rig = await ActsRig.open({ isInited: true, manifest: { override: OVERRIDE } });
  const stored = rig.stored();
  for (const [index, byte] of BOOT_ID.entries()) {
    const params = signed(1, NOTHING, BOOT_ID.with(index, byte ^ 1));
    assert.equal(codeOf(await overrideRecord(rig.parts, params)), "OVERRIDE_BOOT");
  }
  assert.deepEqual(rig.stored(), stored);
  assert.equal(codeOf(await overrideRecord(rig.parts, signed(1, NOTHING))), "ok");
});

test("a key that is dropped and loaded while an order is written keeps the floor of its load", async () => {
  const before = { slot: 41n, source: 3n, target: 5n };
  const after = { slot: 49n, source: 4n, target: 6n };
  const rig = await ActsRig.open({
    isInited: true,
    floor: before,
    manifest: { override: OVERRIDE },
  });
  const release = rig.store.hold();
  const heights = { blockSlot: 9n, source: null, target: null };
  const overridden = overrideRecord(rig.parts, signed(1, heights));
  await new Promise(setImmediate);
  // Only the write is held back: what is read from here on is answered.
  rig.store.hold()();
  const chooseFloor = () => Promise.resolve(ok(after));
  assert.equal(await rig.accounts.retain([]), 2);
  assert((await rig.accounts.add(openedBundle(KEY_A), chooseFloor)).ok);
  assert.equal(rig.stored()?.seq, 1);
  release();
  assert.equal(codeOf(await overridden), "STATE_CONFLICT");
  assert.deepEqual(rig.account().floor, after);
  // The record is the order's all the same: the floor is what still binds.
  assert.equal(rig.stored()?.record.block?.slot, 9n);
});
