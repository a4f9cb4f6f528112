import assert from "node:assert/strict";
import { test } from "node:test";
import { assert as check, property, uint8Array } from "fast-check";
import {
  type BytesDialect,
  type PrivvalRequest,
  parsePrivvalMessage,
} from "../../../../../../enclave/core/chains/tendermint/privval-message.ts";
import { PRIVVAL_MESSAGE_BYTES_MAX } from "../../../../../../shared/limits.ts";
import {
  CHAIN,
  fromHex,
  HASH,
  NIL_BLOCK,
  proposalRequest,
  TIME,
  voteRequest,
  type Wire,
  wire,
} from "../../../../../fakes/privval-node.ts";

const BLOCK_ID = { hash: HASH, partCount: 1_000_000, partsHash: HASH };
const RAW = new Uint8Array(Buffer.from("hello"));
const RAW_REQUEST: Wire = { 1: CHAIN, 2: RAW, 3: "uid" };

function parse(message: Uint8Array, dialect: BytesDialect = "signBytes"): PrivvalRequest {
  const request = parsePrivvalMessage(message, dialect);
  assert(request.ok);
  return request.value;
}

/** The code, with the field where something is malformed; the message itself is `-`. */
function refusalOf(message: Uint8Array, dialect: BytesDialect = "signBytes"): string {
  const request = parsePrivvalMessage(message, dialect);
  if (request.ok) return "ok";
  const { code, detail } = request.error;
  if (detail === undefined) return code;
  return `${code} ${detail[0] === "" ? "-" : String(detail[0])}`;
}

test("a request for the public key names its chain", () => {
  const message = fromHex("0a0f0a0d746573745f636861696e5f6964");
  assert.deepEqual(parse(message), { kind: "pubKey", chainId: CHAIN });
});

test("a vote is asked for with its chain, and v1's word on extensions", () => {
  const vote = {
    step: "precommit",
    height: 100n,
    round: 7,
    blockId: BLOCK_ID,
    timestamp: TIME,
    validatorAddress: new Uint8Array(20).fill(0xad),
    validatorIndex: 3,
    extension: new Uint8Array(Buffer.from("extension")),
  };
  const rows: readonly (readonly [Wire, boolean])[] = [
    [{}, false],
    [{ 3: 0 }, false],
    [{ 3: 1 }, true],
  ];
  for (const [changes, skipExtensionSigning] of rows) {
    const request = parse(voteRequest({}, changes));
    assert.deepEqual(request, { kind: "vote", vote, chainId: CHAIN, skipExtensionSigning });
  }
});

test("a proposal is asked for with its chain", () => {
  assert.deepEqual(parse(proposalRequest()), {
    kind: "proposal",
    proposal: {
      step: "proposal",
      height: 100n,
      round: 7,
      polRound: -1,
      blockId: BLOCK_ID,
      timestamp: TIME,
    },
    chainId: CHAIN,
  });
});

test("a ping is empty, or has what a later version adds", () => {
  assert.deepEqual(parse(fromHex("3a00")), { kind: "ping" });
  assert.deepEqual(parse(wire({ 7: { 1: "later" } })), { kind: "ping" });
});

test("the ninth arm is what the chain's nodes mean by it", () => {
  assert.deepEqual(parse(wire({ 9: { 1: RAW } }), "signBytes"), { kind: "signBytes", value: RAW });
  assert.deepEqual(parse(wire({ 9: RAW_REQUEST }), "signRawBytes"), {
    kind: "signRawBytes",
    chainId: CHAIN,
    rawBytes: RAW,
    uniqueId: "uid",
  });
  // One asked of the other: the chain's name as the bytes to sign, or bytes without a purpose.
  assert.deepEqual(parse(wire({ 9: RAW_REQUEST }), "signBytes"), {
    kind: "signBytes",
    value: new Uint8Array(Buffer.from(CHAIN)),
  });
  assert.equal(refusalOf(wire({ 9: { 1: RAW } }), "signRawBytes"), "REQUEST_MALFORMED raw_bytes");
});

test("fields that a later version adds are skipped, at every depth", () => {
  const more: Wire = { 20: "x", 21: 7, 22: { 1: 1 } };
  assert.deepEqual(
    parse(wire({ 1: { 1: CHAIN, ...more }, ...more })),
    parse(wire({ 1: { 1: CHAIN } })),
  );
  assert.deepEqual(parse(voteRequest(more, more)), parse(voteRequest()));
  assert.deepEqual(parse(proposalRequest(more, more)), parse(proposalRequest()));
});

test("a chain's name has 1 to 50 bytes of UTF-8, in every request that has one", () => {
  const rows: readonly (readonly [string | Uint8Array | undefined, boolean])[] = [
    [undefined, false],
    ["", false],
    ["x", true],
    ["x".repeat(50), true],
    ["x".repeat(51), false],
    ["\u20ac".repeat(16), true],
    ["\u20ac".repeat(17), false],
    [Uint8Array.of(0xff), false],
    [Uint8Array.of(0xc3), false],
    // An overlong form, and half of a surrogate pair.
    [Uint8Array.of(0xc0, 0x80), false],
    [Uint8Array.of(0xed, 0xa0, 0x80), false],
  ];
  for (const [chainId, isName] of rows) {
    const expected = isName ? "ok" : "REQUEST_MALFORMED chain_id";
    assert.equal(refusalOf(wire({ 1: { 1: chainId } })), expected);
    assert.equal(refusalOf(voteRequest({}, { 2: chainId })), expected);
    assert.equal(refusalOf(proposalRequest({}, { 2: chainId })), expected);
    assert.equal(refusalOf(wire({ 9: { ...RAW_REQUEST, 1: chainId } }), "signRawBytes"), expected);
  }
});

