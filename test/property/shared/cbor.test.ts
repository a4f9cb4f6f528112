import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import {
  type CborValue,
  cborSizeOf,
  encodeCbor,
  isArray,
  isMap,
  parseCbor,
} from "../../../shared/bytes/cbor.ts";
import { concatBytes, isEqualBytes } from "../../../shared/bytes/compare.ts";
import { err, ok } from "../../../shared/result.ts";

const DEPTH_MAX = 5;
const INT64 = { min: -(2n ** 64n), max: 2n ** 64n - 1n };

/** As the parser answers it: a number where it is a safe integer. */
function normal(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) && BigInt(number) === value ? number : value;
}

const integer = fc.oneof(
  fc.bigInt(INT64).map(normal),
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 300 }),
  // Around the largest safe integers and the ends of 64 bits.
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }).map(normal),
  fc.bigInt({ min: -(2n ** 53n) - 3n, max: -(2n ** 53n) + 3n }).map(normal),
  fc.bigInt({ min: 2n ** 64n - 3n, max: 2n ** 64n - 1n }),
);
const text = fc.string({ unit: "binary", maxLength: 300 });
const leaf: fc.Arbitrary<CborValue> = fc.oneof(
  integer,
  text,
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 300 }),
);
const key: fc.Arbitrary<CborValue> = fc.oneof(fc.maxSafeInteger(), text);

function valueOf(depth: number): fc.Arbitrary<CborValue> {
  if (depth === 0) return leaf;
  const inner = valueOf(depth - 1);
  const entries = fc.array(fc.tuple(key, inner), { maxLength: 4 });
  return fc.oneof(
    leaf,
    fc.array(inner, { maxLength: 4 }),
    entries.map((each) => new Map(each)),
  );
}

const value = valueOf(DEPTH_MAX);

function countOf(item: CborValue): number {
  if (isArray(item)) return item.reduce((sum: number, each) => sum + countOf(each), 1);
  if (!isMap(item)) return 1;
  return [...item.values()].reduce((sum: number, each) => sum + 1 + countOf(each), 1);
}

function depthOf(item: CborValue): number {
  const inner = isArray(item) ? item : isMap(item) ? [...item.values()] : null;
  return inner === null ? 0 : 1 + Math.max(0, ...inner.map(depthOf));
}

describe("CBOR", () => {
  test("values come back as they were, in as many bytes as announced", () => {
    fc.assert(
      fc.property(value, (each) => {
        const encoded = encodeCbor(each);
        assert.equal(encoded.length, cborSizeOf(each));
        assert.deepEqual(parseCbor(encoded), ok(each));
      }),
      { numRuns: 500 },
    );
  });

  test("what is parsed of any bytes is encoded again without fail, and is then the same", () => {
    // Majors and short lengths more often, so that many of them are valid.
    const byte = fc.oneof(
      fc.nat(255),
      fc.constantFrom(0x9f, 0xbf, 0xff, 0x81, 0xa1, 0x1b, 0x3b, 0x18, 0xf6),
      fc.nat(23),
    );
    const inputs = fc.array(byte, { maxLength: 40 }).map((each) => Uint8Array.from(each));
    let validCount = 0;
    fc.assert(
      fc.property(inputs, (input) => {
        const parsed = parseCbor(input);
        if (!parsed.ok) return;
        validCount += 1;
        const encoded = encodeCbor(parsed.value);
        assert.ok(encoded.length <= input.length);
        assert.deepEqual(parseCbor(encoded), parsed);
      }),
      { numRuns: 5000 },
    );
    assert.ok(validCount > 50);
  });

  test("of which a byte is changed is another value or none", () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.integer({ min: 1, max: 255 }), (each, place, change) => {
        const encoded = encodeCbor(each);
        const at = place % encoded.length;
        encoded[at] = (encoded[at] ?? 0) ^ change;
        const parsed = parseCbor(encoded);
        if (!parsed.ok) return;
        const again = encodeCbor(parsed.value);
        // Longer heads than needed are accepted, so the same value can have other bytes.
        if (again.length === encoded.length) assert.ok(isEqualBytes(again, encoded));
      }),
      { numRuns: 1000 },
    );
  });

  test("that is cut anywhere, or followed by anything, is refused", () => {
    fc.assert(
      fc.property(value, fc.uint8Array({ minLength: 1, maxLength: 3 }), (each, more) => {
        const encoded = encodeCbor(each);
        for (let length = 0; length < Math.min(encoded.length, 200); length++) {
          assert.deepEqual(parseCbor(encoded.subarray(0, length)), err("CBOR"));
        }
        assert.deepEqual(parseCbor(encoded.subarray(0, -1)), err("CBOR"));
        assert.deepEqual(parseCbor(concatBytes(encoded, more)), err("CBOR"));
      }),
      { numRuns: 200 },
    );
  });

  test("maps with a key twice are refused, wherever both stand", () => {
    const entries = fc.uniqueArray(fc.tuple(key, leaf), {
      minLength: 1,
      maxLength: 10,
      selector: ([name]) => name,
    });
    fc.assert(
      fc.property(entries, fc.nat(), fc.nat(), leaf, (each, which, where, other) => {
        const [name] = each[which % each.length] ?? [0];
        const all = [...each];
        all.splice(where % (each.length + 1), 0, [name, other]);
        const parts = all.flat().map((item) => encodeCbor(item));
        const definite = concatBytes(Uint8Array.of(0xa0 + all.length), ...parts);
        const indefinite = concatBytes(Uint8Array.of(0xbf), ...parts, Uint8Array.of(0xff));
        assert.deepEqual(parseCbor(definite), err("CBOR"));
        assert.deepEqual(parseCbor(indefinite), err("CBOR"));
        const unique = each.flat().map((item) => encodeCbor(item));
        assert.ok(parseCbor(concatBytes(Uint8Array.of(0xa0 + each.length), ...unique)).ok);
      }),
      { numRuns: 300 },
    );
  });

  test("bounds hold at the depth and count of any value, one under refuses it", () => {
    fc.assert(
      fc.property(value, (each) => {
        const encoded = encodeCbor(each);
        const depthMax = depthOf(each);
        const itemCountMax = countOf(each);
        assert.ok(parseCbor(encoded, { depthMax, itemCountMax }).ok);
        assert.ok(!parseCbor(encoded, { depthMax, itemCountMax: itemCountMax - 1 }).ok);
        assert.ok(!parseCbor(encoded, { depthMax: depthMax - 1, itemCountMax }).ok || depthMax < 1);
      }),
      { numRuns: 300 },
    );
  });
});
