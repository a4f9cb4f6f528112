// What is taken of a call before it is served. The gRPC library collects a message of up to its
// limit for each call, for as long as the node likes; here the first bytes tell how long it is, and
// what has no room, or does not come in time, is refused before the rest is read. It must never
// collect more of a call than one message.

import { Duplex } from "node:stream";
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { PRIVVAL_ANSWER_DEADLINE_MS } from "../../shared/limits.ts";
import type { Booking, MessageRoom } from "../privval/message-room.ts";
import type { Timers } from "../privval/timers.ts";
import { PRIVVAL_REQUEST_BYTES_MAX } from "./privval-call.ts";
import { intakeStatusOf } from "./privval-status.ts";

/** A flag for compression, and a length of four bytes. */
const HEAD_BYTES = 5;

export type IntakeParts = {
  readonly room: MessageRoom;
  readonly timers: Timers;
  /** Told of what no method has seen. */
  readonly refused: (cause: Refusal) => void;
};

export class CallIntake {
  readonly #parts: IntakeParts;
  /** A method is given the metadata that came, and nothing else of what is known here. */
  readonly #holds = new WeakMap<Metadata, Hold>();

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** For the server. */
  get interceptor(): ServerInterceptor {
    return (_method, call) => this.#intercept(call);
  }

  /** Keeps the room of a call's message beyond the call, until what is returned is called. */
  hold(metadata: Metadata): () => void {
    const hold = this.#holds.get(metadata);
    hold?.add();
    return () => hold?.release();
  }

  #intercept(call: ServerInterceptingCallInterface): ServerInterceptingCall {
    const { room, timers, refused } = this.#parts;
    const hold = new Hold();
    let isOpen = false;
    const refuse = (cause: Refusal): void => {
      isOpen = false;
      refused(cause);
      call.sendStatus(intakeStatusOf(cause));
    };
    const stream = streamOf(call);
    let cancelLate: (() => void) | null = null;
    const meter = new Meter((byteCount) => {
      if (!hold.book(room.take(byteCount))) refuse(refusal("LINK_BUSY"));
    });
    // Before the library's own, which does not look at a call that was refused.
    stream?.prependListener("data", (chunk: Uint8Array) => {
      if (isOpen && !meter.push(chunk)) refuse(refusal("REQUEST_MALFORMED"));
    });
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            isOpen = true;
            this.#holds.set(metadata, hold);
            cancelLate = timers.after(PRIVVAL_ANSWER_DEADLINE_MS, () =>
              refuse(refusal("PRIVVAL_LATE")),
            );
            if (stream === null) meter.expect(PRIVVAL_REQUEST_BYTES_MAX);
            proceed(metadata);
          },
          onReceiveMessage: (message, proceed) => {
            cancelLate?.();
            proceed(message);
          },
          // Of every call that began, however it ends.
          onCancel: () => {
            isOpen = false;
            cancelLate?.();
            hold.release();
          },
        }),
    });
  }
}

/** Reads how long a call's message is, and that nothing follows it. */
class Meter {
  readonly #onLength: (byteCount: number) => void;
  readonly #head = new Uint8Array(HEAD_BYTES);
  #receivedBytes = 0;
  #endBytes: number | null = null;

  constructor(onLength: (byteCount: number) => void) {
    this.#onLength = onLength;
  }

  /** False when there is more than one message. */
  push(chunk: Uint8Array): boolean {
    if (this.#receivedBytes < HEAD_BYTES) {
      const head = chunk.subarray(0, HEAD_BYTES - this.#receivedBytes);
      this.#head.set(head, this.#receivedBytes);
    }
    this.#receivedBytes += chunk.length;
    if (this.#endBytes === null && this.#receivedBytes >= HEAD_BYTES) this.#measure();
    return this.#endBytes === null || this.#receivedBytes <= this.#endBytes;
  }

  /** Compressed, it may become as long as any; longer than the limit, the library refuses it. */
  expect(byteCount: number): void {
    this.#onLength(Math.min(byteCount, PRIVVAL_REQUEST_BYTES_MAX));
  }

  #measure(): void {
    const length = new DataView(this.#head.buffer).getUint32(1);
    this.#endBytes = HEAD_BYTES + length;
    this.expect(this.#head[0] === 0 ? length : PRIVVAL_REQUEST_BYTES_MAX);
  }
}

/** A message's room, for as long as the call or its method has the message. */
class Hold {
  #booking: Booking | null = null;
  #userCount = 1;

  book(booking: Booking | null): boolean {
    this.#booking = booking;
    return booking !== null;
  }

  add(): void {
    this.#userCount += 1;
  }

  release(): void {
    this.#userCount -= 1;
    if (this.#userCount === 0) this.#booking?.release();
  }
}

/**
 * The library does not show a call's stream, but has it under this name. Null were it renamed: then
 * each call is taken to be as long as it may be, and nothing worse.
 */
function streamOf(call: ServerInterceptingCallInterface): Duplex | null {
  if (!("stream" in call)) return null;
  return call.stream instanceof Duplex ? call.stream : null;
}
