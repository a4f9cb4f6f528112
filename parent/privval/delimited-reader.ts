// Messages from a byte stream: a uvarint length and that many bytes (tendermint.md §1.2), cut and
// joined by the carrier as it likes. It must never allocate for a length before the bytes are
// there, and reads on only when a message is asked for, and has room: whoever sends faster meets
// the stream's own limit.

import type { Readable } from "node:stream";
import { readVarint } from "../../shared/bytes/protobuf.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Booking, MessageRoom } from "./message-room.ts";
import { StreamFault } from "./secured-stream.ts";

export type ReadRefusal = Refusal<"PRIVVAL_MALFORMED" | "PRIVVAL_OVERSIZE" | "PRIVVAL_CLOSED">;

type Read = Result<Uint8Array, ReadRefusal>;

/** No length of 64 bits is longer. */
const LENGTH_BYTES_MAX = 10;
/** A buffer of more than this is given back once its message is taken. */
const KEPT_BYTES_MAX = 64 * 1024;

export class DelimitedReader {
  readonly #stream: Readable;
  readonly #buffer: DelimitedBuffer;
  readonly #onOver: () => void;
  readonly #room: MessageRoom | null;
  /** Of the message that comes, from the moment on that its length is known. */
  #booking: Booking | null = null;
  #waiting: ((read: Read) => void) | null = null;
  #isOver = false;

  /** `onOver`: nothing more will come. Noticed while nobody asks, unless bytes wait before it. */
  constructor(
    stream: Readable,
    bodyBytesMax: number,
    onOver: () => void = () => {},
    room: MessageRoom | null = null,
  ) {
    this.#stream = stream;
    this.#room = room;
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
    this.takeBooking()?.release();
    return new Promise((settle) => {
      this.#waiting = settle;
      this.#pump();
    });
  }

  /** The room of the message that was read last: whoever has that releases it. */
  takeBooking(): Booking | null {
    const booking = this.#booking;
    this.#booking = null;
    return booking;
  }

  #pump(): void {
    for (;;) {
      if (this.#waiting === null) {
        // One chunk is read ahead, so that the stream's end is seen while a request is in flight.
        if (!this.#buffer.isEmpty) return;
      } else {
        const length = this.#buffer.measure();
        if (!length.ok) return this.#settle(length);
        if (length.value !== null && !this.#hasRoom(length.value)) return;
        const message = this.#buffer.take();
        if (message !== null) return this.#settle(ok(message));
      }
      const chunk: unknown = this.#stream.read();
      if (!(chunk instanceof Uint8Array)) break;
      this.#buffer.push(chunk);
    }
    if (this.#isOver) this.#settle(err(this.#cause()));
  }

  /** While there is none, what comes stays in the stream, and then with the node. */
  #hasRoom(length: number): boolean {
    if (this.#room === null || this.#isOver) return true;
    this.#booking ??= this.#room.await(length, () => this.#pump());
    return this.#booking.isGranted;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pump();
    this.#booking?.release();
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
  /** Of which the head has come. */
  #message: { readonly headLength: number; readonly length: number } | null = null;
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

  /** The length of the next message; null until that has come. */
  measure(): Result<number | null, ReadRefusal> {
    if (this.#message !== null) return ok(this.#message.length);
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
    this.#message = { headLength: length.end, length: Number(length.value) };
    return ok(this.#message.length);
  }

  /** A copy of the message that was measured; null until it is whole. */
  take(): Uint8Array | null {
    if (this.#message === null) return null;
    const { headLength, length } = this.#message;
    const from = this.#start + headLength;
    if (from + length > this.#end) return null;
    const message = this.#bytes.slice(from, from + length);
    this.#message = null;
    this.#start = from + length;
    this.#shrink();
    return message;
  }

  /** Whoever sent a large message and one byte more would else keep the room of a large one. */
  #shrink(): void {
    const isLarge = this.#bytes.length > KEPT_BYTES_MAX;
    if (!isLarge && !this.isEmpty) return;
    if (isLarge) this.#bytes = this.#bytes.slice(this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
  }
}
