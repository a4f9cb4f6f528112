// What the signing path of Tendermint does when something fails beside the rule: no trusted time, a
// signature that is wrong, a key that goes while its record is written; and what it tells of what
// it signed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_FLOOR } from "../../../../enclave/core/chains/tendermint/consensus-record.ts";
import { chainScope } from "../../../../enclave/core/chains/tendermint/manifest-part.ts";
import { parseManifest } from "../../../../enclave/core/manifest.ts";
import { KeyMaterial } from "../../../../enclave/keys/key-material.ts";
import { MESSAGE_SIGNATURES } from "../../../../enclave/keys/message-signature.ts";
import { MessageKey } from "../../../../enclave/keys/signing-key.ts";
import { ClaimRecorder } from "../../../../enclave/service/claim-recorder.ts";
import { answerPrivval, type PrivvalParts } from "../../../../enclave/service/privval.ts";
import { createFirstRecords } from "../../../../enclave/service/record-act.ts";
import {
  createTendermintAccounts,
  type TendermintAccounts,
} from "../../../../enclave/service/tendermint-accounts.ts";
import { UnboundSignatures } from "../../../../enclave/service/unbound-signatures.ts";
import { parseCbor } from "../../../../shared/bytes/cbor.ts";
import { ConsensusRig, chainsOf, VALIDATOR } from "../../../fakes/consensus-rig.ts";
import { lost, MemoryStore } from "../../../fakes/memory-store.ts";
import {
  CHAIN,
  HASH,
  hexOf,
  NIL_BLOCK,
  proposalRequest,
  voteRequest,
  wire,
} from "../../../fakes/privval-node.ts";
import { KEY_ARN } from "../../../fakes/sealed-keys.ts";

/** Longer than trusted time may go without a renewal. */
const AGES_MS = 3_600_000;
const PREVOTE = { 1: 1, 9: undefined };

async function tellOf(rig: ConsensusRig, message: Uint8Array) {
  const answer = await rig.enclave.call("privval", { chainId: CHAIN, key: null, message });
  assert(answer.ok);
  const { signed } = answer.value;
  return signed === null ? null : { ...signed, blockHash: hexOf(signed.blockHash) };
}

function receiptsOf(store: MemoryStore): readonly unknown[] {
  return store.receipts.map((bytes) => {
    const item = parseCbor(bytes, { depthMax: 3, itemCountMax: 32 });
    assert(item.ok && Array.isArray(item.value));
    const [, , , kind, heights] = item.value as readonly unknown[]; // oxlint-disable-line typescript/no-unsafe-type-assertion -- an array, checked above
    return [kind, heights];
  });
}

test("the enclave tells what it signed, for logs and metrics", async () => {
  const rig = await ConsensusRig.serve();
  const hash = hexOf(HASH);
  const position = { height: 100n, round: 7 };
  assert.deepEqual(await tellOf(rig, proposalRequest()), {
    position: { ...position, step: 1 },
    blockHash: hash,
    hasExtension: false,
  });
  assert.deepEqual(await tellOf(rig, voteRequest(PREVOTE)), {
    position: { ...position, step: 2 },
    blockHash: hash,
    hasExtension: false,
  });
  assert.deepEqual(await tellOf(rig, voteRequest()), {
    position: { ...position, step: 3 },
    blockHash: hash,
    hasExtension: true,
  });
  assert.deepEqual(await tellOf(rig, voteRequest({ 3: 8, 4: NIL_BLOCK, 9: undefined })), {
    position: { ...position, round: 8, step: 3 },
    blockHash: "",
    hasExtension: false,
  });
  assert.equal(await tellOf(rig, wire({ 7: {} })), null);
});

test("each signature has a receipt that names its kind, height and round", async () => {
  const rig = await ConsensusRig.serve();
  for (const message of [proposalRequest(), voteRequest(PREVOTE), voteRequest()]) {
    assert(typeof (await rig.ask(message)) !== "string");
  }
  const heights = [100n, 7n].map(Number);
  assert.deepEqual(receiptsOf(rig.store), [
    ["init", []],
    ["PROPOSAL", heights],
    ["PREVOTE", heights],
    ["PRECOMMIT", heights],
  ]);
});

