import assert from "node:assert/strict";
import { test } from "node:test";
import {
  chainIdOf,
  PRIVVAL_METHODS,
  PRIVVAL_REQUEST_BYTES_MAX,
  wrapRequest,
} from "../../../../parent/grpc/privval-call.ts";
import { PRIVVAL_MESSAGE_BYTES_MAX } from "../../../../shared/limits.ts";
import { fromHex, hexOf, voteWire, wire } from "../../../fakes/privval-node.ts";

const { GetPubKey, SignVote, SignProposal } = PRIVVAL_METHODS;

test("a request becomes a message with the vector's bytes", () => {
  const request = fromHex("0a0d746573745f636861696e5f6964");
  assert.equal(hexOf(wrapRequest(GetPubKey, request)), "0a0f0a0d746573745f636861696e5f6964");
  assert.equal(hexOf(wrapRequest(SignVote, request)).slice(0, 4), "1a0f");
  assert.equal(hexOf(wrapRequest(SignProposal, request)).slice(0, 4), "2a0f");
});

test("the longest request becomes the longest message", () => {
  const request = new Uint8Array(PRIVVAL_REQUEST_BYTES_MAX);
  assert.equal(wrapRequest(SignVote, request).length, PRIVVAL_MESSAGE_BYTES_MAX);
});

test("the chain is read where each request has it, and nowhere else", () => {
  const vote = wire({ 1: voteWire(), 2: "sei-1" });
  assert.equal(chainIdOf(GetPubKey, wire({ 1: "sei-1" })), "sei-1");
  assert.equal(chainIdOf(SignVote, vote), "sei-1");
  assert.equal(chainIdOf(SignProposal, vote), "sei-1");
  assert.equal(chainIdOf(SignVote, wire({ 1: voteWire(), 2: "sei-1", 9: 1, 15: "x" })), "sei-1");
});

test("a request without one chain that can be read names none", () => {
  const rows: readonly Uint8Array[] = [
    new Uint8Array(0),
    wire({ 1: "sei-1" }),
    wire({ 2: "" }),
    wire({ 2: 1 }),
    Uint8Array.of(0x12, 5, 0x73),
    Uint8Array.of(0x12, 1, 0xff),
    new Uint8Array([...wire({ 2: "sei-1" }), ...wire({ 2: "sei-2" })]),
  ];
  for (const row of rows) assert.equal(chainIdOf(SignVote, row), null, hexOf(row));
});