test("a byte order mark is part of the name, as it is of what is signed", () => {
  const request = parse(wire({ 1: { 1: "\ufeffx" } }));
  assert.deepEqual(request, { kind: "pubKey", chainId: "\ufeffx" });
});

test("raw bytes have a chain, bytes and a purpose, none of them empty", () => {
  const rows: readonly (readonly [Wire, string])[] = [
    [{}, "ok"],
    [{ 2: undefined }, "REQUEST_MALFORMED raw_bytes"],
    [{ 2: "" }, "REQUEST_MALFORMED raw_bytes"],
    [{ 2: "x" }, "ok"],
    [{ 3: undefined }, "REQUEST_MALFORMED unique_id"],
    [{ 3: "" }, "REQUEST_MALFORMED unique_id"],
    [{ 3: "x".repeat(128) }, "ok"],
    [{ 3: "x".repeat(129) }, "REQUEST_MALFORMED unique_id"],
    [{ 3: Uint8Array.of(0xff) }, "REQUEST_MALFORMED unique_id"],
    [{ 4: "later" }, "ok"],
    [{ 1: 7 }, "REQUEST_MALFORMED sign_raw_bytes_request"],
  ];
  for (const [changes, expected] of rows) {
    assert.equal(refusalOf(wire({ 9: { ...RAW_REQUEST, ...changes } }), "signRawBytes"), expected);
  }
});

test("nothing is not signed as bytes", () => {
  assert.equal(refusalOf(wire({ 9: {} })), "REQUEST_MALFORMED value");
  assert.equal(refusalOf(wire({ 9: { 1: "" } })), "REQUEST_MALFORMED value");
  assert.equal(refusalOf(wire({ 9: { 1: "x" } })), "ok");
  assert.equal(refusalOf(wire({ 9: { 1: 7 } })), "REQUEST_MALFORMED sign_bytes_request");
});

test("what is no request is refused by what is wrong with it", () => {
  const rows: readonly (readonly [Uint8Array, string])[] = [
    [new Uint8Array(0), "REQUEST_KIND_UNKNOWN"],
    [wire({ 2: {} }), "REQUEST_KIND_UNKNOWN"],
    [wire({ 4: {} }), "REQUEST_KIND_UNKNOWN"],
    [wire({ 11: {} }), "REQUEST_KIND_UNKNOWN"],
    [fromHex("1a"), "REQUEST_MALFORMED -"],
    [wire({ 3: {}, 7: {} }), "REQUEST_MALFORMED -"],
    [wire({ 1: { 1: 5 } }), "REQUEST_MALFORMED pub_key_request"],
    [wire({ 3: { 1: 5, 2: CHAIN } }), "REQUEST_MALFORMED sign_vote_request"],
    [wire({ 5: { 1: 5, 2: CHAIN } }), "REQUEST_MALFORMED sign_proposal_request"],
    [wire({ 7: Uint8Array.of(0xff) }), "REQUEST_MALFORMED ping_request"],
    [voteRequest({}, { 3: 2 }), "REQUEST_MALFORMED skip_extension_signing"],
    [voteRequest({}, { 1: undefined }), "REQUEST_MALFORMED vote.type"],
    [voteRequest({}, { 1: Uint8Array.of(0xff) }), "REQUEST_MALFORMED vote"],
    [proposalRequest({}, { 1: undefined }), "REQUEST_MALFORMED proposal.type"],
    // Each type in the other's message.
    [voteRequest({ 1: 32, 9: undefined }), "REQUEST_MALFORMED vote.type"],
    [proposalRequest({ 1: 2 }), "REQUEST_MALFORMED proposal.type"],
    [voteRequest({ 4: NIL_BLOCK }), "REQUEST_EXTENSION_UNEXPECTED"],
    [voteRequest({ 11: "x" }), "REQUEST_EXTENSION_UNBOUND"],
  ];
  for (const [message, expected] of rows) assert.equal(refusalOf(message), expected);
});

test("a message of 2 MiB is read, and one byte more is refused unread", () => {
  const filler = 2_000_000;
  const overhead = wire({ 7: {}, 20: new Uint8Array(filler) }).length - filler;
  const ping = (byteCount: number) => wire({ 7: {}, 20: new Uint8Array(byteCount - overhead) });
  const size = PRIVVAL_MESSAGE_BYTES_MAX;
  const at = [size, size + 1].map((count) => ping(count));
  assert.deepEqual(
    at.map(({ length }) => length),
    [size, size + 1],
  );
  assert.deepEqual(
    at.map((message) => refusalOf(message)),
    ["ok", "BODY_OVERSIZE"],
  );
});

test("no bytes make the parser throw, nor any change of a request", () => {
  const dialects = ["signBytes", "signRawBytes"] as const;
  check(
    property(uint8Array({ maxLength: 96 }), (bytes) => {
      for (const dialect of dialects) assert.notEqual(refusalOf(bytes, dialect), "");
    }),
  );
  for (const request of [voteRequest(), proposalRequest(), wire({ 9: RAW_REQUEST })]) {
    for (let at = 0; at < request.length; at++) {
      assert.notEqual(refusalOf(request.subarray(0, at)), "ok", `cut at ${at}`);
      for (const bit of [0, 3, 7]) {
        const changed = request.slice();
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        for (const dialect of dialects) assert.notEqual(refusalOf(changed, dialect), "");
      }
    }
  }
});
