import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  encodeHex,
  encodePrefixedHex,
  parseHex,
  parsePrefixedHex,
} from "../../../../shared/bytes/hex.ts";
import { err, ok } from "../../../../shared/result.ts";

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);

describe("parseHex", () => {
  test("gives back every byte, of digits in either case", () => {
    const text = encodeHex(EVERY_BYTE);
    assert.equal(text, Buffer.from(EVERY_BYTE).toString("hex"));
    assert.deepEqual(parseHex(text), ok(EVERY_BYTE));
    assert.deepEqual(parseHex(text.toUpperCase(), 256), ok(EVERY_BYTE));
  });

  test("refuses every character that is no digit, in either place", () => {
    const digits = new Set("0123456789abcdefABCDEF");
    for (let code = 0; code < 0x300; code++) {
      const character = String.fromCharCode(code);
      const expected = digits.has(character);
      assert.equal(parseHex(`${character}0`).ok, expected, `code ${code} first`);
      assert.equal(parseHex(`0${character}`).ok, expected, `code ${code} second`);
    }
  });

  test("refuses characters whose low byte is a digit", () => {
    for (const text of ["\u0130\u0130", "\uff10\uff11", "\u{1d7d8}"]) {
      assert.deepEqual(parseHex(text), err("HEX"));
    }
  });

  for (const text of ["0", "000", "0x00", "0X00", "+1", "-1", " 00", "00 ", "00\n", "0_", "1e+1"]) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.deepEqual(parseHex(text), err("HEX")));
  }

  test("holds to the byte count: one under, at it, one over", () => {
    assert.deepEqual(parseHex("ab".repeat(47), 48), err("HEX"));
    assert.ok(parseHex("ab".repeat(48), 48).ok);
    assert.deepEqual(parseHex("ab".repeat(49), 48), err("HEX"));
    assert.deepEqual(parseHex("a".repeat(95), 48), err("HEX"));
  });

  test("takes no bytes as no bytes, where none or any number is asked for", () => {
    assert.deepEqual(parseHex(""), ok(new Uint8Array(0)));
    assert.deepEqual(parseHex("", 0), ok(new Uint8Array(0)));
    assert.deepEqual(parseHex("", 1), err("HEX"));
    assert.deepEqual(parseHex("00", 0), err("HEX"));
  });
});

describe("parsePrefixedHex", () => {
  test("gives back what encodePrefixedHex wrote", () => {
    assert.equal(encodePrefixedHex(Uint8Array.of(0, 0xab)), "0x00ab");
    assert.deepEqual(parsePrefixedHex(encodePrefixedHex(EVERY_BYTE), 256), ok(EVERY_BYTE));
    assert.deepEqual(parsePrefixedHex("0x"), ok(new Uint8Array(0)));
  });

  for (const text of ["", "0", "x", "00", "0X00", "0x0", "0x0x00", "00x0", " 0x00", "0x 0"]) {
    test(`refuses ${JSON.stringify(text)}`, () =>
      assert.deepEqual(parsePrefixedHex(text), err("HEX")));
  }

  test("does not count the prefix", () => {
    assert.ok(parsePrefixedHex("0x0011", 2).ok);
    assert.deepEqual(parsePrefixedHex("0x0011", 3), err("HEX"));
    assert.deepEqual(parsePrefixedHex("0x0011", 1), err("HEX"));
  });
});
