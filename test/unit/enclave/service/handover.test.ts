import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { sampleMeasurements } from "../../../../scripts/local/nsm-simulator.ts";
import { manifestPcr } from "../../../../shared/attestation/pcr.ts";
import type { BundleKey } from "../../../../shared/bundle/keys.ts";
import { encodePrefixedHex } from "../../../../shared/bytes/hex.ts";
import { TIME_SKEW_MS_MAX } from "../../../../shared/limits.ts";
import { lost } from "../../../fakes/memory-store.ts";
import { isSignature, KEY_A, KEY_B, ServiceRig } from "../../../fakes/service-rig.ts";
import { blockRequest, SLOT_MS, voteRequest } from "../../../simulation/validator.ts";

/** As a successor's manifest names the enclave of `rig`. */
function predecessorOf(rig: ServiceRig, image: string) {
  const pcrs = sampleMeasurements(image);
  const text = (index: number) => encodePrefixedHex(pcrs.get(index) ?? new Uint8Array(48));
  const digest = createHash("sha384").update(rig.manifest).digest();
  const pcr16 = encodePrefixedHex(manifestPcr(digest));
  return { pcr0: text(0), pcr1: text(1), pcr2: text(2), pcr16 };
}

async function servingRig(): Promise<ServiceRig> {
  const rig = new ServiceRig(undefined, { image: "old" });
  await rig.serve(KEY_A);
  await rig.passFloor();
  // In the middle of a slot: there a hand-over of less than the margins costs nothing.
  rig.clock.advance(SLOT_MS / 2);
  return rig;
}

/** On the same store, with the bundle open and the state not. */
async function successorOf(
  rig: ServiceRig,
  predecessors: readonly unknown[] = [predecessorOf(rig, "old")],
): Promise<ServiceRig> {
  const { clock, store } = rig;
  const next = new ServiceRig(store, { clock, image: "new", manifest: { predecessors } });
  assert.equal(await next.measure(), "ok");
  assert(typeof (await next.open("first", KEY_A)) !== "string");
  return next;
}

async function challengeOf(rig: ServiceRig): Promise<Uint8Array> {
  const challenge = await rig.enclave.call("state.challenge", {});
  assert(challenge.ok);
  return challenge.value.nonce.slice();
}

async function give(rig: ServiceRig, nonce: Uint8Array): Promise<Uint8Array | string> {
  assert((await rig.enclave.call("drain", {})).ok);
  const given = await rig.enclave.call("state.handover", { nonce });
  return given.ok ? given.value.document.slice() : given.error.code;
}

async function take(rig: ServiceRig, handover: Uint8Array | string): Promise<boolean | string> {
  assert(typeof handover !== "string", String(handover));
  const opened = await rig.enclave.call("state.open", { handover });
  return opened.ok ? opened.value.isHandedOver : opened.error.code;
}

test("a successor signs at once, from the predecessor's last record on, and the predecessor never again", async () => {
  const old = await servingRig();
  const slot = BigInt(old.slot);
  assert(isSignature(await old.sign(KEY_A, blockRequest(slot, 0))));
  const next = await successorOf(old);
  assert.equal(await take(next, await give(old, await challengeOf(next))), true);
  assert.equal(await old.sign(KEY_A, blockRequest(slot + 1n, 0)), "DRAINING");
  assert.equal(await next.sign(KEY_A, blockRequest(slot, 1)), "GUARD_BLOCK_DOUBLE");
  next.clock.advance(SLOT_MS);
  assert(isSignature(await next.sign(KEY_A, blockRequest(slot + 1n, 0))));
  for (const each of [old, next]) await each.enclave.close();
});

test("what the predecessor could not know of the time before its boot binds the successor too", async () => {
  const old = await servingRig();
  const next = await successorOf(old);
  assert.equal(await take(next, await give(old, await challengeOf(next))), true);
  // Below the old boot floor, and nothing is recorded there.
  assert.equal(await next.sign(KEY_A, voteRequest(8n, 10n, 0)), "GUARD_VOTE_SOURCE_BELOW");
  const early = blockRequest(BigInt(10 * 8 + 3), 0);
  assert.match(await next.sign(KEY_A, early), /^GUARD_BLOCK_/);
  for (const each of [old, next]) await each.enclave.close();
});

