import assert from "node:assert/strict";
import { test } from "node:test";
import { operationMaskOf } from "../../../../shared/operation.ts";
import { bytesOfKey, COMETBFT_KEYS } from "../../../fakes/cometbft-keys.ts";
import { late, lost } from "../../../fakes/memory-store.ts";
import { isSignature, KEY_A, KEY_B, SCOPE, ServiceRig } from "../../../fakes/service-rig.ts";
import { blockRequest, SLOT_MS, voteRequest } from "../../../simulation/validator.ts";

async function turn(): Promise<void> {
  await new Promise(setImmediate);
}

test("nothing is signed before the state is open, and nothing new while draining", async () => {
  const rig = new ServiceRig();
  assert.equal(await rig.sign(KEY_A, rig.block()), "PHASE_REFUSED");
  assert.equal(await rig.measure(), "ok");
  assert.equal(await rig.measure(), "PHASE_REFUSED");
  await rig.open("first", KEY_A);
  assert.equal(await rig.sign(KEY_A, rig.block()), "PHASE_REFUSED");
  assert((await rig.enclave.call("state.open", { handover: null })).ok);
  assert.equal(await rig.sign(KEY_A, rig.block()), "STATE_MISSING");
  assert((await rig.enclave.call("state.init", { keys: [KEY_A.publicKey] })).ok);
  await rig.passFloor();
  assert(isSignature(await rig.sign(KEY_A, rig.block())));
  const release = rig.store.hold();
  const inFlight = rig.sign(KEY_A, voteRequest(11n, 12n, 0));
  await turn();
  const drained = rig.enclave.call("drain", {});
  await turn();
  assert.equal(await rig.sign(KEY_A, rig.block()), "DRAINING");
  release();
  assert(isSignature(await inFlight));
  assert((await drained).ok);
  await rig.enclave.close();
});

test("a failed read of the state leaves the enclave where it was, to try again", async () => {
  const rig = new ServiceRig();
  await rig.measure();
  await rig.open("first", KEY_A);
  rig.store.refuseRead({ code: "STORE_UNAVAILABLE" });
  const opened = await rig.enclave.call("state.open", { handover: null });
  assert.equal(opened.ok ? "ok" : opened.error.code, "STORE_UNAVAILABLE");
  assert((await rig.enclave.call("state.open", { handover: null })).ok);
  await rig.enclave.close();
});

test("each check refuses with its own code, before anything is recorded", async () => {
  const rig = new ServiceRig();
  await rig.serve(KEY_A);
  await rig.passFloor();
  const commitCount = rig.store.commits.length;
  const ahead = blockRequest(BigInt(rig.slot + 2), 0);
  assert.equal(await rig.sign(KEY_B, rig.block()), "KEY_UNKNOWN");
  assert.equal(
    await rig.sign(KEY_A, rig.block(), operationMaskOf(["ATTESTATION"])),
    "ACL_KIND_DENIED",
  );
  assert.equal(await rig.sign(KEY_A, ahead), "FUTURE");
  assert.equal(await rig.sign(KEY_A, blockRequest(2n ** 63n, 0)), "FUTURE");
  assert.equal(await rig.sign(KEY_A, voteRequest(1n, 2n ** 63n, 0)), "FUTURE");
  assert.equal(await rig.sign(KEY_A, { ...ahead, body: new Uint8Array(0) }), "REQUEST_MALFORMED");
  rig.clock.advance(600_001);
  assert.equal(await rig.sign(KEY_A, rig.block()), "TIME_STALE");
  const status = await rig.enclave.call("status", {});
  assert(status.ok && status.value.timeMs === 0 && status.value.timeAgeMs >= 600_001);
  assert.equal(rig.store.commits.length, commitCount);
  await rig.enclave.close();
});

test("the floor holds until trusted time has passed it, and says from where on", async () => {
  const rig = new ServiceRig();
  await rig.serve(KEY_A);
  assert.equal(await rig.sign(KEY_A, rig.block()), "GUARD_BOOT_FLOOR");
  const status = await rig.enclave.call("status", {});
  assert(status.ok && status.value.floor !== null);
  assert.deepEqual(status.value.floor, { slot: 85n, source: 9n, target: 11n });
  while (BigInt(rig.slot) < status.value.floor.slot) rig.clock.advance(SLOT_MS);
  assert(isSignature(await rig.sign(KEY_A, rig.block())));
  await rig.enclave.close();
});

