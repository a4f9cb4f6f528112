// What records hold, how imports raise them and how they lie in bytes; what is decided against them
// is in consensus-rule.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeTendermintRecord,
  highestFloor,
  type ImportedPosition,
  lastWord,
  maximumOf,
  NO_FLOOR,
  parseTendermintRecord,
  raiseTendermintRecord,
  recordAt,
  type SignedStep,
  type TendermintRecord,
  withoutRoot,
} from "../../../../../../enclave/core/chains/tendermint/consensus-record.ts";
import { tendermintRule } from "../../../../../../enclave/core/chains/tendermint/consensus-rule.ts";
import {
  type Position,
  type TendermintStep,
} from "../../../../../../enclave/core/chains/tendermint/position.ts";
import { ZERO_TIME } from "../../../../../../enclave/core/chains/tendermint/timestamp.ts";
import { unreceipted } from "../../../../../../enclave/core/signed-root.ts";
import { HEIGHT_MAX, ROUND_MAX } from "../../../../../../shared/limits.ts";
import { fromHex, hexOf, TIME } from "../../../../../fakes/privval-node.ts";

const A = new Uint8Array(32).fill(0xaa);
const EMPTY: TendermintRecord = { reserved: null, last: null };
const at = (height: bigint, round: number, step: TendermintStep): Position => ({
  height,
  round,
  step,
});
const SIGNED: SignedStep = { ...at(100n, 2, "prevote"), root: A, timestamp: TIME };
const NO_TIME = { seconds: 0n, nanos: 0 };

const u64 = (value: bigint) => BigInt.asUintN(64, value).toString(16).padStart(16, "0");
const u32 = (value: number) => value.toString(16).padStart(8, "0");
const ZERO_ROOT = "00".repeat(32);
const ROOT_A = "aa".repeat(32);

test("a record's bytes have this layout, whatever version of the program reads them", () => {
  const time = `${u64(TIME.seconds)}${u32(TIME.nanos)}`;
  const rows: readonly (readonly [TendermintRecord, string])[] = [
    [EMPTY, "00".repeat(58)],
    [{ reserved: null, last: SIGNED }, `03${u64(100n)}${u32(2)}02${ROOT_A}${time}`],
    [{ reserved: null, last: unreceipted(SIGNED) }, `07${u64(100n)}${u32(2)}02${ROOT_A}${time}`],
    [
      { reserved: null, last: { ...SIGNED, step: "proposal", timestamp: ZERO_TIME } },
      `03${u64(100n)}${u32(2)}01${ROOT_A}${u64(-62_135_596_800n)}${u32(0)}`,
    ],
    [
      { reserved: null, last: withoutRoot(at(HEIGHT_MAX, ROUND_MAX, "precommit")) },
      `01${u64(HEIGHT_MAX)}${u32(ROUND_MAX)}03${ZERO_ROOT}${u64(0n)}${u32(0)}`,
    ],
    // A root that is zero is a root.
    [
      { reserved: null, last: { ...SIGNED, root: new Uint8Array(32), timestamp: NO_TIME } },
      `03${u64(100n)}${u32(2)}02${ZERO_ROOT}${u64(0n)}${u32(0)}`,
    ],
  ];
  for (const [record, hex] of rows) {
    const bytes = encodeTendermintRecord(record);
    assert.equal(hexOf(bytes), hex);
    assert.deepEqual(parseTendermintRecord(bytes), record);
    // Where the bytes lie does not matter.
    assert.deepEqual(parseTendermintRecord(fromHex(`ff${hex}ff`).subarray(1, 59)), record);
  }
});

test("a record that was parsed keeps nothing of the bytes", () => {
  const bytes = encodeTendermintRecord({ reserved: null, last: SIGNED });
  const record = parseTendermintRecord(bytes);
  bytes.fill(0);
  assert.deepEqual(record, { reserved: null, last: SIGNED });
});

/** What is parsed of the bytes with one of them exchanged. */
function changed(bytes: Uint8Array, place: number, value: number): TendermintRecord | undefined {
  const copy = bytes.slice();
  copy[place] = value;
  return parseTendermintRecord(copy);
}

test("nothing else parses: other lengths, flags, steps, times, or bytes of what is absent", () => {
  const whole = encodeTendermintRecord({ reserved: null, last: SIGNED });
  assert.equal(parseTendermintRecord(new Uint8Array(0)), undefined);
  assert.equal(parseTendermintRecord(whole.subarray(1)), undefined);
  assert.equal(parseTendermintRecord(whole.subarray(0, 57)), undefined);
  assert.equal(parseTendermintRecord(new Uint8Array([...whole, 0])), undefined);
  for (let place = 0; place < 58; place++) {
    const empty = new Uint8Array(58);
    assert.equal(changed(empty, place, place === 0 ? 8 : 1), undefined, `byte ${place}`);
  }
  // All flags but those that a record with a root may have; with 1 its root would be in the way.
  for (let flags = 0; flags < 256; flags++) {
    const isRecord = flags === 3 || flags === 7;
    assert.equal(changed(whole, 0, flags) !== undefined, isRecord, `flags ${flags}`);
  }
  const bare = encodeTendermintRecord({ reserved: null, last: withoutRoot(SIGNED) });
  for (const flags of [0, 4, 5, 8, 9]) assert.equal(changed(bare, 0, flags), undefined);
  for (const step of [0, 4, 255]) assert.equal(changed(whole, 13, step), undefined);
  for (const place of [14, 45, 46, 57]) assert.equal(changed(bare, place, 1), undefined);
  // Before year 1, after 9999, and a billion nanoseconds.
  assert.equal(changed(whole, 46, 0x80), undefined);
  assert.equal(changed(whole, 46, 0x7f), undefined);
  assert.equal(changed(whole, 54, 0xff), undefined);
});

