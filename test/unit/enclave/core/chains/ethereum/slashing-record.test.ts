// What records forbid, how they join and how they lie in bytes; what is decided against them is in
// slashing-rule.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type EthereumFloor,
  type EthereumRecord,
  encodeEthereumRecord,
  ethereumRule,
  type ImportedFloor,
  NO_FLOOR as LOWEST,
  maximaBelow,
  parseEthereumRecord,
  raiseEthereumRecord,
  recordOfMaxima,
  type SignedBlock,
  type SignedVote,
} from "../../../../../../enclave/core/chains/ethereum/slashing-rule.ts";
import { NO_FLOOR, rootOf } from "../../../../../fakes/ledger-rig.ts";

// Buffers do not compare as plain bytes.
const A = new Uint8Array(rootOf("a"));
const B = new Uint8Array(rootOf("b"));
const v = (source: bigint, target: bigint, root: Uint8Array | null): SignedVote => ({
  source,
  target,
  root,
});
const b = (slot: bigint, root: Uint8Array | null): SignedBlock => ({ slot, root });
const unreceipted = <T extends object>(signed: T) => ({ ...signed, isUnreceipted: true as const });
const u64 = (value: bigint) => value.toString(16).padStart(16, "0");
const root = (name: string | null) =>
  name === null ? "00".repeat(32) : Buffer.from(rootOf(name)).toString("hex");
const SIGNED = { slot: 100n, root: A };

test("a record's bytes have this layout, whatever version of the program reads them", () => {
  const rows: readonly (readonly [EthereumRecord, string])[] = [
    [ethereumRule.empty, `00${"00".repeat(88)}`],
    [
      { block: { slot: 7n, root: A }, vote: { source: 8n, target: 9n, root: B } },
      `0f${u64(7n)}${root("a")}${u64(8n)}${u64(9n)}${root("b")}`,
    ],
    [
      { block: unreceipted(b(7n, A)), vote: v(8n, 9n, B) },
      `1f${u64(7n)}${root("a")}${u64(8n)}${u64(9n)}${root("b")}`,
    ],
    [
      { block: b(7n, A), vote: unreceipted(v(8n, 9n, B)) },
      `2f${u64(7n)}${root("a")}${u64(8n)}${u64(9n)}${root("b")}`,
    ],
    [{ block: { slot: 7n, root: null }, vote: null }, `01${u64(7n)}${"00".repeat(80)}`],
    [
      { block: null, vote: { source: 8n, target: 9n, root: null } },
      `04${u64(0n)}${root(null)}${u64(8n)}${u64(9n)}${root(null)}`,
    ],
  ];
  for (const [record, hex] of rows) {
    assert.equal(Buffer.from(encodeEthereumRecord(record)).toString("hex"), hex);
    // Where the bytes lie does not matter.
    const moved = new Uint8Array(Buffer.from(`ffff${hex}`, "hex")).subarray(2);
    assert.deepEqual(parseEthereumRecord(moved), record);
  }
});

test("a vote record is followed by one that forbids as much, at each of its heights", () => {
  const rows: readonly (readonly [SignedVote | null, SignedVote | null, boolean])[] = [
    [null, null, true],
    [null, v(1n, 2n, A), true],
    [v(5n, 9n, A), null, false],
    [v(5n, 9n, A), v(5n, 9n, A), true],
    [v(5n, 9n, A), v(5n, 9n, B), false],
    [v(5n, 9n, A), v(6n, 9n, B), false],
    [v(5n, 9n, A), v(5n, 9n, null), true],
    [v(5n, 9n, null), v(5n, 9n, A), false],
    [v(5n, 9n, null), v(5n, 9n, null), true],
    [v(5n, 9n, A), v(5n, 10n, B), true],
    [v(5n, 9n, A), v(6n, 10n, null), true],
    [v(5n, 9n, A), v(4n, 10n, A), false],
    [v(5n, 9n, A), v(4n, 9n, A), false],
    [v(5n, 9n, A), v(5n, 8n, A), false],
    [v(5n, 9n, A), v(6n, 8n, A), false],
  ];
  for (const [earlier, later, isSuccessor] of rows) {
    assert.equal(
      ethereumRule.isSuccessor({ block: null, vote: earlier }, { block: null, vote: later }),
      isSuccessor,
    );
    // The other half of the record decides as much.
    assert.equal(
      ethereumRule.isSuccessor({ block: SIGNED, vote: earlier }, { block: null, vote: later }),
      false,
    );
  }
});