test("a state is handed over once: the same successor may ask again, another is refused", async () => {
  const old = await servingRig();
  const next = await successorOf(old);
  const nonce = await challengeOf(next);
  const document = await give(old, nonce);
  assert.deepEqual(await give(old, nonce), document);
  assert.equal(await give(old, new Uint8Array(32)), "HANDOVER_GIVEN");
  const late = await successorOf(old);
  assert.equal(await take(late, document), "HANDOVER_REFUSED");
  for (const each of [old, next, late]) await each.enclave.close();
});

test("two successors that ask at once do not both get the state", async () => {
  const old = await servingRig();
  assert((await old.enclave.call("drain", {})).ok);
  const answers = await Promise.all(
    [1, 2].map((fill) =>
      old.enclave.call("state.handover", { nonce: new Uint8Array(32).fill(fill) }),
    ),
  );
  assert.deepEqual(
    answers.map((answer) => (answer.ok ? "ok" : answer.error.code)),
    ["ok", "HANDOVER_GIVEN"],
  );
  await old.enclave.close();
});

test("a predecessor that the manifest does not name exactly is refused, as is a changed document", async () => {
  const old = await servingRig();
  const named = predecessorOf(old, "old");
  const other = predecessorOf(old, "other");
  const rows = [
    [],
    [{ ...named, pcr0: other.pcr0 }],
    [{ ...named, pcr1: other.pcr1 }],
    [{ ...named, pcr2: other.pcr2 }],
    [{ ...named, pcr16: other.pcr0 }],
  ];
  const taker = await successorOf(old);
  const nonce = await challengeOf(taker);
  const document = await give(old, nonce);
  assert(typeof document !== "string");
  const flipped = document.with(document.length - 1, (document.at(-1) ?? 0) ^ 1);
  assert.equal(await take(taker, flipped), "HANDOVER_REFUSED");
  for (const predecessors of rows) {
    const next = await successorOf(old, predecessors);
    assert.equal(await take(next, document), "HANDOVER_REFUSED");
    await next.enclave.close();
  }
  assert.equal(await take(taker, document), true);
  for (const each of [old, taker]) await each.enclave.close();
});

test("a store that shows other records than those handed over gets the boot floor back", async () => {
  const old = await servingRig();
  const before = old.store.stored(KEY_A.publicKey);
  assert(isSignature(await old.sign(KEY_A, old.block())));
  const next = await successorOf(old);
  const document = await give(old, await challengeOf(next));
  old.store.rollBack(KEY_A.publicKey, before);
  assert.equal(await take(next, document), false);
  assert.equal(await next.sign(KEY_A, next.block(1)), "GUARD_BOOT_FLOOR");
  for (const each of [old, next]) await each.enclave.close();
});

test("a successor with other keys than those handed over has a boot floor", async () => {
  const old = await servingRig();
  const next = await successorOf(old);
  assert(typeof (await next.open("second", KEY_B)) !== "string");
  assert.equal(await take(next, await give(old, await challengeOf(next))), false);
  for (const each of [old, next]) await each.enclave.close();
});

test("nothing is handed over while a floor could not be written, and it may be asked for again", async () => {
  const old = await servingRig();
  const next = await successorOf(old);
  const nonce = await challengeOf(next);
  old.store.script(lost);
  assert.equal(await give(old, nonce), "STATE_UNKNOWN");
  assert.equal(await take(next, await give(old, nonce)), true);
  for (const each of [old, next]) await each.enclave.close();
});

/** As the same image boots again, on the same store. */
async function rebooted(rig: ServiceRig, ...keys: readonly BundleKey[]): Promise<ServiceRig> {
  const again = new ServiceRig(rig.store, { clock: rig.clock, image: "old" });
  assert.equal(await again.measure(), "ok");
  assert(typeof (await again.open("first", ...keys)) !== "string");
  assert((await again.enclave.call("state.open", { handover: null })).ok);
  return again;
}

