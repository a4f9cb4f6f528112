import assert from "node:assert/strict";
import { createHash, createPublicKey, verify } from "node:crypto";
import { test } from "node:test";
import type { BlockId } from "../../../../../../enclave/core/chains/tendermint/block-id.ts";
import {
  type CanonicalVote,
  encodeCanonicalVote,
  extensionSignBytes,
  proposalRoot,
  proposalSignBytes,
  rawBytesSignBytes,
  UNBOUND_EXTENSION_SIGN_BYTES,
  voteRoot,
  voteSignBytes,
} from "../../../../../../enclave/core/chains/tendermint/canonical.ts";
import type { Proposal } from "../../../../../../enclave/core/chains/tendermint/proposal.ts";
import { ZERO_TIME } from "../../../../../../enclave/core/chains/tendermint/timestamp.ts";
import type { Vote } from "../../../../../../enclave/core/chains/tendermint/vote.ts";
import {
  CHAIN,
  fromHex,
  HASH,
  hexOf,
  OTHER_HASH,
  TIME,
} from "../../../../../fakes/privval-node.ts";

const H = hexOf(HASH);
const BLOCK_ID: BlockId = { hash: HASH, partCount: 1_000_000, partsHash: HASH };
const NONE = new Uint8Array(0);

/** Key A of tendermint.md §2.3, as SubjectPublicKeyInfo. */
const KEY = createPublicKey({
  key: Buffer.from(
    "302a300506032b65700321008f5a716b651b628b3e6fffd28f8b1fafc765fcfca53f7cad89f4680585c76680",
    "hex",
  ),
  format: "der",
  type: "spki",
});

const VOTE: Vote = {
  step: "prevote",
  height: 100n,
  round: 0,
  blockId: BLOCK_ID,
  timestamp: TIME,
  validatorAddress: new Uint8Array(20),
  validatorIndex: 0,
  extension: NONE,
};
const PROPOSAL: Proposal = {
  step: "proposal",
  height: 100n,
  round: 0,
  polRound: -1,
  blockId: BLOCK_ID,
  timestamp: TIME,
};

function isSigned(bytes: Uint8Array, signature: string): boolean {
  return verify(null, bytes, KEY, fromHex(signature));
}

test("votes have the sign bytes of CometBFT's own vectors (types/vote_test.go)", () => {
  const empty = { height: 0n, round: 0, blockId: null, timestamp: ZERO_TIME };
  const rows: readonly (readonly [CanonicalVote, string, string])[] = [
    [{ ...empty, type: 0 }, "", "0d2a0b088092b8c398feffffff01"],
    [
      { ...empty, type: 2, height: 1n, round: 1 },
      "",
      "2108021101000000000000001901000000000000002a0b088092b8c398feffffff01",
    ],
    [
      { ...empty, type: 0, height: 1n, round: 1 },
      CHAIN,
      "2e1101000000000000001901000000000000002a0b088092b8c398feffffff01320d746573745f636861696e5f6964",
    ],
  ];
  for (const [vote, chainId, hex] of rows) {
    assert.equal(hexOf(encodeCanonicalVote(vote, chainId)), hex);
  }
});

test("votes have the sign bytes of the vectors, which the vectors' signatures are over", () => {
  const prevote = voteSignBytes(VOTE, CHAIN);
  const precommit = voteSignBytes({ ...VOTE, step: "precommit", round: 2, blockId: null }, CHAIN);
  assert.equal(
    hexOf(prevote),
    `740801116400000000000000224a0a20${H}122608c0843d1220${H}2a0c08a2d8ffd30510c0f2e3ec02320d746573745f636861696e5f6964`,
  );
  assert.equal(
    hexOf(precommit),
    "3108021164000000000000001902000000000000002a0c08a2d8ffd30510c0f2e3ec02320d746573745f636861696e5f6964",
  );
  assert(
    isSigned(
      prevote,
      "78c10140ec54f6bf06c683208a2e8d892fdd43e84c48efea843f81d44763d129adb4ce2ec187e4d4a978b8b4bc2c554711fa25a115031801670015337a4edb07",
    ),
  );
  assert(
    isSigned(
      precommit,
      "f4e3cdbf0dc0210638ac7b4c377c3da824f93e8942c129c7bdfb483e2857b62557fc430f52093877ef246cbf76fe23df593f2d7f96dac5a2e1c4d77423c44501",
    ),
  );
});

test("proposals have the sign bytes of the vectors, which the vectors' signatures are over", () => {
  const first = proposalSignBytes(PROPOSAL, CHAIN);
  const later = proposalSignBytes({ ...PROPOSAL, round: 3, polRound: 0 }, CHAIN);
  assert.equal(
    hexOf(first),
    `7f082011640000000000000020ffffffffffffffffff012a4a0a20${H}122608c0843d1220${H}320c08a2d8ffd30510c0f2e3ec023a0d746573745f636861696e5f6964`,
  );
  assert.equal(
    hexOf(later),
    `7d08201164000000000000001903000000000000002a4a0a20${H}122608c0843d1220${H}320c08a2d8ffd30510c0f2e3ec023a0d746573745f636861696e5f6964`,
  );
  assert(
    isSigned(
      first,
      "dd85cd290e84de186b226524db2bcea881ec48eafe241793f5d15fbc0bc2f3547711d297663ab7735b4ff1d205e0bcd61585a2aa1bfa0de13e108c8483ca3703",
    ),
  );
  assert(
    isSigned(
      later,
      "66f159f3fec458b7498dbdcb9f73155a2ff0f8ec2593dbe4409625f8ee5762d5bde8cc72a5acbf204d776bc1406abe28bb056be8df56a86f5dae5d0d580dbe08",
    ),
  );
});

