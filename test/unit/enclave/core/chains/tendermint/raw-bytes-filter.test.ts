import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { assert as check, property, uint8Array } from "fast-check";
import {
  extensionSignBytes,
  proposalSignBytes,
  rawBytesSignBytes,
  voteSignBytes,
} from "../../../../../../enclave/core/chains/tendermint/canonical.ts";
import type { Proposal } from "../../../../../../enclave/core/chains/tendermint/proposal.ts";
import { decideRawBytes } from "../../../../../../enclave/core/chains/tendermint/raw-bytes-filter.ts";
import { ZERO_TIME } from "../../../../../../enclave/core/chains/tendermint/timestamp.ts";
import type { Vote } from "../../../../../../enclave/core/chains/tendermint/vote.ts";
import { CHAIN, fromHex, HASH, TIME } from "../../../../../fakes/privval-node.ts";

const BLOCK_ID = { hash: HASH, partCount: 1, partsHash: HASH };
const VOTE: Vote = {
  step: "precommit",
  height: 100n,
  round: 2,
  blockId: BLOCK_ID,
  timestamp: TIME,
  validatorAddress: new Uint8Array(0),
  validatorIndex: 0,
  extension: new Uint8Array(Buffer.from("extension")),
};
const PROPOSAL: Proposal = {
  step: "proposal",
  height: 100n,
  round: 2,
  polRound: -1,
  blockId: BLOCK_ID,
  timestamp: TIME,
};

/** All that consensus signs, of every kind. */
const SIGNED: Readonly<Record<string, Uint8Array>> = {
  "a precommit": voteSignBytes(VOTE, CHAIN),
  "a prevote": voteSignBytes({ ...VOTE, step: "prevote", round: 0 }, CHAIN),
  "a vote for nil": voteSignBytes({ ...VOTE, blockId: null }, CHAIN),
  "a vote at Go's zero time": voteSignBytes({ ...VOTE, timestamp: ZERO_TIME }, CHAIN),
  "a vote of no chain": voteSignBytes(VOTE, ""),
  "a proposal": proposalSignBytes(PROPOSAL, CHAIN),
  "a proposal of pol_round 0": proposalSignBytes({ ...PROPOSAL, polRound: 0 }, CHAIN),
  "an extension": extensionSignBytes(VOTE, CHAIN),
  "an empty extension": extensionSignBytes({ ...VOTE, extension: new Uint8Array(0) }, CHAIN),
  "a large extension": extensionSignBytes({ ...VOTE, extension: new Uint8Array(70_000) }, CHAIN),
};

function isRefused(bytes: Uint8Array): boolean {
  return decideRawBytes(bytes)?.code === "REQUEST_BYTES_CONSENSUS";
}

/** Without the length before it. */
function bareOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(bytes.findIndex((byte) => byte < 0x80) + 1);
}

test("whatever consensus signs is refused, with its length and without", () => {
  for (const [name, bytes] of Object.entries(SIGNED)) {
    assert(isRefused(bytes), name);
    if (name !== "a vote of no chain") assert(isRefused(bareOf(bytes)), `${name}, bare`);
  }
});

test("without its length a message of a chain is refused, and one of none is not", () => {
  for (const [chainId, expected] of [
    ["x", true],
    ["", false],
  ] as const) {
    assert.equal(isRefused(bareOf(voteSignBytes(VOTE, chainId))), expected);
    assert.equal(isRefused(bareOf(proposalSignBytes(PROPOSAL, chainId))), expected);
    assert.equal(isRefused(bareOf(extensionSignBytes(VOTE, chainId))), expected);
  }
});

test("CometBFT's own vectors are refused, though no chain would take them", () => {
  for (const hex of [
    "0d2a0b088092b8c398feffffff01",
    "2108021101000000000000001901000000000000002a0b088092b8c398feffffff01",
    "2e1101000000000000001901000000000000002a0b088092b8c398feffffff01320d746573745f636861696e5f6964",
  ]) {
    assert(isRefused(fromHex(hex)), hex);
  }
});

test("fields in another order are refused too, and an empty message with its length", () => {
  // chain_id, height, type.
  const message = "320d746573745f636861696e5f69641164000000000000000802";
  assert(isRefused(fromHex(message)));
  assert(isRefused(fromHex(`1a${message}`)));
  assert(isRefused(fromHex("00")));
});

test("what begins as Celestia's raw bytes is refused, whatever follows", () => {
  const prefix = Buffer.from("COMET::RAW_BYTES::SIGN");
  assert(isRefused(rawBytesSignBytes({ chainId: CHAIN, rawBytes: HASH, uniqueId: "uid" })));
  assert(isRefused(prefix));
  assert(isRefused(Buffer.concat([prefix, Buffer.from("x")])));
  assert(!isRefused(prefix.subarray(0, -1)));
  assert(!isRefused(Buffer.from("COMET::RAW_BYTES::SIGM and more")));
});

test("other bytes pass: texts, hashes, messages with a field that no canonical one has", () => {
  const rows: readonly Uint8Array[] = [
    new Uint8Array(0),
    Buffer.from("celestia-fibre-tls:"),
    Buffer.from("some text to be signed"),
    HASH,
    // Field 8; type as bytes; height as a varint; a length that is one too large, one too small.
    fromHex("02 4001"),
    fromHex("03 0a0101 00"),
    fromHex("02 1005"),
    fromHex("03 0802"),
    fromHex("01 0802"),
    // A height without a chain, a chain without a height: nobody's message, without its length.
    fromHex("116400000000000000"),
    fromHex("320d746573745f636861696e5f6964"),
    // Anything short in field 1 is an extension of no chain: refused only with its length.
    fromHex("0a03010203"),
  ];
  for (const bytes of rows)
    assert.equal(decideRawBytes(bytes), null, Buffer.from(bytes).toString("hex"));
  assert(isRefused(fromHex("05 0a03010203")));
});

test("of 200,000 hashes none is taken for a message", () => {
  let digest: Uint8Array = HASH;
  let refusedCount = 0;
  for (let count = 0; count < 200_000; count++) {
    digest = createHash("sha256").update(digest).digest();
    if (decideRawBytes(digest) !== null) refusedCount += 1;
  }
  assert.equal(refusedCount, 0);
});

test("no bytes make the filter throw", () => {
  check(
    property(uint8Array({ maxLength: 64 }), (bytes) => {
      const why = decideRawBytes(bytes);
      assert(why === null || why.code === "REQUEST_BYTES_CONSENSUS");
    }),
  );
});
