import assert from "node:assert/strict";
import { test } from "node:test";
import type { EthereumClaim } from "../../../../../../enclave/core/chains/ethereum/operation.ts";
import {
  type EthereumFloor,
  type EthereumRecord,
  encodeEthereumRecord,
  ethereumRule,
  highestFloor,
  parseEthereumRecord,
  raiseEthereumRecord,
} from "../../../../../../enclave/core/chains/ethereum/slashing-rule.ts";
import { block, NO_FLOOR, rootOf, vote } from "../../../../../fakes/ledger-rig.ts";

const A = rootOf("a");
const B = rootOf("b");
const U64_MAX = 2n ** 64n - 1n;
const SIGNED: EthereumRecord = {
  block: { slot: 100n, root: A },
  vote: { source: 10n, target: 20n, root: A },
};
const WITHOUT_ROOTS: EthereumRecord = {
  block: { slot: 100n, root: null },
  vote: { source: 10n, target: 20n, root: null },
};
/** What another write brought here. */
const UNRECEIPTED: EthereumRecord = {
  block: { slot: 100n, root: A, isUnreceipted: true },
  vote: { source: 10n, target: 20n, root: A, isUnreceipted: true },
};

function decide(
  record: EthereumRecord,
  claim: EthereumClaim,
  root: Uint8Array,
  floor: EthereumFloor = NO_FLOOR,
): string {
  const verdict = ethereumRule.decide(record, claim, root, floor);
  return verdict.kind === "refuse" ? verdict.refusal.code : verdict.kind;
}

test("a block is signed above the last slot, repeated at it, and refused elsewhere", () => {
  const rows: readonly (readonly [EthereumRecord, bigint, Uint8Array, string])[] = [
    [ethereumRule.empty, 0n, A, "approve"],
    [ethereumRule.empty, U64_MAX, A, "approve"],
    [SIGNED, 99n, A, "GUARD_BLOCK_BELOW"],
    [SIGNED, 100n, A, "repeat"],
    [SIGNED, 100n, B, "GUARD_BLOCK_DOUBLE"],
    [SIGNED, 101n, A, "approve"],
    [SIGNED, 101n, B, "approve"],
    [UNRECEIPTED, 99n, A, "GUARD_BLOCK_BELOW"],
    [UNRECEIPTED, 100n, A, "approve"],
    [UNRECEIPTED, 100n, B, "GUARD_BLOCK_DOUBLE"],
    [WITHOUT_ROOTS, 100n, A, "GUARD_BLOCK_DOUBLE"],
    [WITHOUT_ROOTS, 100n, new Uint8Array(32), "GUARD_BLOCK_DOUBLE"],
    [WITHOUT_ROOTS, 101n, A, "approve"],
  ];
  for (const [record, slot, root, expected] of rows) {
    assert.equal(decide(record, block(slot), root), expected, `slot ${slot}`);
  }
});

test("a vote is signed above the last target from the last source on, and refused elsewhere", () => {
  const rows: readonly (readonly [EthereumRecord, bigint, bigint, Uint8Array, string])[] = [
    [ethereumRule.empty, 0n, 0n, A, "approve"],
    [ethereumRule.empty, 0n, 1n, A, "approve"],
    [ethereumRule.empty, 1n, 1n, A, "GUARD_VOTE_ORDER"],
    [ethereumRule.empty, 2n, 1n, A, "GUARD_VOTE_ORDER"],
    [ethereumRule.empty, U64_MAX - 1n, U64_MAX, A, "approve"],
    [SIGNED, 9n, 21n, A, "GUARD_VOTE_SOURCE_BELOW"],
    [SIGNED, 9n, 20n, A, "GUARD_VOTE_SOURCE_BELOW"],
    [SIGNED, 10n, 19n, A, "GUARD_VOTE_TARGET_BELOW"],
    [SIGNED, 10n, 20n, A, "repeat"],
    [SIGNED, 10n, 20n, B, "GUARD_VOTE_DOUBLE"],
    [SIGNED, 11n, 20n, B, "GUARD_VOTE_DOUBLE"],
    [SIGNED, 10n, 21n, A, "approve"],
    [SIGNED, 20n, 21n, B, "approve"],
    [SIGNED, 21n, 21n, B, "GUARD_VOTE_ORDER"],
    [SIGNED, 11n, 19n, A, "GUARD_VOTE_TARGET_BELOW"],
    [UNRECEIPTED, 9n, 20n, A, "GUARD_VOTE_SOURCE_BELOW"],
    [UNRECEIPTED, 10n, 19n, A, "GUARD_VOTE_TARGET_BELOW"],
    [UNRECEIPTED, 10n, 20n, A, "approve"],
    [UNRECEIPTED, 10n, 20n, B, "GUARD_VOTE_DOUBLE"],
    [WITHOUT_ROOTS, 10n, 20n, A, "GUARD_VOTE_DOUBLE"],
    [WITHOUT_ROOTS, 10n, 20n, new Uint8Array(32), "GUARD_VOTE_DOUBLE"],
    [WITHOUT_ROOTS, 10n, 21n, A, "approve"],
  ];
  for (const [record, source, target, root, expected] of rows) {
    assert.equal(decide(record, vote(source, target), root), expected, `${source} -> ${target}`);
  }
});

