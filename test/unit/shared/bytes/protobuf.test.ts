import assert from "node:assert/strict";
import { test } from "node:test";
import { bigInt, assert as check, property, uint8Array } from "fast-check";
import {
  bytesIn,
  encodeDelimited,
  encodeVarint,
  FIELD_COUNT_MAX,
  int32In,
  int64In,
  numberIn,
  type ProtoFields,
  type ProtoValue,
  parseProto,
  protoBytes,
  protoFixed64,
  protoMessage,
  protoVarint,
  readVarint,
  uint32In,
} from "../../../../shared/bytes/protobuf.ts";
import { InvariantError } from "../../../../shared/invariant.ts";

const FIELDS: ProtoFields = { 1: "varint", 2: "fixed64", 3: "bytes" };

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function parsed(hex: string): readonly (readonly [number, ProtoValue])[] | undefined {
  const values = parseProto(fromHex(hex), FIELDS);
  return values === undefined ? undefined : [...values];
}

test("numbers, bytes and messages have protobuf's encoding, and zero none", () => {
  const rows: readonly (readonly [Uint8Array, string])[] = [
    [protoVarint(1, 0n), ""],
    [protoVarint(1, 1n), "0801"],
    [protoVarint(1, 300n), "08ac02"],
    [protoVarint(4, -1n), "20ffffffffffffffffff01"],
    [protoVarint(16, 1n), "800101"],
    [protoFixed64(2, 0n), ""],
    [protoFixed64(2, 100n), "116400000000000000"],
    [protoFixed64(2, -1n), "11ffffffffffffffff"],
    [protoBytes(3, new Uint8Array(0)), ""],
    [protoBytes(3, Uint8Array.of(7)), "1a0107"],
    [protoMessage(3, new Uint8Array(0)), "1a00"],
    [encodeDelimited(new Uint8Array(200)), `c801${"00".repeat(200)}`],
  ];
  for (const [bytes, hex] of rows) assert.equal(toHex(bytes), hex);
});

test("listed fields are read in any order, others are skipped", () => {
  const rows: readonly (readonly [string, ReturnType<typeof parsed>])[] = [
    ["", []],
    ["0801", [[1, 1n]]],
    ["116400000000000000", [[2, 100n]]],
    ["1a0107", [[3, fromHex("07")]]],
    ["1a00", [[3, fromHex("")]]],
    [
      "1a01070801",
      [
        [3, fromHex("07")],
        [1, 1n],
      ],
    ],
    // Of other numbers, in each wire type: varint, 8 bytes, bytes, 4 bytes.
    ["7801", []],
    ["790000000000000000", []],
    ["7a020102", []],
    ["7d00000000", []],
    ["0801780179000000000000000078017d00000000", [[1, 1n]]],
    ["7d000000000801", [[1, 1n]]],
    // The largest number that a field may have.
    ["f8ffffff0f01", []],
    ["08ffffffffffffffffff01", [[1, 2n ** 64n - 1n]]],
  ];
  for (const [hex, expected] of rows) assert.deepEqual(parsed(hex), expected, hex);
});

test("bytes that are no message, or one in another way, are none", () => {
  const rows = [
    // The field itself: cut off, number 0, number beyond 29 bits, a group.
    "08",
    "0001",
    "808080801001",
    "fdffffff1f00000000",
    "0b0c",
    // The value: too long, not the shortest, above 64 bits, cut off.
    "08ffffffffffffffffffff01",
    "088100",
    "08ffffffffffffffffff02",
    "0880808080808080808002",
    "1164000000000000",
    "1a02ff",
    "1affffffffffffffffff01",
    "7d000000",
    // A listed field in another wire type, or twice.
    "0a0101",
    "1001",
    "1801",
    "08010801",
    "1a001a00",
  ];
  for (const hex of rows) assert.equal(parsed(hex), undefined, hex);
});

test("a message has so many fields at most, known or not", () => {
  assert.equal(FIELD_COUNT_MAX, 16_384);
  assert.deepEqual(parsed("7801".repeat(FIELD_COUNT_MAX)), []);
  assert.deepEqual(parsed(`${"7801".repeat(FIELD_COUNT_MAX - 1)}0801`), [[1, 1n]]);
  assert.equal(parsed(`${"7801".repeat(FIELD_COUNT_MAX)}0801`), undefined);
  assert.equal(parsed("7801".repeat(FIELD_COUNT_MAX + 1)), undefined);
});