test("a key that is loaded later has the floor of its own load, also when it comes back", async () => {
  const rig = new ServiceRig();
  await rig.serve(KEY_A);
  await rig.passFloor();
  assert(isSignature(await rig.sign(KEY_A, rig.block())));
  const second = await rig.open("second", KEY_B);
  assert(typeof second !== "string");
  assert((await rig.enclave.call("state.init", { keys: [KEY_B.publicKey] })).ok);
  // Another enclave may have signed with it until a moment ago.
  assert.equal(await rig.sign(KEY_B, rig.block()), "GUARD_BOOT_FLOOR");
  assert(isSignature(await rig.sign(KEY_A, rig.block())));
  await rig.passFloor();
  const block = rig.block();
  assert(isSignature(await rig.sign(KEY_B, block)));
  const status = await rig.enclave.call("status", {});
  assert(status.ok);
  const [first] = status.value.bundleIds;
  assert(first !== undefined);
  assert((await rig.enclave.call("bundle.retain", { bundleIds: [first] })).ok);
  assert.equal(await rig.sign(KEY_B, block), "KEY_UNKNOWN");
  assert(typeof (await rig.open("second", KEY_B)) !== "string");
  assert.equal(await rig.sign(KEY_B, block), "GUARD_BOOT_FLOOR");
  await rig.passFloor();
  assert(isSignature(await rig.sign(KEY_B, rig.block())));
  await rig.enclave.close();
});

test("a store that was rolled back while a key was dropped is noticed when the key comes back", async () => {
  const rig = new ServiceRig();
  await rig.serve(KEY_A);
  const before = rig.store.stored(KEY_A.publicKey);
  await rig.passFloor();
  assert(isSignature(await rig.sign(KEY_A, rig.block())));
  assert((await rig.enclave.call("bundle.retain", { bundleIds: [] })).ok);
  rig.store.rollBack(KEY_A.publicKey, before);
  assert(typeof (await rig.open("first", KEY_A)) !== "string");
  await rig.passFloor();
  assert.equal(await rig.sign(KEY_A, rig.block()), "STATE_ROLLED_BACK");
  await rig.enclave.close();
});

test("a bundle that is dropped while its keys sign takes no other key down, and loses no answer", async () => {
  const rig = new ServiceRig();
  await rig.serve(KEY_A);
  await rig.passFloor();
  const second = await rig.open("second", KEY_B);
  assert(typeof second !== "string");
  assert((await rig.enclave.call("state.init", { keys: [KEY_B.publicKey] })).ok);
  await rig.passFloor();
  const blocks = Array.from({ length: 20 }, () => rig.sign(KEY_A, rig.block()));
  const retained = rig.enclave.call("bundle.retain", { bundleIds: [second] });
  for (const answer of await Promise.all(blocks)) {
    assert(isSignature(answer) || answer === "KEY_UNKNOWN", answer);
  }
  assert((await retained).ok);
  assert(isSignature(await rig.sign(KEY_B, rig.block())));
  await rig.enclave.close();
});

test("a request that waits for the store while its key is dropped is refused, not a crash", async () => {
  const rig = new ServiceRig();
  await rig.serve(KEY_A);
  await rig.passFloor();
  rig.store.script(lost);
  assert.equal(await rig.sign(KEY_A, rig.block()), "STATE_UNKNOWN");
  const release = rig.store.hold();
  const waiting = rig.sign(KEY_A, rig.block());
  await turn();
  assert((await rig.enclave.call("bundle.retain", { bundleIds: [] })).ok);
  release();
  assert.equal(await waiting, "KEY_UNKNOWN");
  const status = await rig.enclave.call("status", {});
  assert(status.ok && status.value.phase === "Ready" && status.value.keyCount === 0);
  await rig.enclave.close();
});