test("a root without receipt is recorded as its own write would, and the other stays as it is", () => {
  const approve = (claim: EthereumClaim) => {
    const verdict = ethereumRule.decide(UNRECEIPTED, claim, A, NO_FLOOR);
    return verdict.kind === "approve" ? verdict.record : null;
  };
  assert.deepEqual(approve(block(100)), { block: SIGNED.block, vote: UNRECEIPTED.vote });
  assert.deepEqual(approve(vote(10, 20)), { block: UNRECEIPTED.block, vote: SIGNED.vote });
});

test("a root without receipt is bound by the floor as any other", () => {
  const floor = { slot: 101n, source: 11n, target: 20n };
  assert.equal(decide(UNRECEIPTED, block(100), A, floor), "GUARD_BOOT_FLOOR");
  assert.equal(decide(UNRECEIPTED, vote(10, 20), A, floor), "GUARD_BOOT_FLOOR");
  assert.equal(decide(UNRECEIPTED, block(100), A, { ...floor, slot: 100n }), "approve");
});

test("the floor holds for new claims and for repeats, at each of its three heights", () => {
  const floor = { slot: 100n, source: 10n, target: 20n };
  const rows: readonly (readonly [EthereumRecord, EthereumClaim, EthereumFloor, string])[] = [
    [ethereumRule.empty, block(99), floor, "GUARD_BOOT_FLOOR"],
    [ethereumRule.empty, block(100), floor, "approve"],
    [ethereumRule.empty, vote(9, 20), floor, "GUARD_BOOT_FLOOR"],
    [ethereumRule.empty, vote(10, 19), floor, "GUARD_BOOT_FLOOR"],
    [ethereumRule.empty, vote(10, 20), floor, "approve"],
    [SIGNED, block(100), floor, "repeat"],
    [SIGNED, block(100), { ...floor, slot: 101n }, "GUARD_BOOT_FLOOR"],
    [SIGNED, vote(10, 20), floor, "repeat"],
    [SIGNED, vote(10, 20), { ...floor, source: 11n }, "GUARD_BOOT_FLOOR"],
    [SIGNED, vote(10, 20), { ...floor, target: 21n }, "GUARD_BOOT_FLOOR"],
    [SIGNED, vote(10, 21), { ...floor, source: 11n }, "GUARD_BOOT_FLOOR"],
    // What is slashable is called by its name, also below the floor.
    [SIGNED, block(99), { ...floor, slot: 200n }, "GUARD_BLOCK_BELOW"],
  ];
  for (const [record, claim, at, expected] of rows) {
    assert.equal(decide(record, claim, A, at), expected, describe(claim));
  }
});

function describe(claim: EthereumClaim): string {
  return claim.kind === "block" ? `${claim.slot}` : `${claim.source} -> ${claim.target}`;
}

test("approving one kind leaves the record of the other as it was", () => {
  const onBlock = ethereumRule.decide(SIGNED, block(101), B, NO_FLOOR);
  assert(onBlock.kind === "approve");
  assert.deepEqual(onBlock.record, { block: { slot: 101n, root: B }, vote: SIGNED.vote });
  const onVote = ethereumRule.decide(SIGNED, vote(11, 21), B, NO_FLOOR);
  assert(onVote.kind === "approve");
  const voted = { source: 11n, target: 21n, root: B };
  assert.deepEqual(onVote.record, { block: SIGNED.block, vote: voted });
});

