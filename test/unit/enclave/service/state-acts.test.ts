import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDocument } from "../../../../shared/attestation/document.ts";
import { parseEthereumRetirement } from "../../../../shared/attestation/retirement.ts";
import { encodePrefixedHex } from "../../../../shared/bytes/hex.ts";
import { type EthereumOrder, encodeEthereumOrder } from "../../../../shared/override-order.ts";
import { BOOT_ID } from "../../../fakes/acts-rig.ts";
import { lost, MemoryStore } from "../../../fakes/memory-store.ts";
import { Operator } from "../../../fakes/operator.ts";
import { isSignature, KEY_A, KEY_B, SCOPE, ServiceRig } from "../../../fakes/service-rig.ts";
import { SLOT_MS, voteRequest } from "../../../simulation/validator.ts";

const HOUR_MS = 3_600_000;

const OPERATORS = [new Operator(), new Operator(), new Operator()];
const OVERRIDE = {
  threshold: 2,
  operators: OPERATORS.map(({ publicKey }) => encodePrefixedHex(publicKey)),
};

async function servingRig(manifest: Readonly<Record<string, unknown>> = {}): Promise<ServiceRig> {
  const rig = new ServiceRig(new MemoryStore(), { manifest });
  await rig.serve(KEY_A);
  await rig.passFloor();
  return rig;
}

async function retire(rig: ServiceRig): Promise<string> {
  const retired = await rig.enclave.call("state.retire", { keys: [KEY_A.publicKey] });
  return retired.ok ? "ok" : retired.error.code;
}

test("a retired key signs nothing any more, and its document states the last record", async () => {
  const rig = await servingRig();
  assert(isSignature(await rig.sign(KEY_A, rig.block())));
  const retired = await rig.enclave.call("state.retire", { keys: [KEY_A.publicKey] });
  assert(retired.ok);
  const [first] = retired.value;
  assert(first !== undefined && first.state.isRetired);
  const document = parseDocument(first.document);
  assert(document.ok && document.value.userData !== null);
  const stated = parseEthereumRetirement(document.value.userData);
  assert(stated.ok);
  assert.deepEqual(new Uint8Array(stated.value.publicKey), new Uint8Array(KEY_A.publicKey));
  assert.equal(stated.value.blockSlot, BigInt(rig.slot));
  // What may lie below the boot floor is in it, although no vote was ever seen.
  assert(stated.value.target !== null && stated.value.source !== null);
  assert.equal(stated.value.seq, first.state.seq);
  assert.deepEqual(stated.value.head, first.state.head.slice());
  assert.equal(await rig.sign(KEY_A, rig.block()), "KEY_RETIRED");
  rig.clock.advance(SLOT_MS);
  assert.equal(await rig.sign(KEY_A, rig.block()), "KEY_RETIRED");
  await rig.enclave.close();
});

test("retiring a key again proves the same tombstone again, and nothing else changes it", async () => {
  const rig = await servingRig();
  assert.equal(await retire(rig), "ok");
  const stored = rig.store.stored(KEY_A.publicKey);
  assert.equal(await retire(rig), "ok");
  const floors = [
    { key: KEY_A.publicKey, blockSlot: BigInt(rig.slot), source: null, target: null },
  ];
  const asked = { genesisValidatorsRoot: SCOPE, floors, isDryRun: false, reason: 1 };
  const raised = await rig.enclave.call("state.import", asked);
  assert.equal(raised.ok ? "ok" : raised.error.code, "KEY_RETIRED");
  assert.deepEqual(rig.store.stored(KEY_A.publicKey), stored);
  await rig.enclave.close();
});

test("no document is made for a tombstone that may be lost", async () => {
  const rig = await servingRig();
  rig.store.script(lost);
  assert.equal(await retire(rig), "STATE_UNKNOWN");
  assert.equal(await rig.sign(KEY_A, rig.block()), "KEY_RETIRED");
  assert.equal(await retire(rig), "ok");
  await rig.enclave.close();
});

test("only keys that are loaded are retired, and then all of them or none", async () => {
  const rig = await servingRig();
  const keys = [KEY_A.publicKey, KEY_B.publicKey];
  const retired = await rig.enclave.call("state.retire", { keys });
  assert.equal(retired.ok ? "ok" : retired.error.code, "KEY_UNKNOWN");
  assert(isSignature(await rig.sign(KEY_A, rig.block())));
  await rig.enclave.close();
});

