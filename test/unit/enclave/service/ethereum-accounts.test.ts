// What an operator sees of a key: before its first record, without and with roots.

import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_FLOOR } from "../../../../enclave/core/chains/ethereum/slashing-rule.ts";
import { stateOf } from "../../../../enclave/service/ethereum-accounts.ts";
import { ActsRig } from "../../../fakes/acts-rig.ts";
import { rootOf } from "../../../fakes/ledger-rig.ts";
import { KEY_A } from "../../../fakes/service-rig.ts";

const NOTHING = {
  key: KEY_A.publicKey,
  hasRecord: false,
  isRetired: false,
  seq: 0,
  head: new Uint8Array(32),
  blockSlot: null,
  blockRoot: null,
  source: null,
  target: null,
  attestationRoot: null,
  floor: NO_FLOOR,
};

test("a key without a record has version 0, an empty chain of receipts and no heights", async () => {
  const rig = await ActsRig.open();
  assert.deepEqual(stateOf(rig.account()), NOTHING);
});

test("a key that has signed nothing has a record, of version 1", async () => {
  const rig = await ActsRig.open({ isInited: true });
  const { head, ...state } = stateOf(rig.account());
  const { head: _, ...expected } = { ...NOTHING, hasRecord: true, seq: 1 };
  assert.deepEqual(state, expected);
  assert.notDeepEqual(head, NOTHING.head);
});

test("heights and roots are those of the durable record, or of the one that is given", async () => {
  const rig = await ActsRig.open({ isInited: true });
  const [a, b] = [new Uint8Array(rootOf("a")), new Uint8Array(rootOf("b"))];
  const record = { block: { slot: 7n, root: a }, vote: { source: 1n, target: 2n, root: b } };
  const { head: _, ...given } = stateOf(rig.account(), record);
  const heights = { blockSlot: 7n, source: 1n, target: 2n };
  const { head: __, ...expected } = {
    ...NOTHING,
    ...heights,
    hasRecord: true,
    seq: 1,
    blockRoot: a,
    attestationRoot: b,
  };
  assert.deepEqual(given, expected);
  const unknown = {
    block: { slot: 7n, root: null },
    vote: { source: 1n, target: 2n, root: null },
  };
  const { blockRoot, attestationRoot } = stateOf(rig.account(), unknown);
  assert.deepEqual([blockRoot, attestationRoot], [null, null]);
});