test("fields that are not listed refuse the message where the caller wants it so", () => {
  const rows: readonly (readonly [string, boolean])[] = [
    ["", true],
    ["0801", true],
    ["08011a00", true],
    ["08017801", false],
    ["7d00000000", false],
    ["7a00", false],
  ];
  for (const [hex, isMessage] of rows) {
    assert.equal(parseProto(fromHex(hex), FIELDS, "refuse") !== undefined, isMessage, hex);
    assert.notEqual(parseProto(fromHex(hex), FIELDS, "skip"), undefined, hex);
  }
});

test("a field that is left out is zero or empty, as its kind has it", () => {
  const none = new Map<number, ProtoValue>();
  assert.equal(numberIn(none, 1), 0n);
  assert.equal(int64In(none, 1), 0n);
  assert.equal(int32In(none, 1), 0);
  assert.equal(uint32In(none, 1), 0);
  assert.deepEqual(bytesIn(none, 1), new Uint8Array(0));
  assert.deepEqual(bytesIn(new Map([[3, Uint8Array.of(7)]]), 3), Uint8Array.of(7));
});

test("a field is read as what it is listed as, or the program is wrong", () => {
  assert.throws(() => numberIn(new Map([[1, new Uint8Array(0)]]), 1), InvariantError);
  assert.throws(() => bytesIn(new Map([[1, 0n]]), 1), InvariantError);
});

test("numbers are taken as the type of their field, within its range", () => {
  const rows: readonly (readonly [bigint, bigint, number | undefined, number | undefined])[] = [
    [0n, 0n, 0, 0],
    [2n ** 31n - 1n, 2n ** 31n - 1n, 2 ** 31 - 1, 2 ** 31 - 1],
    [2n ** 31n, 2n ** 31n, undefined, 2 ** 31],
    [2n ** 32n - 1n, 2n ** 32n - 1n, undefined, 2 ** 32 - 1],
    [2n ** 32n, 2n ** 32n, undefined, undefined],
    [2n ** 63n - 1n, 2n ** 63n - 1n, undefined, undefined],
    [2n ** 63n, -(2n ** 63n), undefined, undefined],
    [2n ** 64n - 1n, -1n, -1, undefined],
    [2n ** 64n - 2n ** 31n, -(2n ** 31n), -(2 ** 31), undefined],
    [2n ** 64n - 2n ** 31n - 1n, -(2n ** 31n) - 1n, undefined, undefined],
  ];
  for (const [value, int64, int32, uint32] of rows) {
    const values = new Map([[1, value]]);
    assert.equal(numberIn(values, 1), value);
    assert.equal(int64In(values, 1), int64);
    assert.equal(int32In(values, 1), int32);
    assert.equal(uint32In(values, 1), uint32);
  }
});

test("varints have seven bits in each byte, the lowest first", () => {
  const rows: readonly (readonly [bigint, string])[] = [
    [0n, "00"],
    [1n, "01"],
    [127n, "7f"],
    [128n, "8001"],
    [129n, "8101"],
    [255n, "ff01"],
    [16_383n, "ff7f"],
    [16_384n, "808001"],
    [2n ** 64n - 1n, "ffffffffffffffffff01"],
  ];
  for (const [value, hex] of rows) {
    assert.equal(toHex(encodeVarint(value)), hex);
    assert.deepEqual(readVarint(fromHex(hex), 0), { value, end: hex.length / 2 });
    assert.deepEqual(readVarint(fromHex(`00${hex}00`), 1), { value, end: 1 + hex.length / 2 });
    assert.equal(readVarint(fromHex(hex), hex.length / 2), undefined);
  }
});

test("every number below 2^64 has one varint, which reads as that number", () => {
  check(
    property(bigInt(0n, 2n ** 64n - 1n), (value) => {
      const bytes = encodeVarint(value);
      assert.deepEqual(readVarint(bytes, 0), { value, end: bytes.length });
    }),
  );
});

test("no bytes make the parser throw", () => {
  check(
    property(uint8Array({ maxLength: 64 }), (bytes) => {
      const values = parseProto(bytes, FIELDS);
      assert(values === undefined || values.size <= 3);
    }),
  );
});
