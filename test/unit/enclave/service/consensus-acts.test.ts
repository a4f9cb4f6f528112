import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal } from "../../../../shared/errors.ts";
import { err } from "../../../../shared/result.ts";
import { ConsensusRig, chainsOf, VALIDATOR } from "../../../fakes/consensus-rig.ts";
import { lost, MemoryStore } from "../../../fakes/memory-store.ts";
import { CHAIN, voteRequest } from "../../../fakes/privval-node.ts";
import { KEY_A } from "../../../fakes/service-rig.ts";

const PRECOMMIT = { height: 100n, round: 7, step: 3 };

function floorsOf(last: typeof PRECOMMIT, key = VALIDATOR.publicKey) {
  return { chainId: CHAIN, floors: [{ key, last }], isDryRun: false, reason: 0 };
}

async function raise(rig: ConsensusRig, change: Partial<ReturnType<typeof floorsOf>>) {
  const asked = { ...floorsOf(PRECOMMIT), ...change };
  const answer = await rig.enclave.call("consensus.import", asked);
  return answer.ok ? answer.value.map(({ last }) => last) : answer.error.code;
}

test("an import says where signing went on: what is there is neither repeated nor passed below", async () => {
  const rig = await ConsensusRig.serve();
  assert.deepEqual(await raise(rig, {}), [PRECOMMIT]);
  assert.equal(await rig.askFor("vote", voteRequest()), "GUARD_STEP_DOUBLE");
  assert.equal(await rig.askFor("vote", voteRequest({ 3: 6 })), "GUARD_ROUND_BELOW");
  assert(typeof (await rig.askFor("vote", voteRequest({ 3: 8 }))) !== "string");
  const { last, root, hasRecord } = await rig.state();
  assert.deepEqual([last, hasRecord], [{ ...PRECOMMIT, round: 8 }, true]);
  assert.notEqual(root, null);
});

test("an import only raises, and a dry run changes nothing", async () => {
  const rig = await ConsensusRig.serve();
  assert(typeof (await rig.askFor("vote", voteRequest())) !== "string");
  const before = await rig.state();
  assert.deepEqual(await raise(rig, floorsOf({ height: 99n, round: 9, step: 3 })), [PRECOMMIT]);
  assert.deepEqual(await raise(rig, floorsOf(PRECOMMIT)), [PRECOMMIT]);
  const higher = { height: 200n, round: 0, step: 1 };
  const dry = { ...floorsOf(higher), isDryRun: true };
  assert.deepEqual(await raise(rig, dry), [higher]);
  assert.deepEqual(await rig.state(), before);
});

test("an import of what no node can have signed is refused whole", async () => {
  const rig = await ConsensusRig.serve();
  const rows: readonly (readonly [Partial<ReturnType<typeof floorsOf>>, string])[] = [
    [floorsOf({ ...PRECOMMIT, height: 0n }), "PARAMS_MALFORMED"],
    [floorsOf({ ...PRECOMMIT, height: 2n ** 63n }), "PARAMS_MALFORMED"],
    [floorsOf({ ...PRECOMMIT, step: 0 }), "PARAMS_MALFORMED"],
    [{ chainId: "other-1" }, "INTERCHANGE_NETWORK"],
    [{ reason: 2 }, "PARAMS_MALFORMED"],
  ];
  for (const [change, code] of rows) assert.equal(await raise(rig, change), code);
  assert.equal((await rig.state()).last, null);
  const last = { ...PRECOMMIT, height: 2n ** 63n - 1n };
  assert.deepEqual(await raise(rig, { ...floorsOf(last), isDryRun: true }), [last]);
  assert.deepEqual(await raise(rig, floorsOf(PRECOMMIT, KEY_A.publicKey)), []);
});

test("a dry run of a key that signed says what it would be, and an import of one that never did makes its record", async () => {
  const rig = await ConsensusRig.serve();
  assert(typeof (await rig.askFor("vote", voteRequest())) !== "string");
  const lower = { height: 1n, round: 0, step: 1 };
  assert.deepEqual(await raise(rig, { ...floorsOf(lower), isDryRun: true }), [PRECOMMIT]);
  const fresh = new ConsensusRig();
  await fresh.measure();
  await fresh.open("first", VALIDATOR);
  assert((await fresh.enclave.call("state.open", { handover: null })).ok);
  assert.deepEqual(await raise(fresh, { ...floorsOf(lower), isDryRun: true }), [lower]);
  assert.equal((await fresh.state()).hasRecord, false);
  assert.deepEqual(await raise(fresh, floorsOf(lower)), [lower]);
  assert.equal((await fresh.state()).hasRecord, true);
});

test("an import that the store does not take, or of a round beyond int32, is refused", async () => {
  const rig = await ConsensusRig.serve();
  rig.store.script(lost);
  assert.equal(await raise(rig, {}), "STATE_UNKNOWN");
  assert.deepEqual(await raise(rig, {}), [PRECOMMIT]);
  rig.store.verify = () => Promise.resolve(err(refusal("STORE_IDENTITY")));
  assert.equal(await raise(rig, {}), "STORE_IDENTITY");
});

test("an import above the manifest's last height is refused, at it taken", async () => {
  const rig = await ConsensusRig.serve(new MemoryStore(), { maxHeight: "100" });
  assert.equal(await raise(rig, floorsOf({ ...PRECOMMIT, height: 101n })), "MAX_HEIGHT");
  assert.deepEqual(await raise(rig, floorsOf(PRECOMMIT)), [PRECOMMIT]);
});

test("a manifest of Tendermint chains has no part that would do nothing", async () => {
  const parts = {
    groups: [{ name: "a", keys: "others" }],
    predecessors: [],
  };
  for (const [name, part] of Object.entries(parts)) {
    const rig = new ConsensusRig(new MemoryStore(), { ...chainsOf(), [name]: part });
    assert.equal(await rig.measure(), "MANIFEST_MALFORMED", name);
  }
  const override = { threshold: 1, operators: [`0x${"11".repeat(32)}`] };
  const rig = new ConsensusRig(new MemoryStore(), { ...chainsOf(), override });
  assert.equal(await rig.measure(), "ok");
});
