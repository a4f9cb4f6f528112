// Messages from a byte stream: a uvarint length and that many bytes (tendermint.md §1.2), cut and
// joined by the carrier as it likes. It must never allocate for a length before the bytes are
// there, and reads on only when a message is asked for: whoever sends faster meets the stream's own
// limit.

import type { Readable } from "node:stream";
import { readVarint } from "../../shared/bytes/protobuf.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { StreamFault } from "./secured-stream.ts";

export type ReadRefusal = Refusal<"PRIVVAL_MALFORMED" | "PRIVVAL_OVERSIZE" | "PRIVVAL_CLOSED">;

type Read = Result<Uint8Array, ReadRefusal>;

/** No length of 64 bits is longer. */
const LENGTH_BYTES_MAX = 10;
/** A buffer of more than this is given back once it is empty. */
const KEPT_BYTES_MAX = 64 * 1024;

export class DelimitedReader {
  readonly #stream: Readable;
  readonly #buffer: DelimitedBuffer;
  readonly #onOver: () => void;
  #waiting: ((read: Read) => void) | null = null;
  #isOver = false;

  /** `onOver`: nothing more will come. Noticed while nobody asks, unless bytes wait before it. */
  constructor(stream: Readable, bodyBytesMax: number, onOver: () => void = () => {}) {
    this.#stream = stream;
    this.#buffer = new DelimitedBuffer(bodyBytesMax);
    this.#onOver = onOver;
    stream.on("readable", () => this.#pump());
    stream.once("end", () => this.#end());
    stream.once("close", () => this.#end());
    if (stream.destroyed || stream.readableEnded) this.#isOver = true;
  }

  /** One at a time. After a refusal every other call is refused as well. */
  next(): Promise<Read> {
    invariant(this.#waiting === null, "one message is asked for at a time");
    return new Promise((settle) => {
      this.#waiting = settle;
      this.#pump();
    });
  }

  #pump(): void {
    for (;;) {
      if (this.#waiting === null) {
        // One chunk is read ahead, so that the stream's end is seen while a request is in flight.
        if (!this.#buffer.isEmpty) return;
      } else {
        const message = this.#buffer.take();
        if (!message.ok) return this.#settle(message);
        if (message.value !== null) return this.#settle(ok(message.value));
      }
      const chunk: unknown = this.#stream.read();
      if (!(chunk instanceof Uint8Array)) break;
      this.#buffer.push(chunk);
    }
    if (this.#isOver) this.#settle(err(this.#cause()));
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pump();
    this.#onOver();
  }

  #cause(): ReadRefusal {
    const fault = this.#stream.errored;
    const isMalformed = fault instanceof StreamFault && fault.code === "PRIVVAL_MALFORMED";
    return refusal(isMalformed ? "PRIVVAL_MALFORMED" : "PRIVVAL_CLOSED");
  }

  #settle(read: Read): void {
    const settle = this.#waiting;
    this.#waiting = null;
    settle?.(read);
  }
}

/** What has come and was not taken yet: never more than one message and one chunk. */
class DelimitedBuffer {
  readonly #bodyBytesMax: number;
  #bytes = new Uint8Array(0);
  #start = 0;
  #end = 0;

  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  /** Twice as large when it is full, so that a byte costs the same however finely it drips. */
  push(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#bytes.length) {
      const usedBytes = this.#end - this.#start;
      const grown = new Uint8Array(Math.max(2 * usedBytes, usedBytes + chunk.length));
      grown.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = grown;
      this.#start = 0;
      this.#end = usedBytes;
    }
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** A copy of the next message; null until it is whole. */
  take(): Result<Uint8Array | null, ReadRefusal> {
    const head = this.#bytes.subarray(
      this.#start,
      Math.min(this.#end, this.#start + LENGTH_BYTES_MAX),
    );
    if (head.every((byte) => byte >= 0x80)) {
      return head.length < LENGTH_BYTES_MAX ? ok(null) : err(refusal("PRIVVAL_MALFORMED"));
    }
    const length = readVarint(head, 0);
    if (length === undefined) return err(refusal("PRIVVAL_MALFORMED"));
    if (length.value > BigInt(this.#bodyBytesMax)) return err(refusal("PRIVVAL_OVERSIZE"));
    const from = this.#start + length.end;
    const to = from + Number(length.value);
    if (to > this.#end) return ok(null);
    const message = this.#bytes.slice(from, to);
    this.#start = to;
    if (this.isEmpty) this.#forget();
    return ok(message);
  }

  #forget(): void {
    this.#start = 0;
    this.#end = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = new Uint8Array(0);
  }
}