test("a key that is dropped and loaded while it signs has one state, and no false alarm", async () => {
  const rig = new ServiceRig();
  await rig.serve(KEY_A);
  await rig.passFloor();
  const release = rig.store.hold();
  const waiting = rig.sign(KEY_A, rig.block());
  await turn();
  assert((await rig.enclave.call("bundle.retain", { bundleIds: [] })).ok);
  const reopened = rig.open("first", KEY_A);
  await turn();
  release();
  assert(isSignature(await waiting));
  assert(typeof (await reopened) !== "string");
  await rig.passFloor();
  assert(isSignature(await rig.sign(KEY_A, rig.block())));
  await rig.enclave.close();
});

test("a late write of an enclave that is dead changes nothing for the next one", async () => {
  const first = new ServiceRig();
  await first.serve(KEY_A);
  await first.passFloor();
  first.store.script(late);
  assert.equal(await first.sign(KEY_A, first.block()), "STATE_UNKNOWN");
  await first.enclave.close();
  const second = new ServiceRig(first.store);
  second.clock.unixMs = first.clock.unixMs;
  await second.serve(KEY_A);
  first.store.landLate();
  assert.equal(await second.sign(KEY_A, first.block(1)), "GUARD_BOOT_FLOOR");
  await second.passFloor();
  assert(isSignature(await second.sign(KEY_A, second.block())));
  await second.enclave.close();
});

test("an import raises floors, a dry run says what it would do, and another network is refused", async () => {
  const rig = new ServiceRig();
  await rig.serve(KEY_A);
  await rig.passFloor();
  const slot = BigInt(rig.slot);
  const floors = [
    { key: KEY_A.publicKey, blockSlot: slot, source: 3n, target: 4n },
    { key: KEY_B.publicKey, blockSlot: slot, source: 3n, target: 4n },
  ];
  const asked = { genesisValidatorsRoot: SCOPE, floors, isDryRun: true, reason: 0 };
  const otherNetwork = { ...asked, genesisValidatorsRoot: new Uint8Array(32) };
  const refused = await rig.enclave.call("state.import", otherNetwork);
  assert.equal(refused.ok ? "ok" : refused.error.code, "INTERCHANGE_NETWORK");
  const commitCount = rig.store.commits.length;
  const dry = await rig.enclave.call("state.import", asked);
  assert(dry.ok && dry.value.length === 1 && dry.value[0]?.blockSlot === slot);
  assert.equal(rig.store.commits.length, commitCount);
  const done = await rig.enclave.call("state.import", { ...asked, isDryRun: false });
  assert(done.ok && done.value[0]?.blockSlot === slot && done.value[0].blockRoot === null);
  assert.equal(await rig.sign(KEY_A, rig.block()), "GUARD_BLOCK_DOUBLE");
  rig.clock.advance(SLOT_MS);
  assert(isSignature(await rig.sign(KEY_A, rig.block())));
  await rig.enclave.close();
});

test("a bundle's keys are known by its id, a bundle is opened once, and a key is in one bundle only", async () => {
  const rig = new ServiceRig();
  await rig.measure();
  const id = await rig.open("first", KEY_A, KEY_B);
  assert(typeof id !== "string");
  const releasedCount = rig.kms.released.length;
  // An answer that was lost is asked for again; KMS is not.
  assert.deepEqual(await rig.open("first", KEY_A, KEY_B), id);
  assert.equal(rig.kms.released.length, releasedCount);
  const other = await rig.open("other", KEY_A);
  assert.equal(other, "KEY_DUPLICATE");
  const listed = await rig.enclave.call("keys.list", { offset: 1 });
  assert(listed.ok && listed.value.totalCount === 2 && listed.value.keys.length === 1);
  await rig.enclave.close();
});

test("a bundle with a key of another scheme than Ethereum's is refused whole, and none of it signs", async () => {
  const rig = new ServiceRig();
  await rig.measure();
  for (const [index, key] of COMETBFT_KEYS.slice(0, 4).entries()) {
    const { scheme } = key;
    const other = { scheme, ...bytesOfKey(key) };
    assert.equal(await rig.open(`alone-${index}`, other), "KEY_SCHEME", scheme);
    assert.equal(await rig.open(`mixed-${index}`, KEY_A, other), "KEY_SCHEME", scheme);
  }
  const listed = await rig.enclave.call("keys.list", { offset: 0 });
  assert(listed.ok && listed.value.totalCount === 0);
  assert(typeof (await rig.open("first", KEY_A)) !== "string");
  await rig.enclave.close();
});