test("a tombstone holds in the next boot, and against a store that gives an older record under way", async () => {
  const rig = await servingRig();
  const before = rig.store.stored(KEY_A.publicKey);
  assert.equal(await retire(rig), "ok");
  const tombstone = rig.store.stored(KEY_A.publicKey);
  const next = new ServiceRig(rig.store, { clock: rig.clock });
  await next.serve(KEY_A);
  await next.passFloor();
  assert.equal(await next.sign(KEY_A, next.block()), "KEY_RETIRED");
  // Another enclave, which had the key before: its write meets the tombstone.
  rig.store.rollBack(KEY_A.publicKey, before);
  const other = new ServiceRig(rig.store, { clock: rig.clock });
  await other.serve(KEY_A);
  await other.passFloor();
  rig.store.rollBack(KEY_A.publicKey, tombstone);
  assert.equal(await other.sign(KEY_A, other.block()), "KEY_RETIRED");
  for (const each of [rig, next, other]) await each.enclave.close();
});

test("a key that two enclaves retire is proved by both with the same last record", async () => {
  const rig = await servingRig();
  const other = new ServiceRig(rig.store, { clock: rig.clock });
  await other.serve(KEY_A);
  await other.passFloor();
  // What the other one was about to record was lost, and never left it.
  rig.store.script(lost);
  assert.equal(await other.sign(KEY_A, other.block()), "STATE_UNKNOWN");
  const proofs = [];
  for (const each of [rig, other]) {
    const retired = await each.enclave.call("state.retire", { keys: [KEY_A.publicKey] });
    assert(retired.ok);
    const document = parseDocument(retired.value[0]?.document ?? new Uint8Array(0));
    assert(document.ok && document.value.userData !== null);
    const stated = parseEthereumRetirement(document.value.userData);
    assert(stated.ok);
    const { bootId: _, head, ...last } = stated.value;
    proofs.push({ ...last, head: encodePrefixedHex(head) });
  }
  assert.deepEqual(proofs[0], proofs[1]);
  for (const each of [rig, other]) await each.enclave.close();
});

test("a key that the manifest lists as retired signs nothing, whatever record the store gives", async () => {
  const rig = await servingRig();
  const manifest = { retired: [encodePrefixedHex(KEY_A.publicKey)] };
  const next = new ServiceRig(rig.store, { clock: rig.clock, manifest });
  await next.serve(KEY_A, KEY_B);
  await next.passFloor();
  assert.equal(await next.sign(KEY_A, next.block()), "KEY_RETIRED");
  assert(isSignature(await next.sign(KEY_B, next.block())));
  for (const each of [rig, next]) await each.enclave.close();
});

async function signedRig(): Promise<{ rig: ServiceRig; order: EthereumOrder }> {
  const rig = await servingRig({ override: OVERRIDE });
  assert(isSignature(await rig.sign(KEY_A, voteRequest(11n, 12n, 0))));
  const shown = await rig.enclave.call("state.show", { keys: [KEY_A.publicKey] });
  assert(shown.ok && shown.value[0] !== undefined);
  const status = await rig.enclave.call("status", {});
  assert(status.ok);
  const order = {
    scope: SCOPE,
    key: KEY_A.publicKey,
    seq: shown.value[0].seq,
    blockSlot: null,
    source: 3n,
    target: 11n,
    bootId: status.value.bootId.slice(),
    expiresMs: rig.clock.unixMs + HOUR_MS,
  };
  return { rig, order };
}

async function apply(
  rig: ServiceRig,
  order: EthereumOrder,
  operators: readonly Operator[] = OPERATORS.slice(0, 2),
): Promise<string> {
  const bytes = encodeEthereumOrder(order);
  const signatures = operators.map((operator) => operator.sign(bytes));
  const done = await rig.enclave.call("state.override", { order: bytes, signatures });
  return done.ok ? "ok" : done.error.code;
}

test("an order of enough operators lowers one key's floor, once, and is told in the status", async () => {
  const { rig, order } = await signedRig();
  assert.equal(await rig.sign(KEY_A, voteRequest(3n, 12n, 0)), "GUARD_VOTE_SOURCE_BELOW");
  assert.equal(await apply(rig, order), "ok");
  const status = await rig.enclave.call("status", {});
  assert(status.ok && status.value.overrideCount === 1);
  assert(isSignature(await rig.sign(KEY_A, voteRequest(3n, 12n, 1))));
  assert.equal(await apply(rig, order), "OVERRIDE_STATE");
  assert.equal(await rig.sign(KEY_A, voteRequest(3n, 12n, 2)), "GUARD_VOTE_DOUBLE");
  await rig.enclave.close();
});