test("a block record is followed by one that forbids as much", () => {
  const rows: readonly (readonly [SignedBlock | null, SignedBlock | null, boolean])[] = [
    [null, null, true],
    [null, b(7n, A), true],
    [b(7n, A), null, false],
    [b(7n, A), b(7n, A), true],
    [b(7n, A), b(7n, B), false],
    [b(7n, A), b(7n, null), true],
    [b(7n, null), b(7n, A), false],
    [b(7n, A), b(8n, B), true],
    [b(7n, A), b(6n, A), false],
  ];
  for (const [earlier, later, isSuccessor] of rows) {
    assert.equal(
      ethereumRule.isSuccessor({ block: earlier, vote: null }, { block: later, vote: null }),
      isSuccessor,
    );
  }
});

type Joins<T> = readonly (readonly [raised: T | null, stored: T | null, joined: T | null])[];

test("two blocks join to the least that forbids both, and what only was raised has no receipt", () => {
  const rows: Joins<SignedBlock> = [
    [null, null, null],
    [b(7n, A), null, unreceipted(b(7n, A))],
    [null, b(7n, A), b(7n, A)],
    [b(8n, B), b(7n, A), unreceipted(b(8n, B))],
    [b(7n, A), b(8n, B), b(8n, B)],
    [b(8n, null), b(7n, A), b(8n, null)],
    [b(7n, A), b(8n, null), b(8n, null)],
    [b(7n, A), b(7n, A), b(7n, A)],
    [b(7n, A), b(7n, B), b(7n, null)],
    [b(7n, A), b(7n, null), b(7n, null)],
    [b(7n, null), b(7n, A), b(7n, null)],
    // The store says whether there is a receipt, whatever was thought of it.
    [b(7n, A), unreceipted(b(7n, A)), unreceipted(b(7n, A))],
    [unreceipted(b(7n, A)), b(7n, A), b(7n, A)],
    [unreceipted(b(7n, A)), b(7n, B), b(7n, null)],
    [b(7n, A), unreceipted(b(8n, B)), unreceipted(b(8n, B))],
  ];
  for (const [raised, stored, joined] of rows) {
    const record = ethereumRule.join({ block: raised, vote: null }, { block: stored, vote: null });
    assert.deepEqual(record, { block: joined, vote: null });
  }
});

test("two votes join to the least that forbids both, and what only was raised has no receipt", () => {
  const rows: Joins<SignedVote> = [
    [null, null, null],
    [v(1n, 2n, A), null, unreceipted(v(1n, 2n, A))],
    [null, v(1n, 2n, A), v(1n, 2n, A)],
    [v(1n, 9n, A), v(5n, 8n, B), unreceipted(v(5n, 9n, A))],
    [v(5n, 8n, B), v(1n, 9n, A), v(5n, 9n, A)],
    [v(1n, 9n, null), v(5n, 8n, B), v(5n, 9n, null)],
    [v(1n, 9n, A), v(5n, 9n, A), v(5n, 9n, A)],
    [v(5n, 9n, A), v(1n, 9n, A), v(5n, 9n, A)],
    [v(1n, 9n, A), v(5n, 9n, B), v(5n, 9n, null)],
    [v(1n, 9n, A), v(1n, 9n, null), v(1n, 9n, null)],
    [v(1n, 9n, null), v(1n, 9n, A), v(1n, 9n, null)],
    [v(1n, 9n, A), unreceipted(v(1n, 9n, A)), unreceipted(v(1n, 9n, A))],
    [unreceipted(v(1n, 9n, A)), v(1n, 9n, A), v(1n, 9n, A)],
    [unreceipted(v(1n, 9n, A)), v(1n, 9n, B), v(1n, 9n, null)],
    [v(5n, 8n, A), unreceipted(v(1n, 9n, B)), unreceipted(v(5n, 9n, B))],
  ];
  for (const [raised, stored, joined] of rows) {
    const record = ethereumRule.join({ block: null, vote: raised }, { block: null, vote: stored });
    assert.deepEqual(record, { block: null, vote: joined });
  }
});