test("without trusted time nothing is signed or raised; the public key is told", async () => {
  const rig = await ConsensusRig.serve();
  rig.clock.advance(AGES_MS);
  assert.equal(await rig.ask(voteRequest()), "TIME_STALE");
  assert.equal(await rig.ask(proposalRequest()), "TIME_STALE");
  assert(typeof (await rig.ask(wire({ 1: { 1: CHAIN } }))) !== "string");
  const last = { height: 1n, round: 0, step: 1 };
  const floors = [{ key: VALIDATOR.publicKey, last }];
  const asked = { chainId: CHAIN, floors, isDryRun: false, reason: 0 };
  const raised = await rig.enclave.call("consensus.import", asked);
  assert.equal(raised.ok ? "ok" : raised.error.code, "TIME_STALE");
});

test("what is no message of a node is refused", async () => {
  const rig = await ConsensusRig.serve();
  assert.equal(await rig.ask(Uint8Array.of(0xff)), "REQUEST_MALFORMED");
  assert.equal(await rig.ask(wire({ 11: {} })), "REQUEST_KIND_UNKNOWN");
});

test("a key that goes while its record is written releases nothing", async () => {
  const rig = await ConsensusRig.serve();
  const open = rig.store.hold();
  const asked = rig.ask(voteRequest());
  await pause();
  const dropped = rig.enclave.call("bundle.retain", { bundleIds: [] });
  open();
  assert((await dropped).ok);
  assert.equal(await asked, "KEY_UNKNOWN");
  assert.equal(await rig.ask(wire({ 1: { 1: CHAIN } })), "KEY_UNKNOWN");
});

/**
 * Accounts whose key gives one wrong signature: that with this number, from 0 on. `onSign` is told
 * of each.
 */
async function faultyAccounts(
  bad: number,
  store = new MemoryStore(),
  onSign: () => void = () => {},
): Promise<TendermintAccounts> {
  const manifest = {
    redoubt: 1,
    kms: { keyArn: KEY_ARN },
    state: { kind: "parent" },
    ...chainsOf(),
  };
  const bytes = new TextEncoder().encode(
    JSON.stringify(manifest).replace('"keys"', '"rawBytes":{"kind":"sign-bytes"},"keys"'),
  );
  const parsed = parseManifest(bytes);
  assert(parsed.ok && parsed.value.family === "tendermint");
  const accounts = createTendermintAccounts(parsed.value);
  let count = 0;
  const material = new KeyMaterial(1);
  const key = MessageKey.load({ ...VALIDATOR, scheme: "ed25519" }, material, 0, {
    ...MESSAGE_SIGNATURES.ed25519,
    open: (secret) => {
      const signer = MESSAGE_SIGNATURES.ed25519.open(secret);
      if (signer === null) return null;
      const sign = (message: Uint8Array) => {
        onSign();
        return count++ === bad ? new Uint8Array(64) : signer.sign(message);
      };
      return { publicKey: signer.publicKey, sign };
    },
  });
  assert(key !== undefined);
  assert((await accounts.add({ id: new Uint8Array(16), keys: [key], material }, null)).ok);
  const ledgers = await accounts.readState(store);
  assert(ledgers.ok);
  accounts.openState(ledgers.value, NO_FLOOR, null);
  const parts = { accounts, store, nowMs: () => 1 };
  assert((await createFirstRecords(parts, [VALIDATOR.publicKey])).ok);
  return accounts;
}

const nowMs = () => 1;

function partsOf(accounts: TendermintAccounts): PrivvalParts {
  const recorder = new ClaimRecorder(new Uint8Array(16), nowMs);
  return { accounts, recorder, unboundSignatures: new UnboundSignatures(), nowMs };
}

