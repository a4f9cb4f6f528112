// SecretConnection's frames (tendermint.md §2.1, steps 6 and 7): 1024 bytes of data at most, padded
// to one size and sealed with ChaCha20-Poly1305, one key and one counter for each direction. It
// must never use a nonce twice, and never hand out a byte that was not authenticated.

import { createCipheriv, createDecipheriv } from "node:crypto";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export const FRAME_DATA_BYTES_MAX = 1024;
const HEAD_BYTES = 4;
const PLAIN_BYTES = HEAD_BYTES + FRAME_DATA_BYTES_MAX;
const TAG_BYTES = 16;
export const SEALED_FRAME_BYTES = PLAIN_BYTES + TAG_BYTES;

const CIPHER = "chacha20-poly1305";
const CIPHER_OPTIONS = { authTagLength: TAG_BYTES } as const;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
/** Go panics when its counter has come this far; the last number is never used. */
const COUNTER_END = 2n ** 64n - 1n;

/** One direction's key with its counter. Ends the program rather than wrap (step 6). */
class FrameKey {
  readonly key: Buffer;
  readonly #nonce = Buffer.alloc(NONCE_BYTES);
  #counter: bigint;

  constructor(key: Uint8Array, counter: bigint) {
    invariant(key.length === KEY_BYTES, "a frame key has 32 bytes");
    this.key = Buffer.from(key);
    this.#counter = counter;
  }

  /** Good until the next call. */
  nextNonce(): Buffer {
    invariant(this.#counter < COUNTER_END, "a SecretConnection's counter must not wrap");
    this.#nonce.writeBigUInt64LE(this.#counter, NONCE_BYTES - 8);
    this.#counter += 1n;
    return this.#nonce;
  }
}

export class FrameSealer {
  readonly #key: FrameKey;

  /** Copies the key. Another counter than 0 is for tests of its end. */
  constructor(key: Uint8Array, counter = 0n) {
    this.#key = new FrameKey(key, counter);
  }

  /** All of `data`, in as few frames as it takes; none for none. */
  seal(data: Uint8Array): Buffer {
    const frames: Buffer[] = [];
    for (let at = 0; at < data.length; at += FRAME_DATA_BYTES_MAX) {
      const piece = data.subarray(at, at + FRAME_DATA_BYTES_MAX);
      const plain = Buffer.alloc(PLAIN_BYTES);
      plain.writeUInt32LE(piece.length);
      plain.set(piece, HEAD_BYTES);
      const cipher = createCipheriv(CIPHER, this.#key.key, this.#key.nextNonce(), CIPHER_OPTIONS);
      frames.push(cipher.update(plain), cipher.final(), cipher.getAuthTag());
    }
    return Buffer.concat(frames);
  }

  /** Overwrites the key; nothing can be sealed any more. */
  destroy(): void {
    this.#key.key.fill(0);
  }
}

export class FrameOpener {
  readonly #key: FrameKey;

  constructor(key: Uint8Array, counter = 0n) {
    this.#key = new FrameKey(key, counter);
  }

  /** The data of one frame, in a buffer of its own. After a refusal the stream is worth nothing. */
  open(sealed: Uint8Array): Result<Uint8Array, Refusal<"PRIVVAL_MALFORMED">> {
    if (sealed.length !== SEALED_FRAME_BYTES) return err(refusal("PRIVVAL_MALFORMED"));
    const plain = this.#decrypt(sealed);
    if (plain === null) return err(refusal("PRIVVAL_MALFORMED"));
    const dataBytes = plain.readUInt32LE(0);
    if (dataBytes > FRAME_DATA_BYTES_MAX) return err(refusal("PRIVVAL_MALFORMED"));
    // A copy: a view would keep the whole frame for each byte that a dripping peer sends. Go pads
    // with what was in its buffer before, so the padding says nothing.
    return ok(new Uint8Array(plain.subarray(HEAD_BYTES, HEAD_BYTES + dataBytes)));
  }

  destroy(): void {
    this.#key.key.fill(0);
  }

  #decrypt(sealed: Uint8Array): Buffer | null {
    const nonce = this.#key.nextNonce();
    const cipher = createDecipheriv(CIPHER, this.#key.key, nonce, CIPHER_OPTIONS);
    cipher.setAuthTag(sealed.subarray(PLAIN_BYTES));
    const plain = cipher.update(sealed.subarray(0, PLAIN_BYTES));
    try {
      cipher.final();
    } catch {
      return null;
    }
    return plain;
  }
}
