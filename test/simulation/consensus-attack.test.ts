// Attacks of a parent on keys of a Tendermint chain whose state is in its store, step by step, and
// against whole enclaves: what one boot withstands, also against a rule in which just that is
// broken which stops it; and what is outside of the promise.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TendermintRecord } from "../../enclave/core/chains/tendermint/consensus-record.ts";
import { tendermintRule } from "../../enclave/core/chains/tendermint/consensus-rule.ts";
import { type Answered, ConsensusRig, VALIDATOR } from "../fakes/consensus-rig.ts";
import { denied, writtenButDenied } from "../fakes/memory-store.ts";
import { NIL_BLOCK, voteRequest } from "../fakes/privval-node.ts";

const key = VALIDATOR.publicKey;
const FOR_BLOCK = voteRequest();
const FOR_NIL = voteRequest({ 4: NIL_BLOCK, 9: undefined });
const NEXT = voteRequest({ 3: 8 });
const TRY_COUNT = 5;
const sound = { ...tendermintRule };

function isSigned(answer: Answered | string): answer is Answered {
  return typeof answer !== "string";
}

/** Makes the enclave write the vote, and give up; answers the record that it wrote. */
async function hide(rig: ConsensusRig, message: Uint8Array) {
  const before = rig.store.stored(key);
  rig.store.script(...Array.from({ length: TRY_COUNT }, () => writtenButDenied(before)));
  assert.equal(await rig.askFor("vote", message), "STATE_CONFLICT");
  const hidden = rig.store.stored(key);
  rig.store.rollBack(key, before);
  return hidden;
}

function withoutRoot({ last }: TendermintRecord): TendermintRecord {
  return { reserved: null, last: last === null ? null : { ...last, root: null } };
}

/** Whether one boot signs a vote for a block and one for nil, when its parent hides the first. */
async function signsBoth(): Promise<boolean> {
  const rig = await ConsensusRig.serve();
  const hidden = await hide(rig, FOR_BLOCK);
  assert(isSigned(await rig.askFor("vote", FOR_NIL)));
  // As often as the ledger tries: what it writes above must not take the vote's place.
  rig.store.script(...Array.from({ length: TRY_COUNT }, () => denied(hidden)));
  await rig.askFor("vote", NEXT);
  return isSigned(await rig.askFor("vote", FOR_BLOCK));
}

test("an attack fails in which a vote that was hidden takes the place of one for nil", async (t) => {
  assert.equal(await signsBoth(), false);
  t.mock.method(
    tendermintRule,
    "isSuccessor",
    (...[earlier, later]: Parameters<typeof sound.isSuccessor>) =>
      sound.isSuccessor(withoutRoot(earlier), withoutRoot(later)),
  );
  assert.equal(await signsBoth(), true, "the attack has no teeth");
});

test("a store that is rolled back under an enclave has nothing signed twice, and is told from an honest one", async () => {
  const rig = await ConsensusRig.serve();
  const before = rig.store.stored(key);
  assert(isSigned(await rig.askFor("vote", FOR_BLOCK)));
  rig.store.rollBack(key, before);
  assert.equal(await rig.askFor("vote", FOR_NIL), "GUARD_STEP_DOUBLE");
  assert.equal(await rig.askFor("vote", NEXT), "STATE_ROLLED_BACK");
  assert.equal(await rig.askFor("vote", FOR_BLOCK), "STATE_ROLLED_BACK");
});

test("OUTSIDE THE PROMISE: a parent that puts an older record back before a boot has one step signed twice", async () => {
  const rig = await ConsensusRig.serve();
  const before = rig.store.stored(key);
  const first = await rig.askFor("vote", FOR_BLOCK);
  rig.store.rollBack(key, before);
  const next = await ConsensusRig.serve(rig.store);
  const second = await next.askFor("vote", FOR_NIL);
  assert(isSigned(first) && isSigned(second));
  assert.notEqual(first.signature, second.signature);
});
