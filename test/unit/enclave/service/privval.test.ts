// What a node gets from the whole enclave; the rule and the bytes by themselves are in
// test/unit/enclave/core/chains/tendermint. Signatures are those of tendermint.md §4.2.

import assert from "node:assert/strict";
import { test } from "node:test";
import { COMETBFT_KEYS } from "../../../fakes/cometbft-keys.ts";
import {
  type Answered,
  CONSENSUS_KEYS,
  ConsensusRig,
  chainsOf,
  VALIDATOR,
} from "../../../fakes/consensus-rig.ts";
import { lost, MemoryStore, writtenButUnknown } from "../../../fakes/memory-store.ts";
import {
  CHAIN,
  fromHex,
  hexOf,
  NIL_BLOCK,
  OTHER_HASH,
  proposalRequest,
  TIME,
  voteRequest,
  wire,
} from "../../../fakes/privval-node.ts";
import { KEY_A, ServiceRig } from "../../../fakes/service-rig.ts";

const LATER = { 1: TIME.seconds + 9n, 2: 5 };
const OTHER_BLOCK = { 1: OTHER_HASH, 2: { 1: 1, 2: OTHER_HASH } };
const NO_EXTENSION = { 9: undefined };
const PREVOTE = { 1: 1, 3: undefined, ...NO_EXTENSION };

function signed(answer: Answered | string): Answered {
  assert(typeof answer !== "string", JSON.stringify(answer));
  return answer;
}

test("a node learns the public key of its chain, in the form of every version", async () => {
  const rig = await ConsensusRig.serve();
  const pk = hexOf(VALIDATOR.publicKey);
  const answer = await rig.ask(wire({ 1: { 1: CHAIN } }));
  assert(typeof answer !== "string");
  assert.equal(hexOf(answer), `124f0a220a20${pk}1a20${pk}220765643235353139`);
  assert.equal(await rig.ask(wire({ 1: { 1: "other-1" } })), "REQUEST_CHAIN");
  assert.equal(hexOf((await rig.ask(wire({ 7: {} }))) as Uint8Array), "4200"); // oxlint-disable-line typescript/no-unsafe-type-assertion -- a ping is never refused
});

test("votes and proposals are signed over the bytes that every node checks", async () => {
  const rig = await ConsensusRig.serve();
  const proposal = signed(await rig.askFor("proposal", proposalRequest({ 3: undefined })));
  assert.equal(
    proposal.signature,
    "dd85cd290e84de186b226524db2bcea881ec48eafe241793f5d15fbc0bc2f3547711d297663ab7735b4ff1d205e0bcd61585a2aa1bfa0de13e108c8483ca3703",
  );
  const prevote = signed(await rig.askFor("vote", voteRequest(PREVOTE)));
  assert.equal(
    prevote.signature,
    "78c10140ec54f6bf06c683208a2e8d892fdd43e84c48efea843f81d44763d129adb4ce2ec187e4d4a978b8b4bc2c554711fa25a115031801670015337a4edb07",
  );
  assert.equal(prevote.extensionSignature, "");
  const precommit = signed(await rig.askFor("vote", voteRequest({ 3: undefined })));
  assert.equal(
    precommit.extensionSignature,
    "1c2549e86a1da109828df49a965affd57504bfb23fd919e10bb44ecc6d628b6ad7ca7cf5935641229e02235db9b13cc797899b78eda04b6bf259ef91e60cda0c",
  );
  const nil = voteRequest({ 3: 2, 4: NIL_BLOCK, ...NO_EXTENSION });
  const forNil = signed(await rig.askFor("vote", nil));
  assert.equal(
    forNil.signature,
    "f4e3cdbf0dc0210638ac7b4c377c3da824f93e8942c129c7bdfb483e2857b62557fc430f52093877ef246cbf76fe23df593f2d7f96dac5a2e1c4d77423c44501",
  );
  assert.equal(forNil.extensionSignature, "");
});

test("an extension is signed with every precommit of a block, unless the node says not to", async () => {
  const rig = await ConsensusRig.serve();
  const empty = signed(await rig.askFor("vote", voteRequest({ 3: undefined, ...NO_EXTENSION })));
  assert.equal(
    empty.extensionSignature,
    "0112e895a6575a31fd02c7babeb80fb54d4e58de048637085680939e8ec3f9e7a95c96e7c58357ff973f46a8f505c3adc0c4ff3c01d6b198ef346733a6950a0c",
  );
  const skipped = signed(await rig.askFor("vote", voteRequest({ 3: 1 }, { 3: 1 })));
  assert.equal(skipped.extensionSignature, "");
});

