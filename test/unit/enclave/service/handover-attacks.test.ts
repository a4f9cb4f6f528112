// A hostile parent around hand-overs and openings, one enclave at a time: records that were never
// released, reads that are held back, a giver without floors of its own.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { StoredRecord } from "../../../../enclave/core/ports.ts";
import { sampleMeasurements } from "../../../../scripts/local/nsm-simulator.ts";
import { manifestPcr } from "../../../../shared/attestation/pcr.ts";
import { encodePrefixedHex } from "../../../../shared/bytes/hex.ts";
import { type Act, MemoryStore } from "../../../fakes/memory-store.ts";
import { isSignature, KEY_A, KEY_B, ServiceRig } from "../../../fakes/service-rig.ts";
import { blockRequest, SLOT_MS, voteRequest } from "../../../simulation/validator.ts";

const TABLE = {
  kind: "dynamodb",
  tableArn: "arn:aws:dynamodb:eu-central-1:111122223333:table/redoubt-state",
  tableId: "12345678-1234-1234-1234-123456789abc",
};

type Manifest = Readonly<Record<string, unknown>>;

async function servingRig(manifest: Manifest = {}): Promise<ServiceRig> {
  const rig = new ServiceRig(undefined, { image: "old", manifest });
  await rig.serve(KEY_A);
  await rig.passFloor();
  // In the middle of a slot.
  rig.clock.advance(SLOT_MS / 2);
  return rig;
}

/** Measured and unsealed, of the same image or, as a successor, of another. */
async function unsealed(rig: ServiceRig, image = "old", more: Manifest = {}): Promise<ServiceRig> {
  const next = new ServiceRig(rig.store, { clock: rig.clock, image, manifest: more });
  assert.equal(await next.measure(), "ok");
  assert(typeof (await next.open("first", KEY_A)) !== "string");
  return next;
}

function successorOf(rig: ServiceRig, more: Manifest = {}): Promise<ServiceRig> {
  const pcrs = sampleMeasurements("old");
  const text = (index: number) => encodePrefixedHex(pcrs.get(index) ?? new Uint8Array(48));
  const digest = createHash("sha384").update(rig.manifest).digest();
  const pcr16 = encodePrefixedHex(manifestPcr(digest));
  const predecessors = [{ pcr0: text(0), pcr1: text(1), pcr2: text(2), pcr16 }];
  return unsealed(rig, "new", { ...more, predecessors });
}

async function openState(rig: ServiceRig, handover: Uint8Array | null): Promise<boolean | string> {
  const opened = await rig.enclave.call("state.open", { handover });
  return opened.ok ? opened.value.isHandedOver : opened.error.code;
}

async function handOver(from: ServiceRig, to: ServiceRig): Promise<Uint8Array | string> {
  const challenge = await to.enclave.call("state.challenge", {});
  assert(challenge.ok && (await from.enclave.call("drain", {})).ok);
  const given = await from.enclave.call("state.handover", { nonce: challenge.value.nonce });
  return given.ok ? given.value.document.slice() : given.error.code;
}

async function close(...rigs: readonly ServiceRig[]): Promise<void> {
  for (const rig of rigs) await rig.enclave.close();
}

function turn(): Promise<void> {
  return new Promise((settle) => setTimeout(settle, 20));
}

const EPOCH_SLOTS = 8;
for (const kind of ["block", "vote"] as const) {
  test(`a ${kind} that was written, denied and never released is repeated by no successor`, async () => {
    const first = await servingRig();
    const { slot } = first;
    const target = BigInt(Math.floor(slot / EPOCH_SLOTS));
    const ask = (variant: number) =>
      kind === "block"
        ? blockRequest(BigInt(slot) + 1n, variant)
        : voteRequest(target - 1n, target, variant);
    const before = first.store.stored(KEY_A.publicKey);
    let kept: StoredRecord | null = null;
    const keep: Act = (_, write) => {
      kept = { seq: write.seq, record: write.record.slice() };
      return { kind: "conflict", stored: before };
    };
    first.store.script(keep, keep, keep, keep, keep);
    assert.equal(await first.sign(KEY_A, ask(0)), "STATE_CONFLICT");
    assert(isSignature(await first.sign(KEY_A, ask(1))));
    await close(first);
    first.store.rollBack(KEY_A.publicKey, kept);
    const giver = await unsealed(first);
    assert.equal(await openState(giver, null), false);
    assert.equal(await giver.sign(KEY_A, ask(0)), "GUARD_BOOT_FLOOR");
    const next = await successorOf(giver);
    const document = await handOver(giver, next);
    assert(typeof document !== "string");
    assert.equal(await openState(next, document), true);
    assert.match(await next.sign(KEY_A, ask(0)), /^GUARD_(BLOCK|VOTE)_DOUBLE$/);
    await close(giver, next);
  });
}

