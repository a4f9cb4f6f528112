import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeSignedProposal,
  type Proposal,
  parseProposal,
} from "../../../../../../enclave/core/chains/tendermint/proposal.ts";
import { FIELD_COUNT_MAX } from "../../../../../../shared/bytes/protobuf.ts";
import {
  HASH,
  hexOf,
  NIL_BLOCK,
  OTHER_HASH,
  proposalWire,
  TIME,
  type Wire,
  wire,
} from "../../../../../fakes/privval-node.ts";

function parse(bytes: Uint8Array): Proposal {
  const proposal = parseProposal(bytes);
  assert(proposal.ok);
  return proposal.value;
}

function fieldOf(changes: Wire): string {
  const proposal = parseProposal(wire(proposalWire(changes)));
  if (proposal.ok) return "ok";
  assert.equal(proposal.error.code, "REQUEST_MALFORMED");
  return String(proposal.error.detail?.[0]);
}

test("a proposal is read field by field", () => {
  assert.deepEqual(parse(wire(proposalWire())), {
    step: "proposal",
    height: 100n,
    round: 7,
    polRound: -1,
    blockId: { hash: HASH, partCount: 1_000_000, partsHash: HASH },
    timestamp: TIME,
  });
});

test("each field is bounded, and malformed beyond its bounds", () => {
  const rows: readonly (readonly [Wire, string])[] = [
    [{}, "ok"],
    [{ 1: undefined }, "proposal.type"],
    [{ 1: 1 }, "proposal.type"],
    [{ 1: 2 }, "proposal.type"],
    [{ 1: 31 }, "proposal.type"],
    [{ 1: 33 }, "proposal.type"],
    [{ 1: 2n ** 32n + 32n }, "proposal.type"],
    [{ 2: 0 }, "proposal.height"],
    [{ 2: 1 }, "ok"],
    [{ 2: 2n ** 63n - 1n }, "ok"],
    [{ 2: 2n ** 63n }, "proposal.height"],
    [{ 3: undefined }, "ok"],
    [{ 3: -1 }, "proposal.round"],
    [{ 3: 2 ** 31 - 1 }, "ok"],
    [{ 3: 2 ** 31 }, "proposal.round"],
    [{ 4: undefined }, "ok"],
    [{ 4: -1 }, "ok"],
    [{ 4: -2 }, "proposal.pol_round"],
    // v2 would refuse it, and earlier nodes would not.
    [{ 3: 7, 4: 8 }, "ok"],
    [{ 4: 2 ** 31 - 1 }, "ok"],
    [{ 4: 2 ** 31 }, "proposal.pol_round"],
    [{ 5: undefined }, "proposal.block_id"],
    [{ 5: NIL_BLOCK }, "proposal.block_id"],
    [{ 5: { 1: HASH } }, "proposal.block_id"],
    [{ 5: { 1: HASH, 2: { 1: 1, 2: OTHER_HASH } } }, "ok"],
    [{ 6: undefined }, "ok"],
    [{ 6: { 1: 253_402_300_800n } }, "proposal.timestamp"],
    [{ 2: { 1: 1 } }, "proposal"],
  ];
  for (const [changes, expected] of rows) assert.equal(fieldOf(changes), expected);
});

test("without a field it says round 0, pol_round 0 and Go's zero time", () => {
  const { round, polRound, timestamp } = parse(
    wire(proposalWire({ 3: undefined, 4: undefined, 6: undefined })),
  );
  assert.deepEqual([round, polRound], [0, 0]);
  assert.deepEqual(timestamp, { seconds: -62_135_596_800n, nanos: 0 });
});

test("Sei's fields are skipped, as many as there are, and a signature does not count", () => {
  const proposal = wire(proposalWire({ 7: "signature", 9: { 1: "evidence" }, 12: OTHER_HASH }));
  const txKey = wire({ 8: { 1: OTHER_HASH } });
  const keys = Array.from({ length: 5000 }, () => txKey);
  const large = parse(Buffer.concat([proposal, ...keys]));
  assert.deepEqual(large, { ...parse(proposal), blockId: large.blockId });
  assert.equal(hexOf(large.blockId.hash), hexOf(HASH));
  const tooMany = Array.from({ length: FIELD_COUNT_MAX }, () => txKey);
  assert.equal(parseProposal(Buffer.concat([proposal, ...tooMany])).ok, false);
});

test("a field that comes twice is no proposal", () => {
  const proposal = wire(proposalWire());
  for (const field of [{ 1: 32 }, { 4: -1 }, { 5: {} }, { 6: {} }]) {
    const doubled = parseProposal(Buffer.concat([proposal, wire(field)]));
    assert(!doubled.ok);
    assert.deepEqual(doubled.error, { code: "REQUEST_MALFORMED", detail: ["proposal"] });
  }
});

test("a signed proposal is the one that was asked for with its signature, in Go's bytes", () => {
  const signature = new Uint8Array(64).fill(1);
  for (const changes of [{}, { 4: 3 }, { 3: undefined, 4: undefined }]) {
    const fields = proposalWire(changes);
    const signed = encodeSignedProposal(parse(wire(fields)), signature);
    assert.equal(hexOf(signed), hexOf(wire({ ...fields, 7: signature })));
  }
});
