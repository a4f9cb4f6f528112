import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeSignedVote,
  hasExtension,
  parseVote,
  type Vote,
} from "../../../../../../enclave/core/chains/tendermint/vote.ts";
import { VOTE_EXTENSION_BYTES_MAX } from "../../../../../../shared/limits.ts";
import {
  fromHex,
  HASH,
  hexOf,
  NIL_BLOCK,
  TIME,
  voteWire,
  type Wire,
  wire,
} from "../../../../../fakes/privval-node.ts";

const BLOCK_ID = { hash: HASH, partCount: 1_000_000, partsHash: HASH };
const EXTENSION = new Uint8Array(Buffer.from("extension"));
const NONE = new Uint8Array(0);
const NO_EXTENSION: Wire = { 9: undefined };
/** For nil, as a prevote. */
const NIL: Wire = { 1: 1, 4: NIL_BLOCK, ...NO_EXTENSION };

function parse(changes: Wire): Vote {
  const vote = parseVote(wire(voteWire(changes)));
  assert(vote.ok);
  return vote.value;
}

/** The code, with the field where it is malformed. */
function refusalOf(changes: Wire): string {
  const vote = parseVote(wire(voteWire(changes)));
  if (vote.ok) return "ok";
  const { code, detail } = vote.error;
  return detail === undefined ? code : `${code} ${String(detail[0])}`;
}

test("a vote is read field by field", () => {
  assert.deepEqual(parse({}), {
    step: "precommit",
    height: 100n,
    round: 7,
    blockId: BLOCK_ID,
    timestamp: TIME,
    validatorAddress: new Uint8Array(20).fill(0xad),
    validatorIndex: 3,
    extension: EXTENSION,
  });
});

test("what is left out is zero: round 0, nil, Go's zero time, nobody, no extension", () => {
  const bare = { 3: undefined, 4: undefined, 5: undefined, 6: undefined, 7: undefined };
  assert.deepEqual(parse({ ...bare, ...NO_EXTENSION }), {
    step: "precommit",
    height: 100n,
    round: 0,
    blockId: null,
    timestamp: { seconds: -62_135_596_800n, nanos: 0 },
    validatorAddress: NONE,
    validatorIndex: 0,
    extension: NONE,
  });
});

test("an empty timestamp is the Unix epoch, and not Go's zero time", () => {
  assert.deepEqual(parse({ 5: {} }).timestamp, { seconds: 0n, nanos: 0 });
});

test("a vote for nil is one whose block is empty, written or not", () => {
  for (const blockId of [undefined, {}, NIL_BLOCK, { 1: "", 2: { 1: 0, 2: "" } }]) {
    assert.equal(parse({ ...NIL, 4: blockId }).blockId, null);
  }
});

test("each field is bounded, and malformed beyond its bounds", () => {
  const rows: readonly (readonly [Wire, string])[] = [
    [{ 1: undefined }, "vote.type"],
    [{ 1: 0 }, "vote.type"],
    [{ 1: 1, 9: undefined }, "ok"],
    [{ 1: 2 }, "ok"],
    [{ 1: 3 }, "vote.type"],
    [{ 1: 32 }, "vote.type"],
    [{ 1: 2n ** 32n + 2n }, "vote.type"],
    [{ 2: undefined }, "vote.height"],
    [{ 2: 0 }, "vote.height"],
    [{ 2: -1 }, "vote.height"],
    [{ 2: 1 }, "ok"],
    [{ 2: 2n ** 63n - 1n }, "ok"],
    [{ 2: 2n ** 63n }, "vote.height"],
    [{ 3: -1 }, "vote.round"],
    [{ 3: 0 }, "ok"],
    [{ 3: 2 ** 31 - 1 }, "ok"],
    [{ 3: 2 ** 31 }, "vote.round"],
    [{ 3: 2n ** 32n }, "vote.round"],
    [{ 4: { 1: HASH } }, "vote.block_id"],
    [{ 4: { 1: HASH.subarray(1), 2: { 1: 1, 2: HASH } } }, "vote.block_id"],
    [{ 4: { 1: HASH, 2: { 1: 0, 2: HASH } } }, "vote.block_id"],
    [{ 5: { 1: 253_402_300_799n } }, "ok"],
    [{ 5: { 1: 253_402_300_800n } }, "vote.timestamp"],
    [{ 5: { 1: 1, 2: 999_999_999 } }, "ok"],
    [{ 5: { 1: 1, 2: 1_000_000_000 } }, "vote.timestamp"],
    [{ 5: Uint8Array.of(8) }, "vote.timestamp"],
    [{ 6: new Uint8Array(64) }, "ok"],
    [{ 6: new Uint8Array(65) }, "vote.validator_address"],
    [{ 7: -1 }, "vote.validator_index"],
    [{ 7: 0 }, "ok"],
    [{ 7: 2 ** 31 - 1 }, "ok"],
    [{ 7: 2 ** 31 }, "vote.validator_index"],
    [{ 9: new Uint8Array(VOTE_EXTENSION_BYTES_MAX) }, "ok"],
    [{ 9: new Uint8Array(VOTE_EXTENSION_BYTES_MAX + 1) }, "vote.extension"],
    [{ 2: "100" }, "vote"],
    [{ 9: 7 }, "vote"],
  ];
  for (const [changes, expected] of rows) {
    const wanted = expected === "ok" ? "ok" : `REQUEST_MALFORMED ${expected}`;
    assert.equal(refusalOf(changes), wanted);
  }
});