test("the higher of two floors is higher at each height", () => {
  const a = { slot: 1n, source: 9n, target: 3n };
  const b = { slot: 2n, source: 5n, target: 3n };
  assert.deepEqual(highestFloor(a, b), { slot: 2n, source: 9n, target: 3n });
  assert.deepEqual(highestFloor(b, a), { slot: 2n, source: 9n, target: 3n });
});

test("an import raises what is below it, forgets the root of what it raises, and lowers nothing", () => {
  const none = { blockSlot: null, source: null, target: null };
  const rows: readonly (readonly [
    Partial<typeof none> | object,
    EthereumRecord,
    EthereumRecord,
  ])[] = [
    [none, SIGNED, SIGNED],
    [none, ethereumRule.empty, ethereumRule.empty],
    [{ blockSlot: 99n }, SIGNED, SIGNED],
    [{ blockSlot: 100n }, SIGNED, SIGNED],
    [{ blockSlot: 101n }, SIGNED, { ...SIGNED, block: { slot: 101n, root: null } }],
    [{ source: 10n, target: 20n }, SIGNED, SIGNED],
    [{ source: 5n, target: 5n }, SIGNED, SIGNED],
    [
      { source: 5n, target: 21n },
      SIGNED,
      { ...SIGNED, vote: { source: 10n, target: 21n, root: null } },
    ],
    [
      { source: 11n, target: 5n },
      SIGNED,
      { ...SIGNED, vote: { source: 11n, target: 20n, root: null } },
    ],
    [
      { blockSlot: 0n, source: 0n, target: 0n },
      ethereumRule.empty,
      { block: { slot: 0n, root: null }, vote: { source: 0n, target: 0n, root: null } },
    ],
    [
      { target: 7n },
      ethereumRule.empty,
      { block: null, vote: { source: 0n, target: 7n, root: null } },
    ],
  ];
  for (const [floor, before, after] of rows) {
    const raised = raiseEthereumRecord(before, { ...none, ...floor });
    assert.deepEqual(raised, after);
    assert(ethereumRule.isSuccessor(before, raised));
  }
});

test("a record's bytes are what they are parsed from, and nothing else parses", () => {
  const records: readonly EthereumRecord[] = [
    ethereumRule.empty,
    SIGNED,
    WITHOUT_ROOTS,
    { block: SIGNED.block, vote: null },
    { block: null, vote: SIGNED.vote },
    {
      block: { slot: U64_MAX, root: new Uint8Array(32) },
      vote: { source: U64_MAX, target: U64_MAX, root: new Uint8Array(32) },
    },
  ];
  for (const record of records) {
    const bytes = encodeEthereumRecord(record);
    assert.deepEqual(parseEthereumRecord(bytes), normal(record));
    assert.equal(parseEthereumRecord(bytes.subarray(1)), undefined);
    assert.equal(parseEthereumRecord(new Uint8Array([...bytes, 0])), undefined);
  }
  assert.equal(parseEthereumRecord(new Uint8Array(0)), undefined);
  const empty = encodeEthereumRecord(ethereumRule.empty);
  for (let at = 0; at < empty.length; at++) {
    const changed = empty.slice();
    changed[at] = at === 0 ? 0x10 : 1;
    assert.equal(parseEthereumRecord(changed), undefined, `byte ${at} of an empty record`);
  }
  for (const flags of [2, 8, 10]) {
    const changed = empty.slice();
    changed[0] = flags;
    assert.equal(parseEthereumRecord(changed), undefined, `a root without its height: ${flags}`);
  }
});

function plain(root: Uint8Array | null): Uint8Array | null {
  return root === null ? null : new Uint8Array(root);
}

/** Roots that are Buffers compare as plain bytes. */
function normal({ block, vote }: EthereumRecord): EthereumRecord {
  return {
    block: block === null ? null : { ...block, root: plain(block.root) },
    vote: vote === null ? null : { ...vote, root: plain(vote.root) },
  };
}

function details(claim: EthereumClaim): unknown {
  const verdict = ethereumRule.decide(SIGNED, claim, B, NO_FLOOR);
  assert(verdict.kind === "refuse");
  return verdict.refusal.detail;
}

test("a refusal says what was asked for, and what it was held against", () => {
  assert.deepEqual(details(block(99)), [99n, 100n]);
  assert.deepEqual(details(block(100)), [100n]);
  assert.deepEqual(details(vote(9, 21)), [9n, 10n]);
  assert.deepEqual(details(vote(10, 19)), [19n, 20n]);
  assert.deepEqual(details(vote(10, 20)), [20n]);
});