test("extensions have the sign bytes of the vectors, the empty one too", () => {
  const place = { height: 100n, round: 0 };
  const extension = new Uint8Array(Buffer.from("extension"));
  const full = extensionSignBytes({ ...place, extension }, CHAIN);
  const empty = extensionSignBytes({ ...place, extension: NONE }, CHAIN);
  assert.equal(
    hexOf(full),
    "230a09657874656e73696f6e116400000000000000220d746573745f636861696e5f6964",
  );
  assert.equal(hexOf(empty), "18116400000000000000220d746573745f636861696e5f6964");
  assert(
    isSigned(
      full,
      "1c2549e86a1da109828df49a965affd57504bfb23fd919e10bb44ecc6d628b6ad7ca7cf5935641229e02235db9b13cc797899b78eda04b6bf259ef91e60cda0c",
    ),
  );
  assert(
    isSigned(
      empty,
      "0112e895a6575a31fd02c7babeb80fb54d4e58de048637085680939e8ec3f9e7a95c96e7c58357ff973f46a8f505c3adc0c4ff3c01d6b198ef346733a6950a0c",
    ),
  );
});

test("an extension names its round, from the second one on", () => {
  const bytes = extensionSignBytes({ height: 1n, round: 2, extension: NONE }, "x");
  assert.equal(
    hexOf(bytes),
    `15 11${"01".padEnd(16, "0")}19${"02".padEnd(16, "0")}220178`.replace(" ", ""),
  );
});

test("Celestia's raw bytes have the sign bytes of the vector", () => {
  const rawBytes = new Uint8Array(Buffer.from("hello"));
  assert.equal(
    hexOf(rawBytesSignBytes({ chainId: CHAIN, rawBytes, uniqueId: "uid" })),
    "434f4d45543a3a5241575f42595445533a3a5349474e1b0a0d746573745f636861696e5f6964120568656c6c6f1a03756964",
  );
});

test("the second extension of v2 has no bytes but none, which no canonical message has", () => {
  assert.equal(UNBOUND_EXTENSION_SIGN_BYTES.length, 0);
});

/** Written anew: SHA-256 over the domain, the length and the fields that are not the time. */
function rootOver(hex: string): string {
  const message = Buffer.from(hex, "hex");
  return createHash("sha256")
    .update("redoubt tendermint root v1\0")
    .update(Buffer.from([message.length]))
    .update(message)
    .digest("hex");
}

test("a root is over the sign bytes without their time", () => {
  assert.equal(
    hexOf(voteRoot(VOTE, CHAIN)),
    rootOver(
      `0801116400000000000000224a0a20${H}122608c0843d1220${H}320d746573745f636861696e5f6964`,
    ),
  );
  assert.equal(
    hexOf(proposalRoot(PROPOSAL, CHAIN)),
    rootOver(
      `082011640000000000000020ffffffffffffffffff012a4a0a20${H}122608c0843d1220${H}3a0d746573745f636861696e5f6964`,
    ),
  );
});

test("votes have one root when they differ in nothing that is signed but their time", () => {
  const root = hexOf(voteRoot(VOTE, CHAIN));
  const other = { ...BLOCK_ID, hash: OTHER_HASH };
  const same: readonly Vote[] = [
    { ...VOTE, timestamp: ZERO_TIME },
    { ...VOTE, timestamp: { ...TIME, nanos: 0 } },
    { ...VOTE, validatorIndex: 9, validatorAddress: NONE },
    // Extensions may differ from one request to the next (§4.3).
    { ...VOTE, extension: new Uint8Array(3) },
  ];
  const different: readonly Vote[] = [
    { ...VOTE, step: "precommit" },
    { ...VOTE, height: 101n },
    { ...VOTE, round: 1 },
    { ...VOTE, blockId: null },
    { ...VOTE, blockId: other },
    { ...VOTE, blockId: { ...BLOCK_ID, partCount: 1 } },
    { ...VOTE, blockId: { ...BLOCK_ID, partsHash: OTHER_HASH } },
  ];
  for (const vote of same) assert.equal(hexOf(voteRoot(vote, CHAIN)), root);
  const roots = different.map((vote) => hexOf(voteRoot(vote, CHAIN)));
  roots.push(hexOf(voteRoot(VOTE, "test_chain_ie")));
  assert.equal(new Set([root, ...roots]).size, different.length + 2);
});

test("proposals have one root when they differ in nothing but their time", () => {
  const root = hexOf(proposalRoot(PROPOSAL, CHAIN));
  assert.equal(hexOf(proposalRoot({ ...PROPOSAL, timestamp: ZERO_TIME }, CHAIN)), root);
  const different: readonly Proposal[] = [
    { ...PROPOSAL, height: 101n },
    { ...PROPOSAL, round: 1 },
    { ...PROPOSAL, polRound: 0 },
    { ...PROPOSAL, polRound: 1 },
    { ...PROPOSAL, blockId: { ...BLOCK_ID, hash: OTHER_HASH } },
  ];
  const roots = different.map((proposal) => hexOf(proposalRoot(proposal, CHAIN)));
  roots.push(hexOf(proposalRoot(PROPOSAL, "test_chain_ie")));
  assert.equal(new Set([root, ...roots]).size, different.length + 2);
});

test("sign bytes of different kinds are never the same, whatever their fields", () => {
  const bytes = [
    voteSignBytes(VOTE, CHAIN),
    voteSignBytes({ ...VOTE, step: "precommit" }, CHAIN),
    voteSignBytes({ ...VOTE, blockId: null }, CHAIN),
    proposalSignBytes(PROPOSAL, CHAIN),
    extensionSignBytes(VOTE, CHAIN),
  ].map(hexOf);
  assert.equal(new Set(bytes).size, bytes.length);
});
