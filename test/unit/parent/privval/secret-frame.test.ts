import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import {
  FRAME_DATA_BYTES_MAX,
  FrameOpener,
  FrameSealer,
  SEALED_FRAME_BYTES,
} from "../../../../parent/privval/secret-frame.ts";

const KEY = new Uint8Array(32).fill(7);
const LAST = 2n ** 64n - 2n;

/** The first frame under KEY, with whatever plaintext. */
function sealAnything(plain: Uint8Array): Buffer {
  const options = { authTagLength: 16 } as const;
  const cipher = createCipheriv("chacha20-poly1305", KEY, Buffer.alloc(12), options);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function plainOf(dataBytes: number, fill: number): Buffer {
  const plain = Buffer.alloc(1028, fill);
  plain.writeUInt32LE(dataBytes);
  return plain;
}

function opened(sealed: Uint8Array, opener = new FrameOpener(KEY)): number | string {
  const data = opener.open(sealed);
  return data.ok ? data.value.length : data.error.code;
}

test("data takes as many frames as it needs, and comes back in order", () => {
  for (const [byteCount, frameCount] of [
    [0, 0],
    [1, 1],
    [FRAME_DATA_BYTES_MAX - 1, 1],
    [FRAME_DATA_BYTES_MAX, 1],
    [FRAME_DATA_BYTES_MAX + 1, 2],
    [10 * FRAME_DATA_BYTES_MAX, 10],
  ] as const) {
    const data = Buffer.from(Array.from({ length: byteCount }, (_, index) => index % 251));
    const sealed = new FrameSealer(KEY).seal(data);
    assert.equal(sealed.length, frameCount * SEALED_FRAME_BYTES);
    const opener = new FrameOpener(KEY);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < sealed.length; at += SEALED_FRAME_BYTES) {
      const piece = opener.open(sealed.subarray(at, at + SEALED_FRAME_BYTES));
      assert(piece.ok);
      pieces.push(piece.value);
    }
    assert.deepEqual(Buffer.concat(pieces), data);
  }
});

test("a frame may hold 0 to 1024 bytes, whatever its padding, and no more", () => {
  for (const [dataBytes, outcome] of [
    [0, 0],
    [1023, 1023],
    [1024, 1024],
    [1025, "PRIVVAL_MALFORMED"],
    [0xffff_ffff, "PRIVVAL_MALFORMED"],
  ] as const) {
    assert.equal(opened(sealAnything(plainOf(dataBytes, 0xee))), outcome);
  }
});

test("a frame of another size, order, key or content is refused", () => {
  const sealer = new FrameSealer(KEY);
  const first = sealer.seal(Uint8Array.of(1));
  const second = sealer.seal(Uint8Array.of(2));
  assert.equal(opened(first.subarray(1)), "PRIVVAL_MALFORMED");
  assert.equal(opened(Buffer.concat([first, second])), "PRIVVAL_MALFORMED");
  assert.equal(opened(sealAnything(plainOf(1, 0).subarray(0, 1027))), "PRIVVAL_MALFORMED");
  assert.equal(opened(second), "PRIVVAL_MALFORMED");
  assert.equal(opened(first, new FrameOpener(new Uint8Array(32))), "PRIVVAL_MALFORMED");
  const opener = new FrameOpener(KEY);
  assert.equal(opened(first, opener), 1);
  assert.equal(opened(first, opener), "PRIVVAL_MALFORMED", "the same frame again");
  for (const at of [0, 4, 1027, 1028, 1043]) {
    const flipped = Buffer.from(first);
    flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
    assert.equal(opened(flipped), "PRIVVAL_MALFORMED", `byte ${at}`);
  }
});

test("counters end the program rather than wrap", () => {
  const sealer = new FrameSealer(KEY, LAST);
  const sealed = sealer.seal(Uint8Array.of(1));
  assert.throws(() => sealer.seal(Uint8Array.of(1)), { name: "InvariantError" });
  const opener = new FrameOpener(KEY, LAST);
  assert.equal(opened(sealed, opener), 1);
  assert.throws(() => opener.open(sealed), { name: "InvariantError" });
});
