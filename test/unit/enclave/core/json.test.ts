import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import {
  FIELD_LENGTH_MAX,
  fieldOfMismatch,
  JSON_VALUE_COUNT_MAX,
  JsonMismatch,
  member,
  parseJson,
  readArray,
  readBoolean,
  readChoice,
  readExactObject,
  readHex,
  readHexUpTo,
  readInteger,
  readJson,
  readObject,
  readText,
  readU64,
  readU256,
  U64_MAX,
} from "../../../../enclave/core/json.ts";

const utf8 = new TextEncoder();

function parse(text: string, depthMax = 8): string | undefined {
  const parsed = parseJson(utf8.encode(text), depthMax, (value) => value);
  return parsed.ok ? undefined : parsed.error;
}

function refused(read: () => unknown): string {
  try {
    read();
  } catch (thrown) {
    return fieldOfMismatch(thrown);
  }
  return assert.fail("it was read");
}

test("readJson returns the tree of a document as it is", () => {
  const text = ' {"a":[1,"x\\"y:{",null,true],"b":{"__proto__":"own","c\\\\":{}}} ';
  const tree = readJson(utf8.encode(text), 8);
  assert.deepEqual(tree, JSON.parse(text));
});

test("parseJson refuses what is not one whole document", () => {
  const rows = [
    "",
    " ",
    "{",
    "}",
    '{"a":1',
    '{"a":1}}',
    '{"a":1} x',
    '{"a":1}{"a":1}',
    '{"a":1,}',
    "{a:1}",
    "{'a':1}",
    '{"a":01}',
    '{"a":0x1}',
    '{"a":NaN}',
    '{"a":"\u0001"}',
    '{"a":"\\x"}',
    '{"a":"',
    '{"a":"\\"',
    "// c\n{}",
    "\ufeff{}",
  ];
  for (const text of rows) assert.equal(parse(text), "", text);
});

test("parseJson refuses bytes that are not UTF-8", () => {
  for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
    const bytes = Uint8Array.of(0x22, ...bad, 0x22);
    assert.deepEqual(
      parseJson(bytes, 8, (value) => value),
      { ok: false, error: "" },
    );
  }
});

test("parseJson refuses a name that comes twice in one object, however it is written", () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '{"x":{"b":1,"b":2}}',
    '[{"b":1,"b":2}]',
    '{"__proto__":1,"__proto__":2}',
    '{"1":1,"1":1}',
  ]) {
    assert.equal(parse(text), "", text);
  }
  assert.equal(parse('{"a":{"a":1},"b":[{"a":1},{"a":1}],"c:":"a:b"}'), undefined);
});

function nested(depth: number): string {
  return "[".repeat(depth) + "]".repeat(depth);
}

test("parseJson accepts nesting at its limit and refuses one more", () => {
  assert.equal(parse(nested(7)), undefined);
  assert.equal(parse(nested(8)), undefined);
  assert.equal(parse(nested(9)), "");
  assert.equal(parse('{"a":'.repeat(9) + "1" + "}".repeat(9)), "");
  assert.equal(parse("[".repeat(1_000_000)), "");
  assert.equal(parse(`"${"[".repeat(100)}"`), undefined);
});

test("member finds own members only", () => {
  const object = readObject(readJson(utf8.encode('{"a":1,"__proto__":{"b":2}}'), 4), "");
  assert.equal(member(object, "a"), 1);
  for (const name of ["b", "constructor", "toString", "hasOwnProperty"]) {
    assert.equal(member(object, name), undefined, name);
  }
});

const NOT_STRINGS = [undefined, null, true, 7, 0, [], ["1"], {}, { length: 1 }];

test("readU64 accepts canonical decimal strings up to its limit, and nothing else", () => {
  for (const [text, value] of [
    ["0", 0n],
    ["1", 1n],
    ["9007199254740993", 9_007_199_254_740_993n],
    ["18446744073709551615", U64_MAX],
  ] as const) {
    assert.equal(readU64(text, "f"), value);
  }
  const texts = ["-1", "1.5", "0x10", " 7", "7 ", "7\n", "", "00", "01", "+1", "1e3", "1_0", "１"];
  const tooLarge = ["18446744073709551616", "99999999999999999999", "100000000000000000000"];
  for (const bad of [...texts, ...tooLarge, ...NOT_STRINGS]) {
    assert.equal(
      refused(() => readU64(bad, "f")),
      "f",
      inspect(bad),
    );
  }
});

test("readU256 accepts canonical decimal strings up to its limit, and nothing else", () => {
  assert.equal(readU256((2n ** 256n - 1n).toString(), "f"), 2n ** 256n - 1n);
  for (const bad of [(2n ** 256n).toString(), "1".repeat(79), "-1", "0x1", ...NOT_STRINGS]) {
    assert.equal(
      refused(() => readU256(bad, "f")),
      "f",
      inspect(bad),
    );
  }
});