test("a vote that is asked for again gets the same signature, with the time of the first", async () => {
  const rig = await ConsensusRig.serve();
  const first = signed(await rig.askFor("vote", voteRequest()));
  const commits = rig.store.commits.length;
  const again = signed(await rig.askFor("vote", voteRequest({ 5: LATER })));
  assert.deepEqual([again.signature, again.timestamp], [first.signature, first.timestamp]);
  assert.equal(rig.store.commits.length, commits);
  // Also by the next boot, which knows it from the record alone.
  const next = new ConsensusRig(rig.store);
  await next.serve(VALIDATOR);
  const later = signed(await next.askFor("vote", voteRequest({ 5: LATER })));
  assert.deepEqual([later.signature, later.timestamp], [first.signature, first.timestamp]);
});

test("several nodes that ask for one vote at once get the same answer, by one write", async () => {
  const rig = await ConsensusRig.serve();
  rig.store.commits.length = 0;
  const asks = [0n, 1n, 2n].map((late) =>
    rig.askFor("vote", voteRequest({ 5: { 1: TIME.seconds + late } })),
  );
  const answers = (await Promise.all(asks)).map(signed);
  assert.equal(new Set(answers.map(({ signature }) => signature)).size, 1);
  assert.equal(new Set(answers.map(({ timestamp }) => timestamp)).size, 1);
  assert.equal(rig.store.commits.length, 1);
});

test("a proposal that is asked for again is signed with its new time", async () => {
  const rig = await ConsensusRig.serve();
  const first = signed(await rig.askFor("proposal", proposalRequest()));
  const again = signed(await rig.askFor("proposal", proposalRequest({ 6: LATER })));
  assert.notEqual(again.signature, first.signature);
  const third = signed(await rig.askFor("proposal", proposalRequest({ 6: LATER })));
  assert.equal(third.signature, again.signature);
  const otherRound = proposalRequest({ 4: 3 });
  assert.equal(await rig.askFor("proposal", otherRound), "GUARD_STEP_DOUBLE");
});

test("nothing else is signed at one step, and nothing before the last", async () => {
  const rig = await ConsensusRig.serve();
  signed(await rig.askFor("vote", voteRequest({ ...PREVOTE, 3: 7 })));
  const rows: readonly (readonly [Uint8Array, string])[] = [
    [voteRequest({ ...PREVOTE, 3: 7, 4: OTHER_BLOCK }), "GUARD_STEP_DOUBLE"],
    [voteRequest({ ...PREVOTE, 3: 7, 4: NIL_BLOCK }), "GUARD_STEP_DOUBLE"],
    [voteRequest({ ...PREVOTE, 3: 6 }), "GUARD_ROUND_BELOW"],
    [voteRequest({ ...PREVOTE, 2: 99, 3: 9 }), "GUARD_HEIGHT_BELOW"],
  ];
  for (const [message, code] of rows) assert.equal(await rig.askFor("vote", message), code);
  assert.equal(await rig.askFor("proposal", proposalRequest()), "GUARD_STEP_BELOW");
  // Another block at a later step is honest: the locked block is not what was prevoted.
  signed(await rig.askFor("vote", voteRequest({ 4: OTHER_BLOCK })));
});

