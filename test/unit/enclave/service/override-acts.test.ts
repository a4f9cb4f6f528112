import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { overrideRecord } from "../../../../enclave/service/state-acts.ts";
import { encodeOverrideOrder, type OverrideOrder } from "../../../../shared/override-order.ts";
import { ActsRig, codeOf, NOW_MS } from "../../../fakes/acts-rig.ts";
import { Operator } from "../../../fakes/operator.ts";
import { KEY_A, SCOPE } from "../../../fakes/service-rig.ts";

const OPERATOR = new Operator();
const OVERRIDE = { threshold: 1, operators: [OPERATOR.publicKey] };
const ORDER = { scope: SCOPE, key: KEY_A.publicKey, expiresMs: NOW_MS + 1000 };
type Maxima = Pick<OverrideOrder, "blockSlot" | "source" | "target">;

function signed(seq: number, maxima: Maxima) {
  const order = encodeOverrideOrder({ ...ORDER, seq, ...maxima });
  return { order, signatures: [OPERATOR.sign(order)] };
}

test("no floor is lowered without trusted time", async () => {
  const rig = await ActsRig.open({ isInited: true, manifest: { override: OVERRIDE } });
  const stored = rig.stored();
  rig.nowMs = null;
  const params = signed(1, { blockSlot: null, source: null, target: null });
  assert.equal(codeOf(await overrideRecord(rig.parts, params)), "TIME_STALE");
  assert.deepEqual(rig.stored(), stored);
});

test("the receipt of an order states the heights that it names, and its digest", async () => {
  const rows: readonly (readonly [Maxima, readonly bigint[]])[] = [
    [{ blockSlot: 9n, source: 3n, target: 11n }, [9n, 3n, 11n]],
    [{ blockSlot: null, source: 3n, target: 11n }, [3n, 11n]],
    [{ blockSlot: 9n, source: null, target: null }, [9n]],
    [{ blockSlot: null, source: null, target: null }, []],
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