test("readHex accepts a prefix and exactly the digits asked for, of either case", () => {
  assert.deepEqual(readHex("0x00fFaB", "f", 3), Uint8Array.of(0, 255, 171));
  const texts = [
    "0x00ffa",
    "0x00ff",
    "0x00ffab00",
    "00ffab",
    "0X00ffab",
    "0x00ffag",
    "0x00ff b",
    "",
  ];
  for (const bad of [...texts, "0x00ffa\u0130", " 0x00ffab", ...NOT_STRINGS]) {
    assert.equal(
      refused(() => readHex(bad, "f", 3)),
      "f",
      inspect(bad),
    );
  }
});

test("readHexUpTo accepts any whole number of bytes up to its limit", () => {
  assert.deepEqual(readHexUpTo("0x", "f", 2), new Uint8Array(0));
  assert.deepEqual(readHexUpTo("0x0102", "f", 2), Uint8Array.of(1, 2));
  for (const bad of ["0x010203", "0x010", "", "0102", "0xzz", ...NOT_STRINGS]) {
    assert.equal(
      refused(() => readHexUpTo(bad, "f", 2)),
      "f",
      inspect(bad),
    );
  }
});

test("readObject takes neither lists nor null for objects", () => {
  for (const bad of [undefined, null, [], ["a"], "x", 1, false]) {
    assert.equal(
      refused(() => readObject(bad, "f")),
      "f",
    );
  }
});

test("readExactObject names the first field that it does not know", () => {
  const object = { a: 1, b: 2 };
  assert.equal(readExactObject(object, "f", ["a", "b", "c"]), object);
  assert.equal(
    refused(() => readExactObject(object, "f", ["a"])),
    "f.b",
  );
  assert.equal(
    refused(() => readExactObject(object, "", ["a"])),
    "b",
  );
  const tree = readJson(utf8.encode('{"a":1,"__proto__":2}'), 4);
  assert.equal(
    refused(() => readExactObject(tree, "f", ["a"])),
    "f.__proto__",
  );
});

test("readArray accepts a list at its limit and refuses one more", () => {
  assert.deepEqual(readArray([1, 2], "f", 2), [1, 2]);
  for (const bad of [[1, 2, 3], { length: 1, 0: 1 }, "ab", null]) {
    assert.equal(
      refused(() => readArray(bad, "f", 2)),
      "f",
    );
  }
});

test("readBoolean, readText, readChoice and readInteger take only their own", () => {
  assert.equal(readBoolean(false, "f"), false);
  for (const bad of ["true", 1, 0, null])
    assert.equal(
      refused(() => readBoolean(bad, "f")),
      "f",
    );
  assert.equal(readText("abc", "f", 3), "abc");
  for (const bad of ["abcd", 1, null])
    assert.equal(
      refused(() => readText(bad, "f", 3)),
      "f",
    );
  assert.equal(readChoice("b", "f", ["a", "b"]), "b");
  for (const bad of ["c", "A", "", null, ["a"], "constructor"]) {
    assert.equal(
      refused(() => readChoice(bad, "f", ["a", "b"])),
      "f",
    );
  }
  assert.equal(readInteger(1, "f", 1, 3), 1);
  assert.equal(readInteger(3, "f", 1, 3), 3);
  for (const bad of [0, 4, 1.5, Number.NaN, Infinity, "1", null, 2 ** 53]) {
    assert.equal(
      refused(() => readInteger(bad, "f", 1, 3)),
      "f",
    );
  }
  assert.equal(
    refused(() => readInteger(-0, "f", 0, 3)),
    "f",
  );
});

test("a mismatch carries a path of bounded, printable text", () => {
  assert.equal(new JsonMismatch("x".repeat(FIELD_LENGTH_MAX)).field.length, FIELD_LENGTH_MAX);
  assert.equal(new JsonMismatch("x".repeat(FIELD_LENGTH_MAX + 1)).field.length, FIELD_LENGTH_MAX);
  assert.equal(new JsonMismatch("a\n\u001b[31m\u00e9").field, "a??[31m?");
});

test("fieldOfMismatch does not hide what is not a mismatch", () => {
  const bug = new TypeError("a bug");
  assert.throws(
    () => fieldOfMismatch(bug),
    (thrown) => thrown === bug,
  );
});

function listOf(count: number, item: string): string {
  return `[${Array.from({ length: count }, () => item).join()}]`;
}

test("parseJson refuses a document of more parts than its bound, before it is built", () => {
  // The list itself is one part, each of its items another.
  for (const item of ["0", '""', '",[{"']) {
    assert.equal(parse(listOf(JSON_VALUE_COUNT_MAX, item)), undefined, item);
    assert.equal(parse(listOf(JSON_VALUE_COUNT_MAX + 1, item)), "", item);
  }
  const half = JSON_VALUE_COUNT_MAX / 2;
  assert.equal(parse(listOf(half, "[]")), undefined);
  assert.equal(parse(listOf(half + 1, "[]")), "");
  const names = Array.from({ length: JSON_VALUE_COUNT_MAX + 1 }, (_, index) => `"${index}":0`);
  assert.equal(parse(`{${names.join()}}`), "");
  assert.equal(parse(`{${names.slice(1).join()}}`), undefined);
});