test("nothing leaves before its record is durable", async () => {
  const rig = await ConsensusRig.serve();
  const open = rig.store.hold();
  let isTold = false;
  const asked = rig.askFor("vote", voteRequest()).then((answer) => {
    isTold = true;
    return answer;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(isTold, false);
  open();
  signed(await asked);
  assert.equal((await rig.state()).last?.height, 100n);
});

test("after a lost write the same is signed when it is asked again, and nothing else", async () => {
  for (const act of [lost, writtenButUnknown]) {
    const rig = await ConsensusRig.serve();
    rig.store.script(act);
    assert.equal(await rig.askFor("vote", voteRequest()), "STATE_UNKNOWN");
    assert.equal(await rig.askFor("vote", voteRequest({ 4: OTHER_BLOCK })), "GUARD_STEP_DOUBLE");
    signed(await rig.askFor("vote", voteRequest()));
  }
});

test("a key without a record signs nothing, and one that is retired neither", async () => {
  const rig = new ConsensusRig();
  assert.equal(await rig.measure(), "ok");
  await rig.open("first", VALIDATOR);
  assert((await rig.enclave.call("state.open", { handover: null })).ok);
  assert.equal(await rig.askFor("vote", voteRequest()), "STATE_MISSING");
  const retired = [`0x${hexOf(VALIDATOR.publicKey)}`];
  const ended = new ConsensusRig(new MemoryStore(), { ...chainsOf(), retired });
  await ended.serve(VALIDATOR);
  assert.equal(await ended.askFor("vote", voteRequest()), "KEY_RETIRED");
});

test("above the manifest's last height nothing is signed", async () => {
  const rig = await ConsensusRig.serve(new MemoryStore(), { maxHeight: "100" });
  assert.equal(await rig.askFor("vote", voteRequest({ 2: 101 })), "MAX_HEIGHT");
  assert.equal(await rig.askFor("proposal", proposalRequest({ 2: 101 })), "MAX_HEIGHT");
  signed(await rig.askFor("vote", voteRequest()));
});

test("bare bytes are signed only where the manifest says so, and never what could be a vote", async () => {
  const bytes = wire({ 9: { 1: "anything" } });
  const celestia = wire({ 9: { 1: CHAIN, 2: "hello", 3: "fibre/pp:v0" } });
  const none = await ConsensusRig.serve();
  assert.equal(await none.ask(bytes), "POLICY_KIND_DENIED");
  const any = await ConsensusRig.serve(new MemoryStore(), { rawBytes: { kind: "sign-bytes" } });
  assert(typeof (await any.ask(bytes)) !== "string");
  const vote = new Uint8Array(
    Buffer.from(
      "2e1101000000000000001901000000000000002a0b088092b8c398feffffff01320d746573745f636861696e5f6964",
      "hex",
    ),
  );
  assert.equal(await any.ask(wire({ 9: { 1: vote } })), "REQUEST_BYTES_CONSENSUS");
  const listed = { rawBytes: { kind: "celestia", uniqueIds: ["fibre/pp:v0"] } };
  const some = await ConsensusRig.serve(new MemoryStore(), listed);
  assert(typeof (await some.ask(celestia)) !== "string");
  const unlisted = wire({ 9: { 1: CHAIN, 2: "hello", 3: "fibre/pp:v1" } });
  assert.equal(await some.ask(unlisted), "POLICY_KIND_DENIED");
});

test("keys of every scheme sign for the chain, each by its name", async () => {
  const rig = new ConsensusRig(new MemoryStore(), chainsOf(CONSENSUS_KEYS));
  await rig.serve(...CONSENSUS_KEYS);
  assert.equal(await rig.ask(voteRequest()), "KEY_AMBIGUOUS");
  for (const { publicKey, scheme } of CONSENSUS_KEYS) {
    const answer = await rig.ask(voteRequest(), publicKey);
    assert(typeof answer !== "string", scheme);
  }
  assert.equal(await rig.ask(voteRequest(), KEY_A.publicKey), "KEY_UNKNOWN");
});

test("a key of secp256k1eth is told in both forms that nodes have of it", async () => {
  const key = CONSENSUS_KEYS.find(({ scheme }) => scheme === "secp256k1eth");
  const other = COMETBFT_KEYS.find(({ scheme }) => scheme === "secp256k1eth");
  const chosen = key ?? {
    scheme: "secp256k1eth" as const,
    publicKey: fromHex(other?.publicKey ?? ""),
    secret: fromHex(other?.secret ?? ""),
  };
  const rig = new ConsensusRig(new MemoryStore(), chainsOf([chosen]));
  await rig.serve(chosen);
  const answer = await rig.ask(wire({ 1: { 1: CHAIN } }));
  assert(typeof answer !== "string");
  const hex = hexOf(answer);
  assert(hex.includes(`2a21${hexOf(chosen.publicKey)}1a4104`));
});

test("a key that was of one scheme is not loaded as one of another", async () => {
  const forms = COMETBFT_KEYS.filter(({ scheme }) => scheme.startsWith("secp256k1")).slice(0, 2);
  const [plain, eth] = forms.map(({ scheme, publicKey, secret }) => {
    return { scheme, publicKey: fromHex(publicKey), secret: fromHex(secret) };
  });
  assert(plain !== undefined && eth !== undefined);
  assert.equal(hexOf(plain.publicKey), hexOf(eth.publicKey));
  const rig = new ConsensusRig(new MemoryStore(), chainsOf([plain]));
  await rig.serve(plain);
  assert((await rig.enclave.call("bundle.retain", { bundleIds: [] })).ok);
  assert.equal(await rig.open("second", eth), "KEY_SCHEME");
  assert(typeof (await rig.open("third", plain)) !== "string");
});

test("a bundle with a key that no chain names is refused whole", async () => {
  const rig = new ConsensusRig();
  await rig.measure();
  assert.equal(await rig.open("first", VALIDATOR, KEY_A), "KEY_PLACE");
  assert(typeof (await rig.open("second", VALIDATOR)) !== "string");
});

test("an enclave answers the methods of its own family of chains", async () => {
  const rig = await ConsensusRig.serve();
  assert.equal(await rig.sign(KEY_A, rig.block()), "CHAIN_OTHER");
  const ethereum = new ServiceRig();
  await ethereum.serve(KEY_A);
  const ask = { chainId: CHAIN, key: null, message: voteRequest() };
  const answer = await ethereum.enclave.call("privval", ask);
  assert.equal(answer.ok ? "ok" : answer.error.code, "CHAIN_OTHER");
});
