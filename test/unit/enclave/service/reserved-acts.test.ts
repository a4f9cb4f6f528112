// Acts of the operators on a key whose chain has heights reserved ahead, by whole enclaves: what is
// in memory alone must not get lost, nor outlive an order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chainScope } from "../../../../enclave/core/chains/tendermint/manifest-part.ts";
import { isArray, parseCbor } from "../../../../shared/bytes/cbor.ts";
import { ROUND_MAX } from "../../../../shared/limits.ts";
import { encodeConsensusOrder } from "../../../../shared/override-order.ts";
import { ConsensusRig, chainsOf, VALIDATOR } from "../../../fakes/consensus-rig.ts";
import { lost, MemoryStore } from "../../../fakes/memory-store.ts";
import { Operator } from "../../../fakes/operator.ts";
import { CHAIN, HASH, hexOf, OTHER_HASH, voteRequest } from "../../../fakes/privval-node.ts";

const HOUR_MS = 3_600_000;
const HEIGHTS = 10;
const OPERATOR = new Operator();
const MANIFEST = {
  ...chainsOf([VALIDATOR], { reservation: { heights: HEIGHTS } }),
  override: { threshold: 1, operators: [`0x${hexOf(OPERATOR.publicKey)}`] },
};
const KEYS = [VALIDATOR.publicKey];
const PRECOMMIT = { height: 100n, round: 7, step: 3 };
/** Of what is reserved when height 100 is asked for. */
const END = { height: 109n, round: ROUND_MAX, step: 3 };

async function boot(store = new MemoryStore()): Promise<ConsensusRig> {
  const rig = new ConsensusRig(store, MANIFEST);
  await rig.serve(VALIDATOR);
  return rig;
}

/** Has signed at height 100, and written everything. */
async function holding(): Promise<ConsensusRig> {
  const rig = await boot();
  assert(await signs(rig, 100));
  await quiet();
  assert.deepEqual((await rig.state()).last, PRECOMMIT);
  assert.equal((await rig.state()).reserved, END.height);
  return rig;
}

