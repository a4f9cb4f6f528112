import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type EthereumFloor,
  NO_FLOOR,
} from "../../../../enclave/core/chains/ethereum/slashing-rule.ts";
import { HandoverGiver, verifyHandover } from "../../../../enclave/service/handover.ts";
import { retireKeys } from "../../../../enclave/service/state-acts.ts";
import type { DocumentFields } from "../../../../scripts/local/nsm-document.ts";
import { sampleMeasurements } from "../../../../scripts/local/nsm-simulator.ts";
import { encodeHandover, parseHandover } from "../../../../shared/attestation/handover.ts";
import { refusal } from "../../../../shared/errors.ts";
import { ActsRig, BOOT_ID, codeOf } from "../../../fakes/acts-rig.ts";
import { documentOf, NONCE, NOW_MS, pcrsOf, ROOT } from "../../../fakes/attestation-fixture.ts";
import { KEY_A, KEY_B, SCOPE } from "../../../fakes/service-rig.ts";
import { manifest } from "../../../simulation/validator.ts";

const HANDOVER = { scope: SCOPE, keyCount: 1, state: new Uint8Array(48), bootId: BOOT_ID };
const USER_DATA = encodeHandover({ ...HANDOVER, drainedMs: NOW_MS - 1000 });
const DRAINED_MS = 1234;
const PREDECESSOR = sampleMeasurements("test");

function verify(changes: Partial<DocumentFields>, predecessor = PREDECESSOR): string {
  const document = documentOf({ userData: USER_DATA, ...changes });
  const predecessors = [predecessor];
  const parts = { nsmRoot: ROOT.der, challenge: NONCE, nowMs: NOW_MS };
  return codeOf(verifyHandover(document, { manifest: { ...manifest, predecessors }, ...parts }));
}

test("a hand-over is believed for five minutes, and from a clock up to five seconds ahead", () => {
  assert.equal(verify({}), "ok");
  for (const timestampMs of [NOW_MS - 300_000, NOW_MS + 5000]) {
    assert.equal(verify({ timestampMs }), "ok");
  }
  for (const timestampMs of [NOW_MS - 300_001, NOW_MS + 5001]) {
    assert.equal(verify({ timestampMs }), "HANDOVER_REFUSED");
  }
});

test("a predecessor in debug mode is refused, even if its zeros were named", () => {
  const zeros = new Map([0, 1, 2].map((index) => [index, new Uint8Array(48)]));
  assert.equal(verify({ pcrs: pcrsOf(zeros) }, zeros), "HANDOVER_REFUSED");
});

test("a document of a predecessor that hands nothing over, or another network, is refused", () => {
  const elsewhere = { ...HANDOVER, scope: new Uint8Array(32), drainedMs: NOW_MS };
  for (const userData of [null, new Uint8Array(0), encodeHandover(elsewhere)]) {
    assert.equal(verify({ userData }), "HANDOVER_REFUSED");
  }
});

function giverOf({ parts }: ActsRig): HandoverGiver {
  return new HandoverGiver({ ...parts, scope: SCOPE });
}

async function openRig(floor: EthereumFloor = NO_FLOOR): Promise<ActsRig> {
  return ActsRig.open({ isInited: true, floor });
}

test("nothing is handed over without trusted time, and it may be asked for again", async () => {
  const rig = await openRig({ slot: 41n, source: 3n, target: 5n });
  const giver = giverOf(rig);
  const { nowMs } = rig;
  const stored = rig.stored();
  rig.nowMs = null;
  assert.equal(codeOf(await giver.give(NONCE, DRAINED_MS)), "TIME_STALE");
  assert.deepEqual(rig.stored(), stored);
  rig.nowMs = nowMs;
  assert.equal(codeOf(await giver.give(NONCE, DRAINED_MS)), "ok");
});

test("a hand-over that the NSM does not attest was not given", async () => {
  const rig = await openRig();
  const giver = giverOf(rig);
  rig.attestRefusal = refusal("NSM_UNAVAILABLE");
  assert.equal(codeOf(await giver.give(NONCE, DRAINED_MS)), "NSM_UNAVAILABLE");
  rig.attestRefusal = null;
  assert.equal(codeOf(await giver.give(new Uint8Array(32), DRAINED_MS)), "ok");
  assert.equal(codeOf(await giver.give(NONCE, DRAINED_MS)), "HANDOVER_GIVEN");
});

test("the floor goes into a record once, with a receipt, and not where it is below", async () => {
  const rig = await openRig({ slot: 41n, source: 3n, target: 5n });
  const before = rig.stored();
  assert((await giverOf(rig).give(NONCE, DRAINED_MS)).ok);
  rig.assertReceipt({ kind: "handover" }, before);
  const stored = rig.stored();
  assert.equal(stored?.isRetired, false);
  assert.deepEqual(stored.record, {
    block: { slot: 40n, root: null },
    vote: { source: 3n, target: 4n, root: null },
  });
  // Another giver of the same enclave would write it anew, were it not there.
  assert((await giverOf(rig).give(NONCE, DRAINED_MS)).ok);
  assert.deepEqual(rig.stored(), stored);
});

test("keys that are retired or have no record are counted, and left as they are", async () => {
  const rig = await openRig({ slot: 41n, source: 3n, target: 5n });
  assert((await retireKeys(rig.parts, { keys: [KEY_A.publicKey] })).ok);
  const stored = rig.stored();
  const given = await giverOf(rig).give(NONCE, DRAINED_MS);
  assert(given.ok);
  assert.deepEqual(rig.stored(), stored);
  assert.equal(rig.stored(KEY_B), null);
  const handover = parseHandover(given.value);
  assert(handover.ok);
  assert.equal(handover.value.keyCount, 2);
  assert.equal(handover.value.drainedMs, DRAINED_MS);
});
