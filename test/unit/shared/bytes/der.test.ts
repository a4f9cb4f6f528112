import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import {
  bitStringOf,
  booleanOf,
  octetsOf,
  oidOf,
  parseDer,
  smallIntegerOf,
  timeMsOf,
  unsignedOf,
} from "../../../../shared/bytes/der.ts";
import { encodeHex, parseHex } from "../../../../shared/bytes/hex.ts";

function bytesOf(hex: string): Uint8Array {
  const parsed = parseHex(hex.replaceAll(" ", ""));
  assert.ok(parsed.ok);
  return parsed.value;
}

function nodeOf(hex: string) {
  const parsed = parseDer(bytesOf(hex));
  assert.ok(parsed.ok, hex);
  return parsed.value;
}

function timeOf(tag: number, text: string): number | undefined {
  const content = new TextEncoder().encode(text);
  const parsed = parseDer(concatBytes(Uint8Array.of(tag, content.length), content));
  assert.ok(parsed.ok);
  return timeMsOf(parsed.value);
}

describe("parseDer", () => {
  test("keeps the received bytes of each element and its children", () => {
    const node = nodeOf("30 06 02 01 05 04 01 ff");
    assert.equal(node.children.length, 2);
    assert.equal(encodeHex(node.children[1]?.raw ?? new Uint8Array()), "0401ff");
    assert.equal(encodeHex(node.content), "0201050401ff");
  });

  const refused: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["a tag alone", "02"],
    ["a length without content", "02 01"],
    ["a trailing byte", "02 01 05 00"],
    ["an indefinite length", "30 80 02 01 05 00 00"],
    ["a reserved length", "04 ff"],
    ["a long length below 128", "04 81 01 aa"],
    ["a length with a leading zero", `04 82 00 80 ${"aa".repeat(128)}`],
    ["a length of 4 octets", "04 84 00 00 00 01 aa"],
    ["content that ends early in a sequence", "30 03 02 02 05"],
    ["a child that overruns its parent", "30 03 04 05 01"],
    ["a tag number in high form", "1f 81 01 00"],
    ["a constructed string", "24 03 04 01 aa"],
    ["a constructed integer", "22 03 02 01 05"],
    ["a primitive sequence", "10 00"],
    ["a primitive set", "11 00"],
    ["an end of contents", "00 00"],
    ["a boolean that is neither 00 nor ff", "01 01 01"],
    ["a boolean of two bytes", "01 02 ff ff"],
    ["an empty integer", "02 00"],
    ["an integer with a superfluous 00", "02 02 00 7f"],
    ["an integer with a superfluous ff", "02 02 ff 80"],
    ["a bit string without its count", "03 00"],
    ["a bit string with 8 unused bits", "03 02 08 00"],
    ["a bit string whose unused bits are set", "03 02 04 0f"],
    ["an empty bit string with unused bits", "03 01 03"],
    ["a null with content", "05 01 00"],
    ["an empty object identifier", "06 00"],
    ["an object identifier that ends within an arc", "06 02 2a 86"],
    ["an arc with a leading zero septet", "06 03 2a 80 01"],
    ["an arc of 8 septets", "06 09 2a ff ff ff ff ff ff ff 7f"],
  ];
  for (const [name, hex] of refused) {
    test(`refuses ${name}`, () => {
      const parsed = parseDer(bytesOf(hex));
      assert.deepEqual(parsed, { ok: false, error: "DER" });
    });
  }

  test("takes nesting and counts up to its bounds and not beyond", () => {
    const bounds = { depthMax: 2, nodeCountMax: 3 };
    assert.ok(parseDer(bytesOf("30 04 05 00 05 00"), bounds).ok);
    assert.ok(!parseDer(bytesOf("30 06 05 00 05 00 05 00"), bounds).ok);
    assert.ok(!parseDer(bytesOf("30 04 30 02 05 00"), bounds).ok);
  });

  test("takes lengths of one to three octets in their shortest form", () => {
    for (const length of [0, 127, 128, 255, 256, 65_535, 65_536]) {
      const octets = [length >> 16, (length >> 8) & 255, length & 255];
      const minimal = octets.slice(octets.findIndex((octet) => octet !== 0));
      const head = length < 128 ? [length] : [0x80 + minimal.length, ...minimal];
      const bytes = concatBytes(Uint8Array.of(4, ...head), new Uint8Array(length));
      const parsed = parseDer(bytes);
      assert.ok(parsed.ok);
      assert.equal(octetsOf(parsed.value)?.length, length);
    }
  });
});

describe("readers of DER values", () => {
  test("oidOf tells the dotted text, with arcs of many septets and first arcs of 2", () => {
    assert.equal(oidOf(nodeOf("06 08 2a 86 48 ce 3d 04 03 03")), "1.2.840.10045.4.3.3");
    assert.equal(oidOf(nodeOf("06 03 55 1d 13")), "2.5.29.19");
    assert.equal(oidOf(nodeOf("06 02 88 37")), "2.999");
    assert.equal(oidOf(nodeOf("05 00")), undefined);
  });

  test("integers are unsigned, and small ones stay below 2^31", () => {
    assert.equal(encodeHex(unsignedOf(nodeOf("02 02 00 80")) ?? new Uint8Array()), "80");
    assert.equal(unsignedOf(nodeOf("02 01 80")), undefined);
    assert.equal(smallIntegerOf(nodeOf("02 01 00")), 0);
    assert.equal(smallIntegerOf(nodeOf("02 04 7f ff ff ff")), 0x7fff_ffff);
    assert.equal(smallIntegerOf(nodeOf("02 05 00 80 00 00 00")), undefined);
    assert.equal(smallIntegerOf(nodeOf("02 05 01 00 00 00 00")), undefined);
  });

  test("booleans, bit strings and octets are read only from their own tags", () => {
    assert.equal(booleanOf(nodeOf("01 01 ff")), true);
    assert.equal(booleanOf(nodeOf("01 01 00")), false);
    assert.equal(booleanOf(nodeOf("02 01 00")), undefined);
    assert.equal(bitStringOf(nodeOf("03 02 05 a0"))?.unusedBits, 5);
    assert.equal(bitStringOf(nodeOf("04 02 05 a0")), undefined);
    assert.equal(octetsOf(nodeOf("03 01 00")), undefined);
    assert.equal(unsignedOf(undefined), undefined);
  });

  test("times are read in the forms of RFC 5280 only", () => {
    assert.equal(timeOf(0x17, "260103204107Z"), Date.parse("2026-01-03T20:41:07Z"));
    assert.equal(timeOf(0x17, "491028142805Z"), Date.parse("2049-10-28T14:28:05Z"));
    assert.equal(timeOf(0x17, "500101000000Z"), Date.parse("1950-01-01T00:00:00Z"));
    assert.equal(timeOf(0x18, "20500101000000Z"), Date.parse("2050-01-01T00:00:00Z"));
    for (const text of [
      "2601032041Z",
      "260103204107",
      "260103204107+0100",
      "260230000000Z",
      "261301000000Z",
      "260103240000Z",
      "260103206000Z",
      "26010320410 Z",
    ]) {
      assert.equal(timeOf(0x17, text), undefined, text);
    }
    for (const text of ["20490101000000Z", "20500101000000.5Z", "20500101000000"]) {
      assert.equal(timeOf(0x18, text), undefined, text);
    }
  });
});
