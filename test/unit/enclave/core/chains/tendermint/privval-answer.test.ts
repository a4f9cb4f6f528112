import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeBytesAnswer,
  encodeProposalAnswer,
  encodePubKeyAnswer,
  encodeVoteAnswer,
  PUBLIC_KEY_ARMS,
} from "../../../../../../enclave/core/chains/tendermint/privval-answer.ts";
import { parsePrivvalMessage } from "../../../../../../enclave/core/chains/tendermint/privval-message.ts";
import type { Proposal } from "../../../../../../enclave/core/chains/tendermint/proposal.ts";
import type {
  Vote,
  VoteSignatures,
} from "../../../../../../enclave/core/chains/tendermint/vote.ts";
import { PRIVVAL_ANSWER_BYTES_MAX } from "../../../../../../shared/limits.ts";
import {
  fromHex,
  hexOf,
  proposalRequest,
  proposalWire,
  voteRequest,
  voteWire,
  type Wire,
  wire,
} from "../../../../../fakes/privval-node.ts";

const PK = "8f5a716b651b628b3e6fffd28f8b1fafc765fcfca53f7cad89f4680585c76680";
const SIGNATURE = new Uint8Array(64).fill(1);
const SIGNATURES: VoteSignatures = {
  signature: SIGNATURE,
  extensionSignature: new Uint8Array(64).fill(2),
  unboundSignature: null,
};

function voteOf(changes: Wire): Vote {
  const request = parsePrivvalMessage(voteRequest(changes), "signBytes");
  assert(request.ok && request.value.kind === "vote");
  return request.value.vote;
}

function proposalOf(changes: Wire): Proposal {
  const request = parsePrivvalMessage(proposalRequest(changes), "signBytes");
  assert(request.ok && request.value.kind === "proposal");
  return request.value.proposal;
}

test("a public key is answered by the universal vector, for every version at once", () => {
  const answer = encodePubKeyAnswer("ed25519", fromHex(PK));
  assert.equal(answer.length, 0x51);
  assert.equal(hexOf(answer), `124f0a220a20${PK}1a20${PK}220765643235353139`);
});

test("each type of key has its arm and its name", () => {
  const rows = [
    ["ed25519", 0x0a],
    ["secp256k1", 0x12],
    ["bls12_381", 0x1a],
    ["ml_dsa_65", 0x22],
    ["secp256k1eth", 0x2a],
  ] as const;
  for (const [type, tag] of rows) {
    const key = Uint8Array.of(7, 8);
    const expected = wire({ 2: { 1: Uint8Array.of(tag, 2, 7, 8), 3: key, 4: type } });
    assert.equal(hexOf(encodePubKeyAnswer(type, key)), hexOf(expected));
  }
  assert.deepEqual(
    Object.keys(PUBLIC_KEY_ARMS),
    rows.map(([type]) => type),
  );
});

test("the largest key is answered in what a node reads", () => {
  const answer = encodePubKeyAnswer("ml_dsa_65", new Uint8Array(1952));
  assert(answer.length <= PRIVVAL_ANSWER_BYTES_MAX);
});

test("a vote is answered as it came, with the signatures and the time that was signed", () => {
  const vote = { ...voteOf({}), timestamp: { seconds: 5n, nanos: 6 } };
  const fields = voteWire({ 5: { 1: 5, 2: 6 }, 8: SIGNATURE, 10: new Uint8Array(64).fill(2) });
  assert.equal(hexOf(encodeVoteAnswer(vote, SIGNATURES)), hexOf(wire({ 4: { 1: fields } })));
});

test("nothing but what is known of a vote goes back", () => {
  const plain = encodeVoteAnswer(voteOf({}), SIGNATURES);
  const more = voteOf({ 8: "old", 10: "old", 12: "old", 13: "unknown" });
  assert.equal(hexOf(encodeVoteAnswer(more, SIGNATURES)), hexOf(plain));
});

test("a signature of v2's second extension goes into the field that v2 reads", () => {
  const unboundSignature = new Uint8Array(64).fill(3);
  const answer = encodeVoteAnswer(voteOf({}), { ...SIGNATURES, unboundSignature });
  const fields = voteWire({
    8: SIGNATURE,
    10: new Uint8Array(64).fill(2),
    12: unboundSignature,
  });
  assert.equal(hexOf(answer), hexOf(wire({ 4: { 1: fields } })));
});

test("an extension goes back while the answer has 10,240 bytes, and is left out above", () => {
  const lengthOf = (byteCount: number) =>
    encodeVoteAnswer(voteOf({ 9: new Uint8Array(byteCount) }), SIGNATURES).length;
  const bare = encodeVoteAnswer(voteOf({ 9: undefined }), SIGNATURES);
  // From some length on the lengths before it have two bytes, and so has the extension's own.
  const overhead = lengthOf(1000) - 1000;
  const fitting = PRIVVAL_ANSWER_BYTES_MAX - overhead;
  assert.equal(lengthOf(fitting - 1), PRIVVAL_ANSWER_BYTES_MAX - 1);
  assert.equal(lengthOf(fitting), PRIVVAL_ANSWER_BYTES_MAX);
  for (const count of [fitting + 1, 10_240, 10_241, 1024 * 1024]) {
    const answer = encodeVoteAnswer(voteOf({ 9: new Uint8Array(count) }), SIGNATURES);
    assert.equal(hexOf(answer), hexOf(bare), `${count}`);
  }
});

test("three signatures of the largest scheme leave the answer readable", () => {
  const largest = new Uint8Array(3309).fill(1);
  const vote = voteOf({ 2: 2n ** 63n - 1n, 3: 2 ** 31 - 1, 6: new Uint8Array(64), 7: 2 ** 31 - 1 });
  const answer = encodeVoteAnswer(vote, {
    signature: largest,
    extensionSignature: largest,
    unboundSignature: largest,
  });
  assert(answer.length <= PRIVVAL_ANSWER_BYTES_MAX, `${answer.length}`);
});

test("a proposal is answered with its own time and the signature", () => {
  const answer = encodeProposalAnswer(proposalOf({ 4: 3 }), SIGNATURE);
  const fields = proposalWire({ 4: 3, 7: SIGNATURE });
  assert.equal(hexOf(answer), hexOf(wire({ 6: { 1: fields } })));
});

test("bytes are answered with their signature alone", () => {
  assert.equal(hexOf(encodeBytesAnswer(SIGNATURE)), hexOf(wire({ 10: { 1: SIGNATURE } })));
});