test("a field that comes twice is no vote", () => {
  const vote = wire(voteWire());
  for (const field of [{ 1: 2 }, { 2: 100 }, { 4: NIL_BLOCK }, { 5: {} }, { 9: "" }]) {
    const doubled = parseVote(Buffer.concat([vote, wire(field)]));
    assert(!doubled.ok);
    assert.deepEqual(doubled.error, { code: "REQUEST_MALFORMED", detail: ["vote"] });
  }
});

test("signatures that are there already, and fields of other versions, change nothing", () => {
  const more = { 8: "signature", 10: "another", 12: "third", 13: 7, 99: { 1: "x" } };
  assert.deepEqual(parse(more), parse({}));
});

test("an extension goes with a precommit of a block alone", () => {
  const rows: readonly (readonly [Wire, string])[] = [
    [{}, "ok"],
    [{ 1: 1 }, "REQUEST_EXTENSION_UNEXPECTED"],
    [{ 4: NIL_BLOCK }, "REQUEST_EXTENSION_UNEXPECTED"],
    [{ 1: 1, 4: NIL_BLOCK }, "REQUEST_EXTENSION_UNEXPECTED"],
    [{ ...NIL, 9: "" }, "ok"],
    [{ ...NIL, 9: "x" }, "REQUEST_EXTENSION_UNEXPECTED"],
    [NIL, "ok"],
  ];
  for (const [changes, expected] of rows) assert.equal(refusalOf(changes), expected);
});

test("an extension that names no chain and no height is refused, and an empty one is none", () => {
  assert.equal(refusalOf({ 11: "" }), "ok");
  assert.equal(refusalOf({ 11: "x" }), "REQUEST_EXTENSION_UNBOUND");
  assert.equal(refusalOf({ ...NO_EXTENSION, 11: "x" }), "REQUEST_EXTENSION_UNBOUND");
  assert.equal(refusalOf({ ...NIL, 11: "x" }), "REQUEST_EXTENSION_UNBOUND");
});

test("the signature of an extension goes with a precommit of a block alone", () => {
  const steps = ["prevote", "precommit"] as const;
  const having = steps.flatMap((step) =>
    [null, BLOCK_ID].filter((blockId) => hasExtension({ step, blockId })).map(() => step),
  );
  assert.deepEqual(having, ["precommit"]);
  assert(hasExtension({ step: "precommit", blockId: BLOCK_ID }));
});

test("a signed vote is the vote that was asked for with its signatures, in Go's bytes", () => {
  const signature = new Uint8Array(64).fill(1);
  const extensionSignature = new Uint8Array(64).fill(2);
  const unboundSignature = new Uint8Array(64).fill(3);
  const whole = encodeSignedVote(parse({}), { signature, extensionSignature, unboundSignature });
  const expected = wire(voteWire({ 8: signature, 10: extensionSignature, 12: unboundSignature }));
  assert.equal(hexOf(whole), hexOf(expected));
  const none = { extensionSignature: null, unboundSignature: null };
  const nil = encodeSignedVote(parse({ ...NIL, 5: {}, 6: "" }), { signature, ...none });
  // 2.. height, round; 22 02 12 00 no block; 2a 00 the epoch; 38 03 the index.
  const hex = `0801 1064 1807 22021200 2a00 3803 4240 ${hexOf(signature)}`.replaceAll(" ", "");
  assert.equal(hexOf(nil), hex);
});

test("no vote has two encodings that are given back as one", () => {
  const minimal = parse({ ...NIL, 3: undefined, 7: undefined });
  const again = encodeSignedVote(minimal, {
    signature: NONE,
    extensionSignature: null,
    unboundSignature: null,
  });
  assert.deepEqual(parseVote(again), { ok: true, value: minimal });
  assert.equal(hexOf(again).startsWith(hexOf(fromHex("08011064"))), true);
});