test("a signature that does not verify never leaves, whichever of an answer's it is", async () => {
  const rows: readonly (readonly [Uint8Array, number])[] = [
    [voteRequest(), 3],
    [voteRequest(PREVOTE), 1],
    [proposalRequest(), 1],
    [wire({ 9: { 1: "anything" } }), 1],
  ];
  for (const [message, count] of rows) {
    for (let bad = 0; bad <= count; bad++) {
      const accounts = await faultyAccounts(bad);
      const parts = partsOf(accounts);
      const answer = await answerPrivval(parts, { chainId: CHAIN, key: null, message });
      assert.equal(answer.ok ? "ok" : answer.error.code, bad < count ? "SIGN_FAULT" : "ok");
      if (bad === count) continue;
      // A fault is not kept.
      const again = await answerPrivval(parts, { chainId: CHAIN, key: null, message });
      assert.equal(again.ok ? "ok" : again.error.code, "ok");
    }
  }
});

const NEVER = -1;

function pause(): Promise<void> {
  return new Promise((settle) => setTimeout(settle, 20));
}

test("signatures are made while the store writes, and none of what is refused", async () => {
  const store = new MemoryStore();
  let signCount = 0;
  const accounts = await faultyAccounts(NEVER, store, () => (signCount += 1));
  const parts = partsOf(accounts);
  const ask = (message: Uint8Array) =>
    Promise.resolve(answerPrivval(parts, { chainId: CHAIN, key: null, message }));
  const open = store.hold();
  const asked = ask(voteRequest());
  await pause();
  assert.equal(signCount, 3);
  open();
  const answer = await asked;
  assert(answer.ok);
  assert.equal(signCount, 3);
  // Another block at the same step: the rule refuses it, so that nothing is signed.
  const other = await ask(voteRequest({ 4: NIL_BLOCK, 9: undefined }));
  assert.equal(other.ok ? "ok" : other.error.code, "GUARD_STEP_DOUBLE");
  // The vote again: two signatures, as that of the empty second extension is known.
  const again = await ask(voteRequest());
  assert.deepEqual(again, answer);
  assert.equal(signCount, 5);
});

test("what the store did not take releases nothing, though it was signed meanwhile", async () => {
  const store = new MemoryStore();
  let signCount = 0;
  const accounts = await faultyAccounts(NEVER, store, () => (signCount += 1));
  const open = store.hold();
  const message = voteRequest();
  const asked = answerPrivval(partsOf(accounts), { chainId: CHAIN, key: null, message });
  await pause();
  assert.equal(signCount, 3);
  store.script(lost);
  open();
  const answer = await asked;
  assert.equal(answer.ok ? "ok" : answer.error.code, "STATE_UNKNOWN");
});

test("nothing is signed for what is refused within its turn, nor before a stale record is read", async () => {
  const store = new MemoryStore();
  let signCount = 0;
  const accounts = await faultyAccounts(NEVER, store, () => (signCount += 1));
  const parts = partsOf(accounts);
  const ask = () =>
    Promise.resolve(
      answerPrivval(parts, { chainId: CHAIN, key: null, message: voteRequest(PREVOTE) }),
    );
  store.script(lost);
  const unknown = await ask();
  assert.equal(unknown.ok ? "ok" : unknown.error.code, "STATE_UNKNOWN");
  await pause();
  assert.equal(signCount, 0);
  // What became of that write has to be read first.
  const open = store.hold();
  const asked = ask();
  await pause();
  assert.equal(signCount, 0);
  open();
  assert((await asked).ok);
  assert.equal(signCount, 1);
});

test("what was recorded for something else releases nothing", async (t) => {
  const accounts = await faultyAccounts(9);
  const [account] = accounts.loaded();
  assert(account !== undefined);
  // As if a later step had become durable between the write's outcome and its answer.
  t.mock.method(account.ledger, "record", () => Promise.resolve({ ok: true, value: null }));
  const ask = { chainId: CHAIN, key: null, message: voteRequest() };
  const answer = await answerPrivval(partsOf(accounts), ask);
  assert.equal(answer.ok ? "ok" : answer.error.code, "STATE_CONFLICT");
});

test("a chain's records are told from another's by 32 bytes of its id", () => {
  assert.equal(chainScope(CHAIN).length, 32);
  assert.notEqual(hexOf(chainScope(CHAIN)), hexOf(chainScope(`${CHAIN}2`)));
});