test("below a floor lies what is one less; at zero, nothing", () => {
  assert.deepEqual(maximaBelow({ slot: 100n, source: 10n, target: 20n }), {
    blockSlot: 99n,
    source: 10n,
    target: 19n,
  });
  assert.deepEqual(maximaBelow({ slot: 1n, source: 0n, target: 1n }), {
    blockSlot: 0n,
    source: 0n,
    target: 0n,
  });
  const none = { blockSlot: null, source: null, target: null };
  assert.deepEqual(maximaBelow(NO_FLOOR), none);
});

test("maxima make a record without roots, and the floor that lies just above it", () => {
  const none = { blockSlot: null, source: null, target: null };
  const rows: readonly (readonly [ImportedFloor, EthereumRecord, EthereumFloor])[] = [
    [none, ethereumRule.empty, NO_FLOOR],
    [
      { blockSlot: 99n, source: 10n, target: 19n },
      { block: { slot: 99n, root: null }, vote: { source: 10n, target: 19n, root: null } },
      { slot: 100n, source: 10n, target: 20n },
    ],
    [
      { ...none, blockSlot: 0n },
      { block: { slot: 0n, root: null }, vote: null },
      { ...NO_FLOOR, slot: 1n },
    ],
    [
      { ...none, source: 0n, target: 0n },
      { block: null, vote: { source: 0n, target: 0n, root: null } },
      { ...NO_FLOOR, target: 1n },
    ],
    // Half of a vote states nothing.
    [{ ...none, source: 3n }, ethereumRule.empty, NO_FLOOR],
    [{ ...none, target: 3n }, ethereumRule.empty, NO_FLOOR],
  ];
  for (const [maxima, record, floor] of rows) {
    assert.deepEqual(recordOfMaxima(maxima), { record, floor });
  }
});

test("bytes that are cut off or go on are no record, whatever their flags say", () => {
  const whole = encodeEthereumRecord({ block: b(7n, A), vote: v(1n, 2n, B) });
  for (let length = 0; length < whole.length; length += 1) {
    assert.equal(parseEthereumRecord(whole.subarray(0, length)), undefined, String(length));
  }
  assert.equal(parseEthereumRecord(Uint8Array.of(...whole, 0)), undefined);
});

test("bytes whose flags no record has are none", () => {
  const bytes = encodeEthereumRecord({ block: b(7n, A), vote: v(1n, 2n, null) });
  // The vote has no root that could lack its receipt; 64 and 128 mean nothing.
  for (const flag of [32, 64, 128]) {
    const changed = bytes.slice();
    changed[0] = 7 | flag;
    assert.equal(parseEthereumRecord(changed), undefined, String(flag));
  }
  bytes[0] = 7 | 16;
  assert.notEqual(parseEthereumRecord(bytes), undefined);
});

test("a root that is given up takes along that it has no receipt", () => {
  const record = { block: unreceipted(b(7n, A)), vote: unreceipted(v(1n, 2n, A)) };
  const raised = raiseEthereumRecord(record, { blockSlot: 8n, source: 1n, target: 3n });
  assert.deepEqual(raised, { block: b(8n, null), vote: v(1n, 3n, null) });
  const same = raiseEthereumRecord(record, { blockSlot: 7n, source: 1n, target: 2n });
  assert.deepEqual(same, record);
});

test("an import of one half of a vote raises that half", () => {
  const record = { block: null, vote: v(3n, 9n, A) };
  const raise = (floor: Partial<ImportedFloor>) =>
    raiseEthereumRecord(record, { blockSlot: null, source: null, target: null, ...floor }).vote;
  assert.deepEqual(raise({ source: 5n }), v(5n, 9n, null));
  assert.deepEqual(raise({ target: 11n }), v(3n, 11n, null));
  assert.deepEqual(raise({}), record.vote);
});

test("no floor is the lowest there is", () => {
  assert.deepEqual(LOWEST, { slot: 0n, source: 0n, target: 0n });
});
