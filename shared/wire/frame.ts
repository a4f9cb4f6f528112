// Frames: a 4-byte big-endian length, then that many bytes. A reader is fed what arrives in any
// cut and hands out whole frames. It must never allocate for a length before the bytes are there,
// and never hand out a frame above its limit.

import { concatBytes } from "../bytes/compare.ts";
import { FRAME_BYTES_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";

export const FRAME_HEAD_BYTES = 4;

/**
 * A frame that comes in crumbs is joined again and again, so that a crumb never costs a piece of
 * its own for long. The more there is to copy, the rarer: at most this many bytes for one received.
 */
const PIECE_COUNT_MIN = 64;
const COPY_FACTOR = 512;

export class FrameReader {
  readonly #frameBytesMax: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #wantedBytes = FRAME_HEAD_BYTES;

  constructor(frameBytesMax: number = FRAME_BYTES_MAX) {
    this.#frameBytesMax = frameBytesMax;
  }

  /**
   * The frames that `chunk` completes, each a view into received bytes. After an error the stream
   * has no frame boundary any more: close it.
   */
  read(chunk: Uint8Array): Result<readonly Uint8Array[], "FRAME_OVERSIZE"> {
    // A socket hands out Buffers, whose `slice` is a view where that of a Uint8Array is a copy:
    // what is parsed from here on keeps what it copied.
    const plain = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#pending.push(plain);
    this.#pendingBytes += plain.length;
    const frames: Uint8Array[] = [];
    if (this.#pendingBytes < this.#wantedBytes) {
      if (this.#pending.length > PIECE_COUNT_MIN + this.#pendingBytes / COPY_FACTOR) {
        this.#pending = [concatBytes(...this.#pending)];
      }
      return ok(frames);
    }
    let bytes = this.#pending.length === 1 ? plain : concatBytes(...this.#pending);
    for (;;) {
      if (bytes.length < FRAME_HEAD_BYTES) {
        this.#wantedBytes = FRAME_HEAD_BYTES;
        break;
      }
      const length = frameLength(bytes);
      if (length > this.#frameBytesMax) return err("FRAME_OVERSIZE");
      this.#wantedBytes = FRAME_HEAD_BYTES + length;
      if (bytes.length < this.#wantedBytes) break;
      frames.push(bytes.subarray(FRAME_HEAD_BYTES, this.#wantedBytes));
      bytes = bytes.subarray(this.#wantedBytes);
    }
    this.#pending = bytes.length === 0 ? [] : [bytes];
    this.#pendingBytes = bytes.length;
    return ok(frames);
  }
}

function frameLength(bytes: Uint8Array): number {
  return (
    (bytes[0] ?? 0) * 0x1_00_00_00 +
    (((bytes[1] ?? 0) << 16) | ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0))
  );
}

export function encodeFrame(body: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(FRAME_HEAD_BYTES + body.length);
  writeFrameHead(frame, 0, body.length);
  frame.set(body, FRAME_HEAD_BYTES);
  return frame;
}

/** The head of a frame whose body follows it in the same buffer. */
export function writeFrameHead(bytes: Uint8Array, offset: number, bodyBytes: number): void {
  bytes[offset] = bodyBytes >>> 24;
  bytes[offset + 1] = (bodyBytes >>> 16) & 255;
  bytes[offset + 2] = (bodyBytes >>> 8) & 255;
  bytes[offset + 3] = bodyBytes & 255;
}