/** Writes that nobody waits for. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
}

async function ask(rig: ConsensusRig, height: number, hash = HASH): Promise<string> {
  const signed = await rig.askFor(
    "vote",
    voteRequest({ 2: height, 4: { 1: hash, 2: { 1: 1, 2: hash } } }),
  );
  return typeof signed === "string" ? signed : "signed";
}

async function signs(rig: ConsensusRig, height: number): Promise<boolean> {
  return (await ask(rig, height)) === "signed";
}

async function retire(rig: ConsensusRig): Promise<unknown> {
  const retired = await rig.enclave.call("consensus.retire", { keys: KEYS });
  return retired.ok ? retired.value[0]?.state.last : retired.error.code;
}

async function lower(rig: ConsensusRig, height: bigint): Promise<string> {
  const status = await rig.enclave.call("status", {});
  assert(status.ok);
  const order = encodeConsensusOrder({
    scope: chainScope(CHAIN),
    key: VALIDATOR.publicKey,
    seq: (await rig.state()).seq,
    last: { ...PRECOMMIT, height },
    bootId: status.value.bootId,
    expiresMs: rig.clock.unixMs + HOUR_MS,
  });
  const signatures = [OPERATOR.sign(order)];
  const done = await rig.enclave.call("consensus.override", { order, signatures });
  return done.ok ? "ok" : done.error.code;
}

async function raise(rig: ConsensusRig, height: bigint): Promise<string> {
  const floors = [{ key: VALIDATOR.publicKey, last: { ...PRECOMMIT, height } }];
  const asked = { chainId: CHAIN, floors, isDryRun: false, reason: 0 };
  const raised = await rig.enclave.call("consensus.import", asked);
  return raised.ok ? "ok" : raised.error.code;
}

function kindsOf(store: MemoryStore): readonly unknown[] {
  return store.receipts.map((bytes) => {
    const item = parseCbor(bytes);
    assert(item.ok && isArray(item.value));
    return item.value[3];
  });
}

test("whoever holds heights gives them back before the tombstone, which has the exact last place", async () => {
  const rig = await holding();
  assert.deepEqual(await retire(rig), PRECOMMIT);
  assert.equal((await rig.state()).reserved, null);
  assert.deepEqual(kindsOf(rig.store).slice(-2), ["giveback", "retire"]);
  assert.equal(await ask(rig, 101), "KEY_RETIRED");
});

test("what was signed from memory and not yet written is in the history before the tombstone", async () => {
  const rig = await holding();
  const release = rig.store.hold();
  assert(await signs(rig, 101));
  assert(await signs(rig, 102));
  const retired = retire(rig);
  await quiet();
  release();
  assert.deepEqual(await retired, { ...PRECOMMIT, height: 102n });
  const history = rig.store.receipts.map((bytes) => hexOf(bytes)).join(" ");
  assert.match(history, /186507/);
  assert.match(history, /186607/);
  assert.equal(kindsOf(rig.store).at(-1), "retire");
});

test("a tombstone beside another boot's heights states their end, for it may have signed them all", async () => {
  const rig = await holding();
  const next = await boot(rig.store);
  assert.deepEqual(await retire(next), END);
  assert.equal((await next.state()).reserved, null);
  // The other one learns of it with its next write, and has signed nothing above the last word.
  assert(await signs(rig, 101));
  await quiet();
  assert.equal(await ask(rig, 102), "KEY_RETIRED");
});

test("a key is closed when its tombstone can't be written, until it is", async () => {
  const rig = await holding();
  rig.store.script(lost, lost);
  assert.equal(await retire(rig), "STATE_UNKNOWN");
  assert.equal(await ask(rig, 101), "KEY_RETIRED");
  assert.deepEqual(await retire(rig), END);
});

test("an order frees the heights of a boot that is gone", async () => {
  const rig = await holding();
  const next = await boot(rig.store);
  assert.equal(await ask(next, 105), "GUARD_RESERVED");
  assert.equal(await lower(next, 100n), "ok");
  assert.equal((await next.state()).reserved, null);
  assert.equal(await ask(next, 100), "GUARD_STEP_DOUBLE");
  assert(await signs(next, 101));
  await quiet();
  assert.equal((await next.state()).reserved, 110n);
});

test("an order lowers what the holder itself remembers, and its heights are reserved anew", async () => {
  const rig = await holding();
  assert.equal(await lower(rig, 50n), "ok");
  assert.equal((await rig.state()).reserved, null);
  assert.equal(await ask(rig, 50), "GUARD_STEP_DOUBLE");
  assert.equal(await ask(rig, 49), "GUARD_HEIGHT_BELOW");
  assert.equal(await ask(rig, 51, OTHER_HASH), "signed");
  await quiet();
  const { last, reserved } = await rig.state();
  assert.deepEqual([last, reserved], [{ ...PRECOMMIT, height: 51n }, 60n]);
});

test("nothing is signed while an order is written, and as before when it was not", async () => {
  const rig = await holding();
  const release = rig.store.hold();
  const lowered = lower(rig, 50n);
  await quiet();
  assert.equal(await ask(rig, 101), "DRAINING");
  release();
  assert.equal(await lowered, "ok");
  assert(await signs(rig, 101));
});

test("a refused order leaves memory as it is: what was signed is not contradicted", async () => {
  const rig = await holding();
  const other = new ConsensusRig(rig.store, MANIFEST);
  await other.serve(VALIDATOR);
  // Its write is refused, because the other one has written meanwhile.
  const release = rig.store.hold();
  const lowered = lower(rig, 50n);
  await quiet();
  const key = VALIDATOR.publicKey;
  const stored = rig.store.stored(key);
  assert(stored !== null);
  rig.store.script(() => ({ kind: "conflict", stored }));
  release();
  assert.equal(await lowered, "STATE_CONFLICT");
  assert.equal(await ask(rig, 100, OTHER_HASH), "GUARD_STEP_DOUBLE");
  assert(await signs(rig, 101));
});

test("after an order with an unknown outcome nothing is signed from memory, nor ordered again", async () => {
  const rig = await holding();
  rig.store.script(lost);
  assert.equal(await lower(rig, 50n), "STATE_UNKNOWN");
  assert.equal(await ask(rig, 101), "DRAINING");
  assert.equal(await lower(rig, 50n), "STATE_CONFLICT");
  assert.equal(await ask(rig, 101), "DRAINING");
  const next = await boot(rig.store);
  assert.equal(await ask(next, 101), "GUARD_RESERVED");
});

test("no order is taken while something that was signed is not written", async () => {
  const rig = await holding();
  rig.store.script(lost);
  assert(await signs(rig, 101));
  await quiet();
  assert.equal(await lower(rig, 50n), "STATE_CONFLICT");
  assert(await signs(rig, 102));
  await quiet();
  assert.equal(await lower(rig, 50n), "ok");
});

test("an import within what another boot has reserved is refused: its holder would not learn of it", async () => {
  const holder = await holding();
  const other = await boot(holder.store);
  assert.equal(await raise(other, 105n), "GUARD_RESERVED");
  assert.equal(await raise(other, END.height), "GUARD_RESERVED");
  assert.equal(await raise(other, END.height + 1n), "ok");
  // The holder's own heights are its to raise.
  const own = await holding();
  assert.equal(await raise(own, 105n), "ok");
  assert.equal(await ask(own, 105), "GUARD_STEP_DOUBLE");
});
