import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type CborBounds,
  type CborValue,
  cborSizeOf,
  encodeCbor,
  encodeCborInto,
  isArray,
  isMap,
  parseCbor,
} from "../../../../shared/bytes/cbor.ts";
import { encodeHex, parseHex } from "../../../../shared/bytes/hex.ts";
import { err, ok } from "../../../../shared/result.ts";

function bytesOf(hex: string): Uint8Array {
  const parsed = parseHex(hex.replaceAll(" ", ""));
  assert.ok(parsed.ok, hex);
  return parsed.value;
}

function map(...entries: readonly (readonly [CborValue, CborValue])[]): CborValue {
  return new Map<CborValue, CborValue>(entries);
}

const bytes = (hex: string) => bytesOf(hex);
const oneTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const LETTERS = map(["a", "A"], ["b", "B"], ["c", "C"], ["d", "D"], ["e", "E"]);

/** RFC 8949 Appendix A, what of it is in the subset and encoded in the shortest form. */
const EXAMPLES: readonly (readonly [string, CborValue])[] = [
  ["00", 0],
  ["01", 1],
  ["0a", 10],
  ["17", 23],
  ["1818", 24],
  ["1819", 25],
  ["1864", 100],
  ["1903e8", 1000],
  ["1a000f4240", 1_000_000],
  ["1b000000e8d4a51000", 1_000_000_000_000],
  ["1bffffffffffffffff", 18_446_744_073_709_551_615n],
  ["3bffffffffffffffff", -18_446_744_073_709_551_616n],
  ["20", -1],
  ["29", -10],
  ["3863", -100],
  ["3903e7", -1000],
  ["f4", false],
  ["f5", true],
  ["f6", null],
  ["40", bytes("")],
  ["4401020304", bytes("01020304")],
  ["60", ""],
  ["6161", "a"],
  ["6449455446", "IETF"],
  ["62225c", '"\\'],
  ["62c3bc", "\u00fc"],
  ["63e6b0b4", "\u6c34"],
  ["64f0908591", "\u{10151}"],
  ["80", []],
  ["83010203", [1, 2, 3]],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
  ["98190102030405060708090a0b0c0d0e0f101112131415161718181819", oneTo(25)],
  ["a0", map()],
  ["a201020304", map([1, 2], [3, 4])],
  ["a26161016162820203", map(["a", 1], ["b", [2, 3]])],
  ["826161a161626163", ["a", map(["b", "c"])]],
  ["a56161614161626142616361436164614461656145", LETTERS],
];

/** Of the same appendix, and others that we accept from those who encode otherwise. */
const LENIENT: readonly (readonly [string, string, CborValue])[] = [
  ["an empty indefinite array", "9fff", []],
  ["indefinite in indefinite", "9f018202039f0405ffff", [1, [2, 3], [4, 5]]],
  ["definite in indefinite", "9f01820203820405ff", [1, [2, 3], [4, 5]]],
  ["indefinite, last of definite", "83018202039f0405ff", [1, [2, 3], [4, 5]]],
  ["indefinite, within definite", "83019f0203ff820405", [1, [2, 3], [4, 5]]],
  ["an indefinite map", "bf61610161629f0203ffff", map(["a", 1], ["b", [2, 3]])],
  ["an indefinite map in an array", "826161bf61626163ff", ["a", map(["b", "c"])]],
  ["an indefinite map with flags", "bf6346756ef563416d7421ff", map(["Fun", true], ["Amt", -2])],
  ["a number in 2 bytes", "1800", 0],
  ["a number in 9 bytes", "1b0000000000000017", 23],
  ["a length in 9 bytes", "5b000000000000000101", bytes("01")],
  ["an array of length 1 in 5 bytes", "9a0000000100", [0]],
  ["a byte order mark, kept", "63efbbbf", "\ufeff"],
];

