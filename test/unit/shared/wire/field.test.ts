import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CborValue } from "../../../../shared/bytes/cbor.ts";
import {
  bytesField,
  countField,
  type Field,
  flagField,
  listField,
  nullableField,
  recordField,
  textField,
  u64Field,
} from "../../../../shared/wire/field.ts";

type Row = {
  readonly name: string;
  readonly field: Field<unknown>;
  readonly accepted: readonly (readonly [CborValue, unknown])[];
  readonly refused: readonly (CborValue | undefined)[];
};

const bytes = (length: number) => new Uint8Array(length);
const same = (...values: readonly CborValue[]) => values.map((value) => [value, value] as const);
const MAP = new Map<CborValue, CborValue>();
const record = recordField({ a: countField(9), b: nullableField(textField(2)) });

const ROWS: readonly Row[] = [
  {
    name: "bytesField",
    field: bytesField(1, 3),
    accepted: same(bytes(1), bytes(3)),
    refused: [undefined, null, bytes(0), bytes(4), "ab", [1], 1, MAP],
  },
  {
    name: "textField",
    field: textField(2),
    accepted: same("", "ab", "\u00fc\u00fc"),
    refused: [undefined, null, "abc", "\u{1d7d8}a", bytes(1), ["a"], 1, true],
  },
  {
    name: "countField",
    field: countField(9),
    accepted: same(0, 9),
    refused: [undefined, null, -1, 10, 1n, 2n ** 53n, "1", true, [1], bytes(1)],
  },
  {
    name: "countField without a bound",
    field: countField(),
    accepted: same(0, Number.MAX_SAFE_INTEGER),
    refused: [-1, 2n ** 53n],
  },
  {
    name: "u64Field",
    field: u64Field,
    accepted: [
      [0, 0n],
      [7, 7n],
      [Number.MAX_SAFE_INTEGER, 2n ** 53n - 1n],
      [2n ** 53n, 2n ** 53n],
      [2n ** 64n - 1n, 2n ** 64n - 1n],
    ],
    refused: [undefined, null, -1, -(2n ** 64n), "1", bytes(8), true],
  },
  {
    name: "flagField",
    field: flagField,
    accepted: same(true, false),
    refused: [undefined, null, 0, 1, "true"],
  },
  {
    name: "nullableField",
    field: nullableField(countField(9)),
    accepted: same(null, 0, 9),
    refused: [undefined, 10, false, ""],
  },
  {
    name: "listField",
    field: listField(countField(9), 2),
    accepted: same([], [9], [0, 9]),
    refused: [undefined, null, [10], [0, 10], [1, 2, 3], [null], "ab", bytes(2), MAP, 1],
  },
  {
    name: "recordField",
    field: record,
    accepted: [
      [[1, "ab"], { a: 1, b: "ab" }],
      [[0, null], { a: 0, b: null }],
    ],
    refused: [undefined, null, [], [1], [1, "ab", 1], ["ab", 1], [10, "ab"], [1, "abc"], MAP],
  },
  {
    name: "recordField of nothing",
    field: recordField({}),
    accepted: [[[], {}]],
    refused: [undefined, null, [null], MAP, 0],
  },
];

for (const { name, field, accepted, refused } of ROWS) {
  describe(name, () => {
    for (const [index, [item, value]] of accepted.entries()) {
      test(`parses value ${index} of the table, and its own encoding of it`, () => {
        assert.deepEqual(field.parse(item), value);
        assert.deepEqual(field.parse(field.encode(value)), value);
      });
    }
    for (const [index, item] of refused.entries()) {
      test(`refuses value ${index} of the table`, () => assert.equal(field.parse(item), undefined));
    }
  });
}

test("recordField writes values in the order of its names, not in that of the record", () => {
  assert.deepEqual(record.encode({ b: "x", a: 1 }), [1, "x"]);
});

test("fields inside each other keep their bounds", () => {
  const deep = listField(listField(recordField({ key: bytesField(1, 2) }), 2), 2);
  const value = [[{ key: bytes(1) }], [{ key: bytes(2) }, { key: bytes(1) }]];
  assert.deepEqual(deep.parse(deep.encode(value)), value);
  assert.equal(deep.parse([[[bytes(3)]]]), undefined);
  assert.equal(deep.parse([[[bytes(1)], [bytes(1)], [bytes(1)]]]), undefined);
});
