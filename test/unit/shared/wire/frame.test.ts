import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFrame, FrameReader } from "../../../../shared/wire/frame.ts";

test("FrameReader hands out a frame that comes byte by byte, however long it is", () => {
  // More pieces than a function takes arguments.
  const body = new Uint8Array(300_000).map((_, index) => index % 251);
  const frame = encodeFrame(body);
  const reader = new FrameReader();
  for (let at = 0; at < frame.length - 1; at++) {
    const read = reader.read(frame.subarray(at, at + 1));
    assert.ok(read.ok && read.value.length === 0);
  }
  const next = encodeFrame(Uint8Array.of(7));
  const read = reader.read(Uint8Array.of(frame.at(-1) ?? 0, ...next));
  assert.ok(read.ok);
  assert.deepEqual(
    read.value.map((each) => each.length),
    [body.length, 1],
  );
  assert.deepEqual(read.value[0], body);
  assert.deepEqual(read.value[1], Uint8Array.of(7));
});