const REFUSED: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["a trailing byte", "0000"],
  ["a trailing break", "00ff"],
  ["a lone break", "ff"],
  ["a break in a definite array", "81ff"],
  ["a break instead of a value", "bf00ff"],
  ["an indefinite array without its end", "9f00"],
  ["an indefinite map without its end", "bf0000"],
  ["a head without its byte", "18"],
  ["a head of 8 bytes with 7", "1b00000000000000"],
  ["info 28", "1c"],
  ["info 30", "1e"],
  ["info 28 before 16 bytes", `1c${"00".repeat(16)}`],
  ["info 29 before 32 bytes", `3d${"00".repeat(32)}`],
  ["info 30 as a length, before 64 bytes", `5e${"00".repeat(64)}`],
  ["an indefinite number before 128 bytes", `1f${"00".repeat(128)}`],
  ["an indefinite number", "1f"],
  ["an indefinite negative number", "3f"],
  ["a byte string that is cut", "4401020300".slice(0, 8)],
  ["a text that is cut", "6261"],
  ["an array that is cut", "830102"],
  ["a map that is cut", "a20102"],
  ["a map without its last value", "a101"],
  ["a byte string of 2^64 - 1", "5bffffffffffffffff"],
  ["an array of 2^32 - 1", "9affffffff"],
  ["an array of 2^64 - 1", "9bffffffffffffffff"],
  ["a map of 2^32 - 1", "baffffffff"],
  ["chunked bytes", "5f42010243030405ff"],
  ["a chunked text", "7f657374726561646d696e67ff"],
  ["bad UTF-8", "61ff"],
  ["UTF-8 in two bytes where one is enough", "62c080"],
  ["a surrogate in UTF-8", "63eda080"],
  ["a tag", "c074323031332d30332d32315432303a30343a30305a"],
  ["a tag around a number", "c11a514b67b0"],
  ["a big number", "c249010000000000000000"],
  ["half precision", "f90000"],
  ["single precision", "fa47c35000"],
  ["double precision", "fb3ff199999999999a"],
  ["infinity", "f97c00"],
  ["undefined", "f7"],
  ["simple(16)", "f0"],
  ["simple(255)", "f8ff"],
  ["false in two bytes", "f814"],
  ["a number twice as a key", "a201000100"],
  ["a number twice as a key, in another form", "a20100180100"],
  ["a negative number twice as a key", "a220002000"],
  ["a text twice as a key", "a2616100616100"],
  ["a text twice as a key of an indefinite map", "bf616100616100ff"],
  ["a key of bytes", "a1410000"],
  ["a key that is a flag", "a1f500"],
  ["a null key", "a1f600"],
  ["an array as a key", "a18000"],
  ["a map as a key", "a1a000"],
  ["a key above 2^53", "a11b002000000000000000"],
];

describe("the examples of RFC 8949 Appendix A", () => {
  for (const [hex, value] of EXAMPLES) {
    test(`${hex} is parsed, and encoded to the same bytes`, () => {
      assert.deepEqual(parseCbor(bytesOf(hex)), ok(value));
      assert.equal(encodeHex(encodeCbor(value)), hex);
      assert.equal(cborSizeOf(value), hex.length / 2);
    });
  }
});

describe("parseCbor", () => {
  for (const [name, hex, value] of LENIENT) {
    test(`accepts ${name}`, () => assert.deepEqual(parseCbor(bytesOf(hex)), ok(value)));
  }

  for (const [name, hex] of REFUSED) {
    test(`refuses ${name}`, () => assert.deepEqual(parseCbor(bytesOf(hex)), err("CBOR")));
  }

  test("keeps a map a Map: names of prototypes are keys as others", () => {
    const parsed = parseCbor(encodeCbor(map(["__proto__", 1], ["constructor", 2])));
    assert.deepEqual(parsed, ok(map(["__proto__", 1], ["constructor", 2])));
  });

  test("tells 1 from the text 1 as a key", () => {
    const both = map([1, "number"], ["1", "text"]);
    assert.deepEqual(parseCbor(encodeCbor(both)), ok(both));
  });

  test("answers byte strings as views, also of a view", () => {
    const whole = bytesOf("00 42 0102 00");
    const parsed = parseCbor(whole.subarray(1, 4));
    assert.ok(parsed.ok && parsed.value instanceof Uint8Array);
    whole[2] = 9;
    assert.deepEqual([...parsed.value], [9, 2]);
  });

  test("reads wide numbers of a view from the view, not from its buffer", () => {
    const whole = bytesOf("ffff 1b0000000100000000 ff");
    assert.deepEqual(parseCbor(whole.subarray(2, 11)), ok(0x1_0000_0000));
  });

  test("never reads beyond a view, though its buffer goes on", () => {
    assert.deepEqual(parseCbor(bytesOf("4201020304").subarray(0, 2)), err("CBOR"));
    assert.deepEqual(parseCbor(bytesOf("1900ff").subarray(0, 2)), err("CBOR"));
  });
});

function nested(depth: number, open: string, close: string): Uint8Array {
  return bytesOf(open.repeat(depth) + "00" + close.repeat(depth));
}

const items = (count: number) => encodeCbor(oneTo(count));
const pairs = (count: number) => encodeCbor(map(...oneTo(count).map((key) => [key, 0] as const)));