test("what is signed elsewhere while the records are held back is below the boot floor", async () => {
  const first = await servingRig();
  first.clock.advance(SLOT_MS / 2 - 2001);
  assert((await first.enclave.time.renew()).ok);
  const left = first.store.stored(KEY_A.publicKey);
  const second = await unsealed(first);
  const release = first.store.hold();
  const opening = openState(second, null);
  await turn();
  // The other enclave has another way to a store: only what it signs counts here.
  first.clock.advance(2001);
  const ahead = BigInt(first.slot) + 1n;
  const elsewhere = new MemoryStore();
  first.store.commit = (...args) => elsewhere.commit(...args);
  elsewhere.rollBack(KEY_A.publicKey, left);
  assert(isSignature(await first.sign(KEY_A, blockRequest(ahead, 0))));
  assert((await first.enclave.call("drain", {})).ok);
  await close(first);
  release();
  assert.equal(await opening, false);
  assert.equal(await second.sign(KEY_A, blockRequest(ahead, 1)), "GUARD_BOOT_FLOOR");
  await close(second);
});

test("a bundle that is opened later has the floor of the time after its records were read", async () => {
  const first = new ServiceRig(undefined, { image: "old" });
  await first.serve(KEY_B);
  await first.passFloor();
  first.clock.advance(SLOT_MS - 2001);
  assert((await first.enclave.time.renew()).ok);
  const store = new MemoryStore();
  store.rollBack(KEY_B.publicKey, first.store.stored(KEY_B.publicKey));
  const second = new ServiceRig(store, { clock: first.clock, image: "old" });
  await second.serve(KEY_A);
  const release = store.hold();
  const opening = second.open("later", KEY_B);
  await turn();
  first.clock.advance(2001);
  const ahead = BigInt(first.slot) + 1n;
  assert(isSignature(await first.sign(KEY_B, blockRequest(ahead, 0))));
  await close(first);
  release();
  assert(typeof (await opening) !== "string");
  assert.equal(await second.sign(KEY_B, blockRequest(ahead, 1)), "GUARD_BOOT_FLOOR");
  await close(second);
});

test("a third enclave between drain and the end of the opening binds the successor", async () => {
  const old = await servingRig();
  const next = await successorOf(old);
  const document = await handOver(old, next);
  assert(typeof document !== "string");
  const left = old.store.stored(KEY_A.publicKey);
  const release = old.store.hold();
  const opening = openState(next, document);
  await turn();
  const elsewhere = new MemoryStore();
  elsewhere.rollBack(KEY_A.publicKey, left);
  const third = new ServiceRig(elsewhere, { clock: old.clock, image: "old" });
  assert.equal(await third.measure(), "ok");
  assert(typeof (await third.open("first", KEY_A)) !== "string");
  assert.equal(await openState(third, null), false);
  let ahead = 0n;
  let signed = "";
  for (let tries = 0; tries < 40 && !isSignature(signed); tries += 1) {
    third.clock.advance(500);
    ahead = BigInt(third.slot) + 1n;
    signed = await third.sign(KEY_A, blockRequest(ahead, 0));
  }
  assert(isSignature(signed));
  await close(third);
  release();
  assert.equal(await opening, true);
  assert.equal(await next.sign(KEY_A, blockRequest(ahead, 1)), "GUARD_BOOT_FLOOR");
  await close(old, next);
});

test("an enclave that has no boot floor hands nothing over; one with a floor does, on a table too", async () => {
  const off = await servingRig({ state: { ...TABLE, bootFloor: "off" } });
  const next = await successorOf(off, { state: { ...TABLE, bootFloor: "on" } });
  assert.equal(await handOver(off, next), "HANDOVER_REFUSED");
  await close(off, next);
  const on = await servingRig({ state: { ...TABLE, bootFloor: "on" } });
  const after = await successorOf(on, { state: { ...TABLE, bootFloor: "on" } });
  const document = await handOver(on, after);
  assert(typeof document !== "string");
  assert.equal(await openState(after, document), true);
  await close(on, after);
});