test("a reservation follows the step, and stands with or without one", () => {
  const holder = new Uint8Array(16).fill(7);
  const reserved = { height: HEIGHT_MAX, holder };
  for (const last of [null, SIGNED, withoutRoot(SIGNED), unreceipted(SIGNED)]) {
    const bytes = encodeTendermintRecord({ last, reserved });
    const bare = encodeTendermintRecord({ last, reserved: null });
    const flags = (bare[0] ?? 0) | 8;
    const step = hexOf(bare).slice(2);
    assert.equal(
      hexOf(bytes),
      `${flags.toString(16).padStart(2, "0")}${step}${u64(HEIGHT_MAX)}${"07".repeat(16)}`,
    );
    assert.deepEqual(parseTendermintRecord(bytes), { last, reserved });
    assert.equal(parseTendermintRecord(bytes.subarray(0, 81)), undefined);
    assert.equal(parseTendermintRecord(new Uint8Array([...bytes, 0])), undefined);
    // The flag and the length say the same, or nothing is read.
    assert.equal(parseTendermintRecord(bytes.subarray(0, 58)), undefined);
    assert.equal(
      parseTendermintRecord(new Uint8Array([bare[0] ?? 0, ...bytes.subarray(1)])),
      undefined,
    );
  }
});

test("the last place that may have been signed is the end of what is reserved, or a step above", () => {
  const reserved = { height: 105n, holder: new Uint8Array(16) };
  const end = at(105n, ROUND_MAX, "precommit");
  const above = { ...SIGNED, height: 106n };
  assert.equal(maximumOf(EMPTY), null);
  assert.deepEqual(maximumOf({ last: SIGNED, reserved: null }), SIGNED);
  assert.deepEqual(maximumOf({ last: null, reserved }), end);
  assert.deepEqual(maximumOf({ last: SIGNED, reserved }), end);
  assert.deepEqual(maximumOf({ last: above, reserved }), above);
  assert.deepEqual(maximumOf({ last: { ...SIGNED, ...end }, reserved }), end);
});

test("the last word of a record has nothing reserved, and is at the end of what was", () => {
  const reserved = { height: 105n, holder: new Uint8Array(16).fill(1) };
  const end = withoutRoot(at(105n, ROUND_MAX, "precommit"));
  const above = { ...SIGNED, height: 106n };
  const rows: readonly (readonly [TendermintRecord, SignedStep | null])[] = [
    [EMPTY, null],
    [{ last: SIGNED, reserved: null }, SIGNED],
    [{ last: null, reserved }, end],
    [{ last: SIGNED, reserved }, end],
    [{ last: above, reserved }, above],
    [{ last: { ...SIGNED, ...end, root: A, timestamp: TIME }, reserved }, end],
  ];
  for (const [record, last] of rows) {
    assert.deepEqual(lastWord(record), { last, reserved: null });
    assert(tendermintRule.isSuccessor(record, lastWord(record)));
  }
});

test("an import raises what is below it, forgets what was signed there, and lowers nothing", () => {
  const record = { reserved: null, last: SIGNED };
  const rows: readonly (readonly [TendermintRecord, ImportedPosition, TendermintRecord])[] = [
    [EMPTY, null, EMPTY],
    [record, null, record],
    [EMPTY, at(1n, 0, "proposal"), { reserved: null, last: withoutRoot(at(1n, 0, "proposal")) }],
    [record, at(99n, ROUND_MAX, "precommit"), record],
    [record, at(100n, 1, "precommit"), record],
    [record, at(100n, 2, "proposal"), record],
    [record, at(100n, 2, "prevote"), record],
    [
      record,
      at(100n, 2, "precommit"),
      { reserved: null, last: withoutRoot(at(100n, 2, "precommit")) },
    ],
    [
      record,
      at(100n, 3, "proposal"),
      { reserved: null, last: withoutRoot(at(100n, 3, "proposal")) },
    ],
    [
      record,
      at(101n, 0, "proposal"),
      { reserved: null, last: withoutRoot(at(101n, 0, "proposal")) },
    ],
  ];
  for (const [before, imported, after] of rows) {
    const raised = raiseTendermintRecord(before, imported);
    assert.deepEqual(raised, after);
    assert(tendermintRule.isSuccessor(before, raised));
  }
});

test("a position without a root keeps nothing of what was signed there", () => {
  assert.deepEqual(withoutRoot(unreceipted(SIGNED)), {
    ...at(100n, 2, "prevote"),
    root: null,
    timestamp: NO_TIME,
  });
});

test("only a root can lack its receipt", () => {
  assert.deepEqual(unreceipted(SIGNED), { ...SIGNED, isUnreceipted: true });
  const bare = withoutRoot(SIGNED);
  assert.equal(unreceipted(bare), bare);
});

test("below no floor lies no place at all", () => {
  assert.deepEqual(NO_FLOOR, at(0n, 0, "proposal"));
});

test("the higher of two floors is the later place", () => {
  const low = at(5n, 9, "precommit");
  const high = at(6n, 0, "proposal");
  assert.deepEqual(highestFloor(low, high), high);
  assert.deepEqual(highestFloor(high, low), high);
  assert.deepEqual(highestFloor(NO_FLOOR, low), low);
  assert.deepEqual(highestFloor(low, { ...low }), low);
});

test("the record of a place states it without a root", () => {
  for (const place of [at(1n, 0, "proposal"), at(7n, ROUND_MAX, "precommit")]) {
    assert.deepEqual(recordAt({ ...place }), { last: withoutRoot(place), reserved: null });
  }
});
