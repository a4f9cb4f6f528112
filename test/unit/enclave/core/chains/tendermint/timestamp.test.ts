import assert from "node:assert/strict";
import { test } from "node:test";
import { bigInt, assert as check, integer, property } from "fast-check";
import {
  encodeTimestamp,
  isTimestamp,
  parseTimestamp,
  ZERO_TIME,
} from "../../../../../../enclave/core/chains/tendermint/timestamp.ts";
import { fromHex, hexOf, wire } from "../../../../../fakes/privval-node.ts";

const FIRST = -62_135_596_800n;
const LAST = 253_402_300_799n;

test("a timestamp has the bytes that Go gives it", () => {
  const rows: readonly (readonly [bigint, number, string])[] = [
    [1_518_332_962n, 765_000_000, "08a2d8ffd30510c0f2e3ec02"],
    [FIRST, 0, "088092b8c398feffffff01"],
    [0n, 0, ""],
    [0n, 1, "1001"],
    [1n, 0, "0801"],
  ];
  for (const [seconds, nanos, hex] of rows) {
    assert.equal(hexOf(encodeTimestamp({ seconds, nanos })), hex);
    assert.deepEqual(parseTimestamp(fromHex(hex)), { seconds, nanos });
  }
});

test("years 1 to 9999 and whole nanoseconds of a second are times, and nothing else", () => {
  const rows: readonly (readonly [bigint, number, boolean])[] = [
    [FIRST - 1n, 0, false],
    [FIRST, 0, true],
    [LAST, 999_999_999, true],
    [LAST + 1n, 0, false],
    [0n, -1, false],
    [0n, 999_999_999, true],
    [0n, 1_000_000_000, false],
  ];
  for (const [seconds, nanos, isTime] of rows) {
    assert.equal(isTimestamp({ seconds, nanos }), isTime);
    assert.equal(parseTimestamp(wire({ 1: seconds, 2: nanos })) !== undefined, isTime);
  }
});

test("nanoseconds beyond 32 bits, doubled fields and broken bytes are no time", () => {
  for (const hex of ["10808080801 0", "0801 0801", "08", "0a00", "1180"]) {
    assert.equal(parseTimestamp(fromHex(hex)), undefined, hex);
  }
});

test("the zero time is Go's", () => {
  assert.deepEqual(ZERO_TIME, { seconds: FIRST, nanos: 0 });
  assert(isTimestamp(ZERO_TIME));
});

test("every time is parsed from its bytes again", () => {
  check(
    property(bigInt(FIRST, LAST), integer({ min: 0, max: 999_999_999 }), (seconds, nanos) => {
      const timestamp = { seconds, nanos };
      assert.deepEqual(parseTimestamp(encodeTimestamp(timestamp)), timestamp);
    }),
  );
});
