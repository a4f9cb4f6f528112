// Orders that lower the record of a Tendermint chain's key, by the whole enclave.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { chainScope } from "../../../../enclave/core/chains/tendermint/manifest-part.ts";
import { parseCbor } from "../../../../shared/bytes/cbor.ts";
import {
  type ConsensusOrder,
  encodeConsensusOrder,
  encodeEthereumOrder,
} from "../../../../shared/override-order.ts";
import { CONSENSUS_KEYS, ConsensusRig, chainsOf, VALIDATOR } from "../../../fakes/consensus-rig.ts";
import { lost, MemoryStore } from "../../../fakes/memory-store.ts";
import { Operator } from "../../../fakes/operator.ts";
import { CHAIN, hexOf, voteRequest } from "../../../fakes/privval-node.ts";

const HOUR_MS = 3_600_000;
const OPERATORS = [new Operator(), new Operator(), new Operator()];
const OVERRIDE = {
  threshold: 2,
  operators: OPERATORS.map(({ publicKey }) => `0x${hexOf(publicKey)}`),
};
const LOWER = { height: 50n, round: 0, step: 2 };

async function lockedOut(
  store = new MemoryStore(),
  more: Readonly<Record<string, unknown>> = {},
): Promise<{ rig: ConsensusRig; order: ConsensusOrder }> {
  const rig = new ConsensusRig(store, { ...chainsOf([VALIDATOR], more), override: OVERRIDE });
  await rig.serve(VALIDATOR);
  assert(typeof (await rig.askFor("vote", voteRequest())) !== "string");
  return { rig, order: await draft(rig) };
}

async function draft(rig: ConsensusRig): Promise<ConsensusOrder> {
  const status = await rig.enclave.call("status", {});
  assert(status.ok);
  return {
    scope: chainScope(CHAIN),
    key: VALIDATOR.publicKey,
    seq: (await rig.state()).seq,
    last: LOWER,
    bootId: status.value.bootId.slice(),
    expiresMs: rig.clock.unixMs + HOUR_MS,
  };
}

function apply(rig: ConsensusRig, order: ConsensusOrder, operators = OPERATORS.slice(0, 2)) {
  return applyBytes(rig, encodeConsensusOrder(order), operators);
}

async function applyBytes(rig: ConsensusRig, order: Uint8Array, operators = OPERATORS) {
  const signatures = operators.map((operator) => operator.sign(order));
  const done = await rig.enclave.call("consensus.override", { order, signatures });
  return done.ok ? "ok" : done.error.code;
}

test("an order of enough operators lowers one key's record, once, and is told in the status", async () => {
  const { rig, order } = await lockedOut();
  assert.equal(await rig.askFor("vote", voteRequest({ 2: 99 })), "GUARD_HEIGHT_BELOW");
  assert.equal(await apply(rig, order), "ok");
  const { last, root, seq } = await rig.state();
  assert.deepEqual([last, root, seq], [LOWER, null, order.seq + 1]);
  const status = await rig.enclave.call("status", {});
  assert(status.ok && status.value.overrideCount === 1);
  // What the order says was signed is not signed again; what is above it is.
  const there = { 2: 50, 3: 0 };
  const prevote = voteRequest({ ...there, 1: 1, 9: undefined });
  assert.equal(await rig.askFor("vote", prevote), "GUARD_STEP_DOUBLE");
  assert.equal(await rig.askFor("vote", voteRequest({ 2: 49 })), "GUARD_HEIGHT_BELOW");
  assert(typeof (await rig.askFor("vote", voteRequest(there))) !== "string");
  assert.equal(await apply(rig, order), "OVERRIDE_STATE");
});

test("the receipt of an order states the place that it names, and its digest", async () => {
  const { rig, order } = await lockedOut();
  assert.equal(await apply(rig, order), "ok");
  const receipt = parseCbor(rig.store.receipts.at(-1) ?? new Uint8Array(0));
  assert(receipt.ok && Array.isArray(receipt.value));
  const [version, seq, , kind, heights, root] = receipt.value as readonly unknown[]; // oxlint-disable-line typescript/no-unsafe-type-assertion -- an array, checked above
  assert.deepEqual([version, seq, kind, heights], [1, order.seq + 1, "override", [50, 0, 2]]);
  const digest = createHash("sha256").update(encodeConsensusOrder(order)).digest();
  assert(root instanceof Uint8Array);
  assert.equal(hexOf(root), hexOf(digest));
});