async function signWhenAllowed(rig: ServiceRig): Promise<bigint> {
  for (let tries = 0; tries < 4; tries += 1) {
    rig.clock.advance(SLOT_MS);
    if (isSignature(await rig.sign(KEY_A, rig.block()))) return BigInt(rig.slot);
  }
  assert.fail("its boot floor passes");
}

test("a key whose record the parent hides from both has a boot floor, also after a first record", async () => {
  const old = await servingRig();
  const slot = BigInt(old.slot);
  assert(isSignature(await old.sign(KEY_A, blockRequest(slot, 0))));
  await old.enclave.close();
  old.store.rollBack(KEY_A.publicKey, null);
  const second = await rebooted(old, KEY_A);
  const next = await successorOf(second);
  assert.equal(await take(next, await give(second, await challengeOf(next))), true);
  const init = await next.enclave.call("state.init", { keys: [KEY_A.publicKey] });
  assert(init.ok && init.value.createdCount === 1);
  assert.equal(await next.sign(KEY_A, blockRequest(slot, 1)), "GUARD_BOOT_FLOOR");
  for (const each of [second, next]) await each.enclave.close();
});

test("a hand-over waits for an operator's act that began before the drain", async () => {
  const old = await servingRig();
  assert((await old.enclave.call("state.init", { keys: [KEY_A.publicKey] })).ok);
  const slot = BigInt(old.slot);
  assert(isSignature(await old.sign(KEY_A, blockRequest(slot, 0))));
  await old.enclave.close();
  old.store.rollBack(KEY_A.publicKey, null);
  const second = await rebooted(old, KEY_A);
  const next = await successorOf(second);
  const nonce = await challengeOf(next);
  const release = second.store.hold();
  const init = second.enclave.call("state.init", { keys: [KEY_A.publicKey] });
  const draining = second.enclave.call("drain", {});
  const giving = second.enclave.call("state.handover", { nonce });
  await new Promise((settle) => setImmediate(settle));
  release();
  const [inited, drained, given] = await Promise.all([init, draining, giving]);
  assert(inited.ok && drained.ok && given.ok);
  assert.equal(await take(next, given.value.document.slice()), true);
  assert.match(await next.sign(KEY_A, blockRequest(slot, 1)), /^GUARD_BLOCK_/);
  for (const each of [second, next]) await each.enclave.close();
});

for (const order of ["before the giver is asked", "after it has given"] as const) {
  test(`what the same keys sign elsewhere ${order}, and is rolled back, binds the successor`, async () => {
    const old = await servingRig();
    const next = await successorOf(old);
    const nonce = await challengeOf(next);
    assert((await old.enclave.call("drain", {})).ok);
    const early = order === "after it has given" ? await give(old, nonce) : null;
    const left = old.store.stored(KEY_A.publicKey);
    const between = await rebooted(old, KEY_A);
    const slot = await signWhenAllowed(between);
    await between.enclave.close();
    old.store.rollBack(KEY_A.publicKey, left);
    assert.equal(await take(next, early ?? (await give(old, nonce))), true);
    assert.equal(await next.sign(KEY_A, blockRequest(slot, 1)), "GUARD_BOOT_FLOOR");
    for (const each of [old, next]) await each.enclave.close();
  });
}

test("a hand-over into the next slot leaves blocks a boot floor, and votes none", async () => {
  const old = await servingRig();
  const next = await successorOf(old);
  const document = await give(old, await challengeOf(next));
  next.clock.advance(SLOT_MS / 2 - TIME_SKEW_MS_MAX);
  assert.equal(await take(next, document), true);
  assert.equal(await next.sign(KEY_A, next.block()), "GUARD_BOOT_FLOOR");
  const target = BigInt(Math.floor(next.slot / 8));
  assert(isSignature(await next.sign(KEY_A, voteRequest(target - 1n, target, 0))));
  for (const each of [old, next]) await each.enclave.close();
});
