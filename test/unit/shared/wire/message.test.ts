import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CborValue, encodeCbor } from "../../../../shared/bytes/cbor.ts";
import { ERRORS, refusal } from "../../../../shared/errors.ts";
import { DETAIL_BYTES_MAX, DETAIL_COUNT_MAX } from "../../../../shared/limits.ts";
import { err, ok } from "../../../../shared/result.ts";
import {
  answerItem,
  parseAnswer,
  parseRequest,
  requestItem,
} from "../../../../shared/wire/message.ts";

const MALFORMED = err("FRAME_MALFORMED");
const BUSY = ERRORS.LINK_BUSY.number;
const ID_MAX = 0xffff_ffff;
const MAP = new Map<CborValue, CborValue>([[0, 1]]);
const NO_ID: readonly CborValue[] = [-1, ID_MAX + 1, 2n ** 53n, "1", null, true, [], MAP];

const parsed = (detail: readonly CborValue[]) => parseAnswer(encodeCbor([1, BUSY, detail]));
const repeated = (value: CborValue, count: number) => Array.from({ length: count }, () => value);

describe("parseRequest", () => {
  const accepted = [
    [0, "", []],
    [ID_MAX, "m".repeat(32), [1, "a", null, [2]]],
    [1, "__proto__", []],
  ] as const;
  for (const [id, method, params] of accepted) {
    test(`gives back what requestItem made of id ${id}`, () => {
      const request = { id, method, params };
      assert.deepEqual(parseRequest(encodeCbor(requestItem(request))), ok(request));
    });
  }

  const refused: readonly CborValue[] = [
    ...NO_ID.map((id) => [id, "status", []]),
    0,
    "status",
    null,
    MAP,
    new Uint8Array(3),
    [],
    [1],
    [1, "status"],
    [1, "status", [], 0],
    [1, "status", [], null],
    [1, "m".repeat(33), []],
    [1, 7, []],
    [1, new Uint8Array(6), []],
    [1, null, []],
    [1, "status", null],
    [1, "status", MAP],
    [1, "status", "a"],
  ];
  for (const [index, item] of refused.entries()) {
    test(`refuses item ${index} of the table`, () =>
      assert.deepEqual(parseRequest(encodeCbor(item)), MALFORMED));
  }

  test("refuses what is no CBOR, empty or followed by more", () => {
    const whole = encodeCbor([1, "status", []]);
    assert.deepEqual(parseRequest(new Uint8Array(0)), MALFORMED);
    assert.deepEqual(parseRequest(Uint8Array.of(0xff)), MALFORMED);
    assert.deepEqual(parseRequest(whole.subarray(0, -1)), MALFORMED);
    assert.deepEqual(parseRequest(Uint8Array.of(...whole, 0)), MALFORMED);
  });
});

describe("parseAnswer", () => {
  const outcomes = [
    ok(null),
    ok([1, [2]]),
    err(refusal("LINK_BUSY")),
    err(refusal("FUTURE", 2n ** 64n - 1n, -1)),
    err(refusal("ROOT_MISMATCH", new Uint8Array(32), new Uint8Array(32).fill(1))),
    err(refusal("PHASE_REFUSED", "")),
  ];
  for (const [index, outcome] of outcomes.entries()) {
    test(`gives back outcome ${index} as answerItem wrote it`, () => {
      const item = answerItem({ id: ID_MAX, outcome });
      assert.deepEqual(parseAnswer(encodeCbor(item)), ok({ id: ID_MAX, outcome }));
    });
  }

  test("knows every code by its number", () => {
    for (const [code, { number }] of Object.entries(ERRORS)) {
      const answer = parseAnswer(encodeCbor([1, number, []]));
      assert.deepEqual(answer, ok({ id: 1, outcome: err({ code }) }));
    }
  });

  const refused: readonly CborValue[] = [
    ...NO_ID.map((id) => [id, 0, null]),
    0,
    MAP,
    [],
    [1],
    [1, 0],
    [1, 0, null, null],
    [1, "0", null],
    [1, null, null],
    [1, false, null],
    // Numbers of no code, and one that is only equal in 32 bits.
    [1, -1, []],
    [1, 1, []],
    [1, 99, []],
    [1, 2 ** 32 + BUSY, []],
    [1, 2n ** 53n, []],
    // Details that are none.
    [1, BUSY, null],
    [1, BUSY, 0],
    [1, BUSY, "a"],
    [1, BUSY, MAP],
    [1, BUSY, [null]],
    [1, BUSY, [true]],
    [1, BUSY, [[]]],
    [1, BUSY, [MAP]],
  ];
  for (const [index, item] of refused.entries()) {
    test(`refuses item ${index} of the table`, () =>
      assert.deepEqual(parseAnswer(encodeCbor(item)), MALFORMED));
  }

  test("bounds the details of an error: one under, at the limit, one over", () => {
    assert.ok(parsed(repeated(0, DETAIL_COUNT_MAX - 1)).ok);
    assert.ok(parsed(repeated(0, DETAIL_COUNT_MAX)).ok);
    assert.deepEqual(parsed(repeated(0, DETAIL_COUNT_MAX + 1)), MALFORMED);
    for (const lengthOff of [-1, 0, 1]) {
      const length = DETAIL_BYTES_MAX + lengthOff;
      assert.equal(parsed([new Uint8Array(length)]).ok, lengthOff <= 0);
      assert.equal(parsed(["a".repeat(length)]).ok, lengthOff <= 0);
    }
    assert.ok(parsed(repeated(new Uint8Array(DETAIL_BYTES_MAX), DETAIL_COUNT_MAX)).ok);
  });
});
