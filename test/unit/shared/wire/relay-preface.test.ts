import assert from "node:assert/strict";
import { test } from "node:test";
import { type CborValue, encodeCbor } from "../../../../shared/bytes/cbor.ts";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { ERRORS } from "../../../../shared/errors.ts";
import { RELAY_PREFACE_BYTES_MAX } from "../../../../shared/limits.ts";
import { encodeFrame } from "../../../../shared/wire/frame.ts";
import {
  encodeRelayAnswer,
  encodeRelayTarget,
  parseRelayAnswer,
  parseRelayTarget,
  takePreface,
} from "../../../../shared/wire/relay-preface.ts";

test("takePreface gives the first frame and leaves what follows as it is", () => {
  const frame = encodeRelayTarget({ host: "kms.eu-central-1.amazonaws.com", port: 443 });
  for (let length = 0; length < frame.length; length++) {
    const partial = takePreface(frame.subarray(0, length));
    assert(partial.ok && partial.value === null, `cut at ${length}`);
  }
  const raw = Uint8Array.of(255, 255, 255, 255, 1);
  const whole = takePreface(concatBytes(frame, raw));
  assert(whole.ok && whole.value !== null);
  assert.deepEqual(whole.value.rest, raw);
  const target = parseRelayTarget(whole.value.body);
  assert(target.ok);
  assert.deepEqual(target.value, { host: "kms.eu-central-1.amazonaws.com", port: 443 });
});

test("takePreface takes a frame at the limit and refuses one above by its head alone", () => {
  const largest = takePreface(encodeFrame(new Uint8Array(RELAY_PREFACE_BYTES_MAX)));
  assert(largest.ok && largest.value !== null);
  const head = encodeFrame(new Uint8Array(RELAY_PREFACE_BYTES_MAX + 1)).subarray(0, 4);
  const oversize = takePreface(head);
  assert(!oversize.ok && oversize.error.code === "FRAME_OVERSIZE");
});

test("the longest host name fits into a preface", () => {
  const label = "a".repeat(61);
  const host = `${label}.${label}.${label}.${label}.abcde`;
  assert.equal(host.length, 253);
  const preface = takePreface(encodeRelayTarget({ host, port: 65_535 }));
  assert(preface.ok && preface.value !== null);
  assert(parseRelayTarget(preface.value.body).ok);
});

const BROKEN_TARGETS: Readonly<Record<string, CborValue>> = {
  "not an array": "host:443",
  "an empty array": [],
  "no port": ["host"],
  "a third item": ["host", 443, 0],
  "a numeric host": [1, 443],
  "a port as text": ["host", "443"],
  "port 0": ["host", 0],
  "port 65536": ["host", 65_536],
  "a negative port": ["host", -1],
  "an empty host": ["", 443],
  "an upper-case host": ["Host", 443],
  "a host with a port": ["host:443", 443],
  "a host with a slash": ["host/x", 443],
  "a host with a zero byte": ["host\0", 443],
  "a host with a line break": ["host\n", 443],
  "a host that ends in a dot": ["host.", 443],
  "a label that begins with a hyphen": ["-host", 443],
  "a label of 64 letters": ["a".repeat(64), 443],
  "a host of 254 letters": [`${"a.".repeat(126)}aa`, 443],
};

for (const [title, value] of Object.entries(BROKEN_TARGETS)) {
  test(`parseRelayTarget refuses ${title}`, () => {
    const target = parseRelayTarget(encodeCbor(value));
    assert(!target.ok && target.error.code === "FRAME_MALFORMED");
  });
}

function body(frame: Uint8Array): Uint8Array {
  return frame.subarray(4);
}

test("an answer of the relay says connected, or one code of the table", () => {
  assert(parseRelayAnswer(body(encodeRelayAnswer(null))).ok);
  const denied = parseRelayAnswer(body(encodeRelayAnswer("RELAY_HOST_DENIED")));
  assert(!denied.ok && denied.error.code === "RELAY_HOST_DENIED");
  for (const value of [[], [1], [0, 0], ["0"], 0, [-1], [ERRORS.RELAY_HOST_DENIED.number, 0]]) {
    const answer = parseRelayAnswer(encodeCbor(value));
    assert(!answer.ok && answer.error.code === "FRAME_MALFORMED", JSON.stringify(value));
  }
});