test("an order is applied by no later boot, although the store shows the record that it names", async () => {
  const { rig, order } = await signedRig();
  const named = rig.store.stored(KEY_A.publicKey);
  assert.equal(await apply(rig, order), "ok");
  assert(isSignature(await rig.sign(KEY_A, voteRequest(3n, 12n, 1))));
  await rig.enclave.close();
  rig.store.rollBack(KEY_A.publicKey, named);
  const next = new ServiceRig(rig.store, { clock: rig.clock, manifest: { override: OVERRIDE } });
  await next.serve(KEY_A);
  assert.equal(await apply(next, order), "OVERRIDE_BOOT");
  assert.deepEqual(next.store.stored(KEY_A.publicKey), named);
  await next.passFloor();
  assert.equal(await next.sign(KEY_A, voteRequest(3n, 12n, 2)), "GUARD_VOTE_SOURCE_BELOW");
  await next.enclave.close();
});

test("another enclave takes a lowered record for a rollback until it boots again", async () => {
  const { rig, order } = await signedRig();
  const other = new ServiceRig(rig.store, { clock: rig.clock, manifest: { override: OVERRIDE } });
  await other.serve(KEY_A);
  await other.passFloor();
  const expiresMs = rig.clock.unixMs + HOUR_MS;
  assert.equal(await apply(rig, { ...order, expiresMs }), "ok");
  assert.equal(await other.sign(KEY_A, other.block()), "STATE_ROLLED_BACK");
  for (const each of [rig, other]) await each.enclave.close();
});

test("an order is refused for each thing that is wrong with it, and changes nothing", async () => {
  const { rig, order } = await signedRig();
  const [one, two] = OPERATORS;
  assert(one !== undefined && two !== undefined);
  const stored = rig.store.stored(KEY_A.publicKey);
  const now = rig.clock.unixMs;
  const rows: readonly (readonly [Partial<EthereumOrder>, readonly Operator[], string])[] = [
    [{}, [], "OVERRIDE_UNSIGNED"],
    [{}, [one], "OVERRIDE_UNSIGNED"],
    [{}, [one, one], "OVERRIDE_UNSIGNED"],
    [{}, [one, new Operator()], "OVERRIDE_UNSIGNED"],
    [{ expiresMs: now }, [one, two], "OVERRIDE_EXPIRED"],
    [{ expiresMs: now + 24 * HOUR_MS + 1 }, [one, two], "OVERRIDE_EXPIRED"],
    [{ scope: new Uint8Array(32) }, [one, two], "INTERCHANGE_NETWORK"],
    [{ bootId: BOOT_ID }, [one, two], "OVERRIDE_BOOT"],
    [{ key: KEY_B.publicKey }, [one, two], "KEY_UNKNOWN"],
    [{ seq: order.seq - 1 }, [one, two], "OVERRIDE_STATE"],
    [{ seq: order.seq + 1 }, [one, two], "OVERRIDE_STATE"],
    [{ target: null }, [one, two], "OVERRIDE_MALFORMED"],
    [{ target: 1000n }, [one, two], "FUTURE"],
  ];
  for (const [change, operators, code] of rows) {
    assert.equal(await apply(rig, { ...order, ...change }, operators), code);
  }
  assert.deepEqual(rig.store.stored(KEY_A.publicKey), stored);
  await rig.enclave.close();
});

test("no floor is lowered under a manifest that names no operators", async () => {
  const rig = await servingRig();
  const order = encodeEthereumOrder({
    scope: SCOPE,
    key: KEY_A.publicKey,
    seq: 1,
    blockSlot: null,
    source: null,
    target: null,
    bootId: BOOT_ID,
    expiresMs: rig.clock.unixMs + HOUR_MS,
  });
  const signatures = OPERATORS.map((operator) => operator.sign(order));
  const done = await rig.enclave.call("state.override", { order, signatures });
  assert.equal(done.ok ? "ok" : done.error.code, "OVERRIDE_DISABLED");
  await rig.enclave.close();
});