describe("the bounds of parseCbor", () => {
  const bounds: CborBounds = { depthMax: 3, itemCountMax: 10 };
  const forms = [
    ["arrays", "81", ""],
    ["indefinite arrays", "9f", "ff"],
    ["maps", "a100", ""],
    ["indefinite maps", "bf00", "ff"],
  ] as const;

  for (const [name, open, close] of forms) {
    test(`hold for ${name} inside each other`, () => {
      assert.ok(parseCbor(nested(2, open, close), bounds).ok);
      assert.ok(parseCbor(nested(3, open, close), bounds).ok);
      assert.deepEqual(parseCbor(nested(4, open, close), bounds), err("CBOR"));
    });
  }

  test("hold without being given: 8 deep", () => {
    assert.ok(parseCbor(nested(8, "81", "")).ok);
    assert.deepEqual(parseCbor(nested(9, "81", "")), err("CBOR"));
  });

  test("end a very deep input without a deep stack", () => {
    assert.deepEqual(parseCbor(new Uint8Array(1_000_000).fill(0x81)), err("CBOR"));
    assert.deepEqual(parseCbor(new Uint8Array(1_000_000).fill(0x9f)), err("CBOR"));
  });

  test("count every item: containers, keys and values", () => {
    assert.ok(parseCbor(items(8), bounds).ok);
    assert.ok(parseCbor(items(9), bounds).ok);
    assert.deepEqual(parseCbor(items(10), bounds), err("CBOR"));
    assert.ok(parseCbor(pairs(4), bounds).ok);
    assert.deepEqual(parseCbor(pairs(5), bounds), err("CBOR"));
  });

  test("hold without being given: 100,000 items", () => {
    const list = new Uint8Array(100_002);
    list.set([0x9f]);
    list.set([0xff], 100_000);
    assert.ok(parseCbor(list.subarray(0, 100_001)).ok);
    list.set([0x00, 0xff], 100_000);
    assert.deepEqual(parseCbor(list), err("CBOR"));
  });

  test("of no depth and one item take a bare item only", () => {
    const bare = { depthMax: 0, itemCountMax: 1 };
    assert.deepEqual(parseCbor(bytesOf("00"), bare), ok(0));
    assert.deepEqual(parseCbor(bytesOf("80"), bare), err("CBOR"));
    assert.deepEqual(parseCbor(bytesOf("00"), { depthMax: 0, itemCountMax: 0 }), err("CBOR"));
  });
});

describe("encodeCbor", () => {
  const heads: readonly (readonly [number | bigint, string])[] = [
    [0xff, "18ff"],
    [0x100, "190100"],
    [0xffff, "19ffff"],
    [0x1_0000, "1a00010000"],
    [0xffff_ffff, "1affffffff"],
    [0x1_0000_0000, "1b0000000100000000"],
    [Number.MAX_SAFE_INTEGER, "1b001fffffffffffff"],
    [2n ** 53n, "1b0020000000000000"],
    [-24, "37"],
    [-25, "3818"],
    [-256, "38ff"],
    [-257, "390100"],
    [-0x1_0000_0000, "3affffffff"],
    [-0x1_0000_0001, "3b0000000100000000"],
    [Number.MIN_SAFE_INTEGER, "3b001ffffffffffffe"],
    [-(2n ** 53n), "3b001fffffffffffff"],
  ];
  for (const [value, hex] of heads) {
    test(`takes the shortest head for ${String(value)}, which comes back as it was`, () => {
      assert.equal(encodeHex(encodeCbor(value)), hex);
      assert.deepEqual(parseCbor(bytesOf(hex)), ok(value));
    });
  }

  test("encodes small bigints as the numbers that they are, and -0 as 0", () => {
    assert.equal(
      encodeHex(encodeCbor([0n, 24n, -1n, 2n ** 32n, -0])),
      "85001818201b000000010000000000",
    );
  });

  const wrong = [1.5, -1.5, Number.NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 53)];
  for (const value of [...wrong, 2n ** 64n, -(2n ** 64n) - 1n]) {
    test(`never encodes ${String(value)} as another number`, () => {
      assert.throws(() => encodeCbor(value));
      assert.throws(() => encodeCbor([value]));
    });
  }

  for (const length of [23, 24, 255, 256, 65_535, 65_536]) {
    test(`gives back bytes, texts and lists of ${length}`, () => {
      for (const value of [
        new Uint8Array(length).fill(7),
        "x".repeat(length),
        "\u00fc".repeat(length),
        Array.from({ length }, (_, index) => index),
      ]) {
        const encoded = encodeCbor(value);
        assert.equal(encoded.length, cborSizeOf(value));
        assert.deepEqual(parseCbor(encoded), ok(value));
      }
    });
  }

  test("into a buffer writes its bytes and no other", () => {
    const value = ["a", Uint8Array.of(1, 2), 300, map([1, null])];
    const whole = new Uint8Array(cborSizeOf(value) + 4).fill(0xee);
    encodeCborInto(value, whole, 2);
    assert.deepEqual(whole.subarray(2, -2), encodeCbor(value));
    assert.deepEqual([...whole.subarray(0, 2), ...whole.subarray(-2)], [0xee, 0xee, 0xee, 0xee]);
  });

  test("leaves map entries in their order", () => {
    assert.equal(encodeHex(encodeCbor(map([2, 0], [1, 0]))), "a202000100");
  });
});

test("isMap and isArray tell containers from each other and from all else", () => {
  for (const value of [undefined, null, 0, "a", true, 1n, new Uint8Array(1)]) {
    assert.equal(isMap(value), false);
    assert.equal(isArray(value), false);
  }
  assert.deepEqual(
    [isMap([]), isArray([]), isMap(map()), isArray(map())],
    [false, true, true, false],
  );
});