test("an order is refused for each thing that is wrong with it, and changes nothing", async () => {
  const { rig, order } = await lockedOut(new MemoryStore(), { maxHeight: "1000" });
  const [one, two] = OPERATORS;
  assert(one !== undefined && two !== undefined);
  const both = [one, two];
  const stored = rig.store.stored(VALIDATOR.publicKey);
  const now = rig.clock.unixMs;
  const other = CONSENSUS_KEYS.find(({ scheme }) => scheme !== "ed25519");
  const rows: readonly (readonly [Partial<ConsensusOrder>, Operator[], string])[] = [
    [{}, [], "OVERRIDE_UNSIGNED"],
    [{}, [one], "OVERRIDE_UNSIGNED"],
    [{}, [one, one], "OVERRIDE_UNSIGNED"],
    [{}, [one, new Operator()], "OVERRIDE_UNSIGNED"],
    [{ expiresMs: now }, both, "OVERRIDE_EXPIRED"],
    [{ expiresMs: now + 24 * HOUR_MS + 1 }, both, "OVERRIDE_EXPIRED"],
    [{ scope: chainScope("other-1") }, both, "INTERCHANGE_NETWORK"],
    [{ bootId: order.bootId.with(0, (order.bootId[0] ?? 0) ^ 1) }, both, "OVERRIDE_BOOT"],
    [{ key: other?.publicKey ?? new Uint8Array(33) }, both, "KEY_UNKNOWN"],
    [{ seq: order.seq - 1 }, both, "OVERRIDE_STATE"],
    [{ seq: order.seq + 1 }, both, "OVERRIDE_STATE"],
    [{ last: { ...LOWER, height: 0n } }, both, "OVERRIDE_MALFORMED"],
    [{ last: { ...LOWER, step: 0 } }, both, "OVERRIDE_MALFORMED"],
    [{ last: { ...LOWER, height: 1001n } }, both, "MAX_HEIGHT"],
  ];
  for (const [change, operators, code] of rows) {
    assert.equal(await apply(rig, { ...order, ...change }, operators), code);
  }
  assert.deepEqual(rig.store.stored(VALIDATOR.publicKey), stored);
  assert.equal(await apply(rig, { ...order, last: { ...LOWER, height: 1000n } }, both), "ok");
});

test("an order of the other family is none here, whoever signed it", async () => {
  const { rig, order } = await lockedOut();
  const { scope, key, seq, bootId, expiresMs } = order;
  const heights = { blockSlot: 50n, source: 1n, target: 2n };
  const foreign = encodeEthereumOrder({ scope, key, seq, ...heights, bootId, expiresMs });
  assert.equal(await applyBytes(rig, foreign), "OVERRIDE_MALFORMED");
  const bytes = encodeConsensusOrder(order);
  const signatures = OPERATORS.map((operator) => operator.sign(bytes));
  const done = await rig.enclave.call("state.override", { order: bytes, signatures });
  assert.equal(done.ok ? "ok" : done.error.code, "CHAIN_OTHER");
});

test("no record is lowered without operators in the manifest, without trusted time, or under a tombstone", async () => {
  const { rig, order } = await lockedOut();
  rig.clock.advance(HOUR_MS);
  assert.equal(await apply(rig, { ...order, expiresMs: rig.clock.unixMs + 1 }), "TIME_STALE");
  assert((await rig.enclave.time.renew()).ok);
  const later = { ...order, expiresMs: rig.clock.unixMs + HOUR_MS };
  assert((await rig.enclave.call("consensus.retire", { keys: [VALIDATOR.publicKey] })).ok);
  assert.equal(await apply(rig, { ...later, seq: later.seq + 1 }), "KEY_RETIRED");
  const without = await ConsensusRig.serve();
  assert.equal(await apply(without, await draft(without)), "OVERRIDE_DISABLED");
});

test("an order is applied by no later boot, although the store shows the record that it names", async () => {
  const { rig, order } = await lockedOut();
  const named = rig.store.stored(VALIDATOR.publicKey);
  assert.equal(await apply(rig, order), "ok");
  rig.store.rollBack(VALIDATOR.publicKey, named);
  const next = new ConsensusRig(rig.store, { ...chainsOf(), override: OVERRIDE });
  await next.serve(VALIDATOR);
  assert.equal(await apply(next, order), "OVERRIDE_BOOT");
  assert.deepEqual(next.store.stored(VALIDATOR.publicKey), named);
  // Nor by this boot once more: it remembers what it wrote.
  assert.notEqual(await apply(rig, order), "ok");
});

test("another enclave takes a lowered record for a rollback until it boots again", async () => {
  const { rig, order } = await lockedOut();
  const other = await ConsensusRig.serve(rig.store);
  assert.equal(await apply(rig, order), "ok");
  assert.equal(await other.askFor("vote", voteRequest({ 2: 101 })), "STATE_ROLLED_BACK");
  const next = await ConsensusRig.serve(rig.store);
  assert(typeof (await next.askFor("vote", voteRequest({ 2: 60 }))) !== "string");
});

test("an order whose write may be lost leaves what was known to be signed", async () => {
  const { rig, order } = await lockedOut();
  rig.store.script(lost);
  assert.equal(await apply(rig, order), "STATE_UNKNOWN");
  const status = await rig.enclave.call("status", {});
  assert(status.ok && status.value.overrideCount === 0);
  assert.equal(await rig.askFor("vote", voteRequest({ 2: 60 })), "GUARD_HEIGHT_BELOW");
});
