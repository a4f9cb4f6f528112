import assert from "node:assert/strict";
import { test } from "node:test";
import { assert as check, property, uint8Array } from "fast-check";
import { ERRORS } from "../../../shared/errors.ts";
import { PRIVVAL_ANSWER_BYTES_MAX } from "../../../shared/limits.ts";
import {
  encodePingAnswer,
  encodePrivvalAnswer,
  encodeRefusal,
  openPrivvalMessage,
  PRIVVAL_ARMS,
  type PrivvalArm,
  peekPrivvalArm,
} from "../../../shared/privval.ts";
import {
  CHAIN,
  fromHex,
  hexOf,
  proposalRequest,
  voteRequest,
  wire,
} from "../../fakes/privval-node.ts";

/** Vectors of tendermint.md §1.7 are with their length before them. */
function framed(message: Uint8Array): string {
  return hexOf(Buffer.concat([Buffer.from([message.length]), message]));
}

const ARMS: readonly PrivvalArm[] = ["pubKey", "vote", "proposal", "ping", "bytes"];

test("a request is known by its arm, whatever is in it", () => {
  const rows: readonly (readonly [Uint8Array, PrivvalArm])[] = [
    [fromHex("0a0f0a0d746573745f636861696e5f6964"), "pubKey"],
    [voteRequest(), "vote"],
    [proposalRequest(), "proposal"],
    [fromHex("3a00"), "ping"],
    [wire({ 9: { 1: "bytes" } }), "bytes"],
    [wire({ 3: Uint8Array.of(0xff) }), "vote"],
    // What a later version may add beside it.
    [wire({ 5: {}, 11: "more", 12: 7 }), "proposal"],
  ];
  for (const [message, arm] of rows) assert.equal(peekPrivvalArm(message), arm);
});

test("answers, unknown arms and broken messages carry no request", () => {
  const rows: readonly (readonly [Uint8Array, string])[] = [
    [new Uint8Array(0), "REQUEST_KIND_UNKNOWN"],
    [wire({ 2: {} }), "REQUEST_KIND_UNKNOWN"],
    [wire({ 4: {} }), "REQUEST_KIND_UNKNOWN"],
    [wire({ 6: {} }), "REQUEST_KIND_UNKNOWN"],
    [wire({ 8: {} }), "REQUEST_KIND_UNKNOWN"],
    [wire({ 10: {} }), "REQUEST_KIND_UNKNOWN"],
    [wire({ 11: {} }), "REQUEST_KIND_UNKNOWN"],
    [fromHex("ff"), "REQUEST_MALFORMED"],
    [fromHex("1a02ff"), "REQUEST_MALFORMED"],
    // Two arms, one of them twice, an arm that is a number.
    [wire({ 3: {}, 5: {} }), "REQUEST_MALFORMED"],
    [wire({ 3: {}, 4: {} }), "REQUEST_MALFORMED"],
    [fromHex("3a003a00"), "REQUEST_MALFORMED"],
    [wire({ 7: 1 }), "REQUEST_MALFORMED"],
  ];
  for (const [message, error] of rows) {
    assert.deepEqual(openPrivvalMessage(message), { ok: false, error });
    assert.equal(peekPrivvalArm(message), null);
  }
});

test("a message is opened to the bytes of its request", () => {
  const opened = openPrivvalMessage(wire({ 1: { 1: CHAIN } }));
  assert(opened.ok);
  assert.equal(opened.value.arm, "pubKey");
  assert.equal(hexOf(opened.value.request), "0a0d746573745f636861696e5f6964");
});

test("a ping is answered by the vector's bytes", () => {
  assert.equal(framed(encodePingAnswer()), "024200");
});

test("a refusal has the vector's bytes, and the arm that was asked", () => {
  const text = "double signing requested at height: 100";
  const error = `12 2b 0802 1227 ${hexOf(Buffer.from(text))}`.replaceAll(" ", "");
  const rows: readonly (readonly [PrivvalArm, string])[] = [
    ["pubKey", `2f122d${error}`],
    ["vote", `2f222d${error}`],
    ["proposal", `2f322d${error}`],
    ["bytes", `2f522d${error}`],
    ["ping", "024200"],
  ];
  for (const [arm, hex] of rows) assert.equal(framed(encodeRefusal(arm, 2, text)), hex);
  // Go's signer writes this one byte for a request that it does not know.
  assert.equal(framed(encodeRefusal(null, 2, text)), "00");
});

test("a refusal of code 0 and without a text still has its error", () => {
  assert.equal(framed(encodeRefusal("vote", 0, "")), "0422021200");
});

test("each arm is answered by the one that follows it", () => {
  for (const arm of ARMS) {
    const { request, answer } = PRIVVAL_ARMS[arm];
    assert.equal(answer, request + 1);
    assert.deepEqual([...encodePrivvalAnswer(arm, Uint8Array.of(7))], [answer * 8 + 2, 1, 7]);
  }
  assert.deepEqual(Object.keys(PRIVVAL_ARMS), ARMS);
});

test("a description is cut where it is too long, so that every refusal can be read", () => {
  const [at, over] = [512, 513].map((length) => encodeRefusal("vote", 1, "x".repeat(length)));
  assert(at !== undefined && over !== undefined);
  assert.deepEqual(at, over);
  assert.notDeepEqual(at, encodeRefusal("vote", 1, "x".repeat(511)));
  for (const text of ["x", "\u00e4", "\u20ac", "\u{1f600}", "\ud800"]) {
    for (const arm of ARMS) {
      const largest = encodeRefusal(arm, -1, text.repeat(100_000));
      assert(largest.length <= PRIVVAL_ANSWER_BYTES_MAX);
    }
  }
});

test("every code of the catalogue can be a refusal's", () => {
  for (const { number, text } of Object.values(ERRORS)) {
    assert(encodeRefusal("proposal", number, text).length > text.length);
  }
});

test("no bytes make the peek throw", () => {
  check(
    property(uint8Array({ maxLength: 64 }), (bytes) => {
      const arm = peekPrivvalArm(bytes);
      assert(arm === null || ARMS.includes(arm));
    }),
  );
});
