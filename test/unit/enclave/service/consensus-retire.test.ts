// The tombstone of a Tendermint chain's key, by the whole enclave: what it binds, and what it
// proves.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chainScope } from "../../../../enclave/core/chains/tendermint/manifest-part.ts";
import { parseDocument } from "../../../../shared/attestation/document.ts";
import {
  parseConsensusRetirement,
  parseEthereumRetirement,
} from "../../../../shared/attestation/retirement.ts";
import { ConsensusRig, chainsOf, VALIDATOR } from "../../../fakes/consensus-rig.ts";
import { lost, MemoryStore } from "../../../fakes/memory-store.ts";
import { CHAIN, voteRequest } from "../../../fakes/privval-node.ts";
import { KEY_A } from "../../../fakes/service-rig.ts";

const PRECOMMIT = { height: 100n, round: 7, step: 3 };
const KEYS = [VALIDATOR.publicKey];

async function retire(rig: ConsensusRig, keys: readonly Uint8Array[] = KEYS): Promise<string> {
  const retired = await rig.enclave.call("consensus.retire", { keys });
  return retired.ok ? "ok" : retired.error.code;
}

/** What the enclave's document states. */
async function prove(rig: ConsensusRig) {
  const retired = await rig.enclave.call("consensus.retire", { keys: KEYS });
  assert(retired.ok && retired.value[0] !== undefined);
  const document = parseDocument(retired.value[0].document);
  assert(document.ok && document.value.userData !== null);
  assert.equal(parseEthereumRetirement(document.value.userData).ok, false);
  const stated = parseConsensusRetirement(document.value.userData);
  assert(stated.ok);
  return { state: retired.value[0].state, stated: stated.value };
}

test("a retired key signs nothing, not even the same again, and its document states the last place", async () => {
  const rig = await ConsensusRig.serve();
  assert(typeof (await rig.askFor("vote", voteRequest())) !== "string");
  const { state, stated } = await prove(rig);
  assert.deepEqual([state.isRetired, state.last, state.seq], [true, PRECOMMIT, 3]);
  const status = await rig.enclave.call("status", {});
  assert(status.ok);
  assert.deepEqual(
    { ...stated, scope: stated.scope.slice(), publicKey: stated.publicKey.slice() },
    {
      scope: chainScope(CHAIN),
      publicKey: VALIDATOR.publicKey,
      seq: state.seq,
      head: state.head,
      last: PRECOMMIT,
      bootId: status.value.bootId,
    },
  );
  assert.equal(await rig.askFor("vote", voteRequest()), "KEY_RETIRED");
  assert.equal(await rig.askFor("vote", voteRequest({ 2: 101 })), "KEY_RETIRED");
  // Proved again: the same tombstone.
  assert.deepEqual((await prove(rig)).stated, stated);
  assert.deepEqual(await rig.state(), state);
});

test("a key that has signed nothing is proved to, one without a record is not retired", async () => {
  const inited = await ConsensusRig.serve();
  assert.equal((await prove(inited)).stated.last, null);
  const rig = new ConsensusRig();
  await rig.measure();
  await rig.open("first", VALIDATOR);
  assert((await rig.enclave.call("state.open", { handover: null })).ok);
  assert.equal(await retire(rig), "STATE_MISSING");
  assert.equal(rig.store.stored(VALIDATOR.publicKey), null);
  assert((await rig.enclave.call("state.init", { keys: KEYS })).ok);
  assert.equal(await retire(rig), "ok");
});

test("no import raises a tombstone, and it holds in the next boot", async () => {
  const rig = await ConsensusRig.serve();
  assert.equal(await retire(rig), "ok");
  const tombstone = rig.store.stored(VALIDATOR.publicKey);
  const floors = [{ key: VALIDATOR.publicKey, last: PRECOMMIT }];
  const asked = { chainId: CHAIN, floors, isDryRun: false, reason: 0 };
  const raised = await rig.enclave.call("consensus.import", asked);
  assert.equal(raised.ok ? "ok" : raised.error.code, "KEY_RETIRED");
  assert.deepEqual(rig.store.stored(VALIDATOR.publicKey), tombstone);
  const next = await ConsensusRig.serve(rig.store);
  assert.equal(await next.askFor("vote", voteRequest()), "KEY_RETIRED");
  assert.deepEqual((await prove(next)).stated.seq, tombstone?.seq);
});

test("no document is made for a tombstone that may be lost", async () => {
  const rig = await ConsensusRig.serve();
  rig.store.script(lost);
  assert.equal(await retire(rig), "STATE_UNKNOWN");
  assert.equal(await rig.askFor("vote", voteRequest()), "KEY_RETIRED");
  assert.equal(await retire(rig), "ok");
});

test("a vote that is under way when its key is retired is told of in the proof, or not released", async () => {
  const rig = await ConsensusRig.serve();
  const release = rig.store.hold();
  const asked = rig.askFor("vote", voteRequest());
  const proved = prove(rig);
  await new Promise(setImmediate);
  release();
  assert(typeof (await asked) !== "string");
  assert.deepEqual((await proved).stated.last, PRECOMMIT);
});

test("only keys that are loaded are retired, and each family has its own act", async () => {
  const rig = await ConsensusRig.serve();
  assert.equal(await retire(rig, [...KEYS, KEY_A.publicKey]), "KEY_UNKNOWN");
  const foreign = await rig.enclave.call("state.retire", { keys: KEYS });
  assert.equal(foreign.ok ? "ok" : foreign.error.code, "CHAIN_OTHER");
  assert(typeof (await rig.askFor("vote", voteRequest())) !== "string");
});

test("a key that the manifest lists as retired signs nothing, whatever its record says", async () => {
  const retired = [`0x${Buffer.from(VALIDATOR.publicKey).toString("hex")}`];
  const rig = new ConsensusRig(new MemoryStore(), { ...chainsOf(), retired });
  await rig.serve(VALIDATOR);
  assert.equal(await rig.askFor("vote", voteRequest()), "KEY_RETIRED");
});
