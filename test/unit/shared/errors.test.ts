import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  DETAIL_NAMES,
  describeDetail,
  describeValue,
  ERRORS,
  errorCodeOfNumber,
  isErrorCode,
  type Refusal,
  refusal,
} from "../../../shared/errors.ts";
import { DETAIL_COUNT_MAX } from "../../../shared/limits.ts";

const ENTRIES = Object.entries(ERRORS);
const NO_CODES = ["", "toString", "constructor", "__proto__", "link_busy", "LINK_BUSY ", "OK"];

describe("the error table", () => {
  test("has a number of its own for each code, in ascending order", () => {
    const numbers = ENTRIES.map(([, { number }]) => number);
    assert.equal(new Set(numbers).size, numbers.length);
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    );
    // 0 says on the wire that there was no error.
    assert.ok(numbers.every((number) => Number.isSafeInteger(number) && number >= 100));
  });

  test("leads from each code to its number and back", () => {
    for (const [code, { number }] of ENTRIES) {
      assert.ok(isErrorCode(code));
      assert.equal(errorCodeOfNumber(number), code);
    }
  });

  test("knows no other number", () => {
    const known = new Set<number>(ENTRIES.map(([, { number }]) => number));
    for (const number of [-1, 0, 1, 99, 100.5, 2 ** 32, 2 ** 53, Number.NaN, Infinity]) {
      assert.equal(errorCodeOfNumber(number), undefined);
    }
    for (let number = 0; number < 1100; number++) {
      assert.equal(errorCodeOfNumber(number) !== undefined, known.has(number));
    }
  });

  test("knows no other code, not even what every object has", () => {
    for (const text of NO_CODES) assert.equal(isErrorCode(text), false);
  });

  test("has a text for people for each code", () => {
    for (const [code, { text }] of ENTRIES) assert.match(text, /^\S.*[^\s.]$/, code);
  });

  test("names no more details than an answer may carry, and only of known codes", () => {
    for (const [code, names] of Object.entries(DETAIL_NAMES)) {
      assert.ok(isErrorCode(code));
      assert.ok(names.length >= 1 && names.length <= DETAIL_COUNT_MAX);
      assert.equal(new Set(names).size, names.length);
    }
  });
});

describe("refusal", () => {
  test("has details only when there are some", () => {
    assert.deepEqual(refusal("LINK_BUSY"), { code: "LINK_BUSY" });
    assert.deepEqual(refusal("FUTURE", 2n, 1n), { code: "FUTURE", detail: [2n, 1n] });
    // An empty text is a detail: the document itself is the field.
    assert.deepEqual(refusal("MANIFEST_MALFORMED", "").detail, [""]);
  });
});

describe("describeDetail", () => {
  const rows: readonly (readonly [Refusal, string])[] = [
    [refusal("LINK_BUSY"), ""],
    [{ code: "FUTURE", detail: [] }, ""],
    [refusal("GUARD_BLOCK_BELOW", 4n, 9n), "slot 4, signedSlot 9"],
    [refusal("GUARD_BOOT_FLOOR", 12n, 3n, 4n), "slotFrom 12, sourceFrom 3, targetFrom 4"],
    [refusal("GUARD_BLOCK_DOUBLE", 2n ** 64n - 1n), "slot 18446744073709551615"],
    [refusal("FUTURE", 1, -1), "asked 1, allowed -1"],
    [
      refusal("ROOT_MISMATCH", Uint8Array.of(0, 0xab), Uint8Array.of()),
      "computed 0x00ab, supplied 0x",
    ],
    [refusal("PHASE_REFUSED", "Empty"), "phase Empty"],
    // More than the table names, and of a code that it does not list.
    [refusal("PHASE_REFUSED", "Empty", 7), "phase Empty, detail 7"],
    [refusal("LINK_BUSY", 7), "detail 7"],
  ];
  for (const [why, text] of rows) {
    test(`writes ${why.code} as ${JSON.stringify(text)}`, () =>
      assert.equal(describeDetail(why), text));
  }

  test("writes one value as describeValue does", () => {
    assert.equal(describeValue(Buffer.from([1, 255])), "0x01ff");
    assert.equal(describeValue(0n), "0");
    assert.equal(describeValue("0x"), "0x");
  });
});
