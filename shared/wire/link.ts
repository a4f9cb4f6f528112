// Both ends of a link, over any byte stream: `Caller` sends requests and matches answers by id,
// `Answerer` answers every request exactly once. Frames written in one turn of the event loop
// leave in one write. Both are bounded; neither ever throws for what the peer sends.
// The owner feeds received bytes in, passes the end of the stream on, and closes the stream when
// `receive` refuses.

import { type CborValue, cborSizeOf, encodeCborInto, isArray } from "../bytes/cbor.ts";
import { type Refusal, refusal } from "../errors.ts";
import {
  IN_FLIGHT_BYTES_MAX,
  IN_FLIGHT_COUNT_MAX,
  LINK_BACKLOG_BYTES_MAX,
  LINK_COUNT_MAX,
} from "../limits.ts";
import { err, type Result } from "../result.ts";
import { FRAME_HEAD_BYTES, FrameReader, writeFrameHead } from "./frame.ts";
import { answerItem, parseAnswer, parseRequest, requestItem, type WireRequest } from "./message.ts";
import type { Method } from "./method.ts";
import type { AnswerOf, Methods, ParamsOf } from "./methods.ts";

/** What a link needs of a stream; a Node socket is one. */
export interface ByteStream {
  write(bytes: Uint8Array): boolean;
  destroy(): void;
  readonly writableLength: number;
}

/** Runs a function later in this turn of the event loop, after the input that is there. */
export type Defer = (run: () => void) => void;

/** Frames are written into slabs of this size, so that a small one costs no memory of its own. */
const SLAB_BYTES = 64 * 1024;

/** Frames of one turn of the event loop, side by side in one buffer, sent in one write. */
class FrameWriter {
  readonly #stream: ByteStream;
  readonly #defer: Defer;
  #slab: Uint8Array = new Uint8Array(0);
  /** What of the slab is written, and what of that is sent already. */
  #filledBytes = 0;
  #sentBytes = 0;
  #isPlanned = false;

  constructor(stream: ByteStream, defer: Defer) {
    this.#stream = stream;
    this.#defer = defer;
  }

  push(item: CborValue): void {
    const bodyBytes = cborSizeOf(item);
    const frameBytes = FRAME_HEAD_BYTES + bodyBytes;
    if (this.#filledBytes + frameBytes > this.#slab.length) {
      this.#send();
      this.#slab = new Uint8Array(Math.max(SLAB_BYTES, frameBytes));
      this.#filledBytes = 0;
      this.#sentBytes = 0;
    }
    writeFrameHead(this.#slab, this.#filledBytes, bodyBytes);
    encodeCborInto(item, this.#slab, this.#filledBytes + FRAME_HEAD_BYTES);
    this.#filledBytes += frameBytes;
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#defer(() => {
      this.#isPlanned = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#filledBytes === this.#sentBytes) return;
    this.#stream.write(this.#slab.subarray(this.#sentBytes, this.#filledBytes));
    this.#sentBytes = this.#filledBytes;
    // A peer that asks and does not read would otherwise fill our memory.
    if (this.#stream.writableLength > LINK_BACKLOG_BYTES_MAX) this.#stream.destroy();
  }
}

type Waiting = {
  readonly id: number;
  readonly method: Method<unknown, unknown>;
  readonly sentMs: number;
  readonly deadlineMs: number;
  readonly settle: (outcome: Result<unknown, Refusal>) => void;
};

/** Ids are 32 bits: a slot, and a generation above it. */
const SLOT_COUNT = IN_FLIGHT_COUNT_MAX;
const GENERATION_COUNT = Math.floor(0xffff_ffff / SLOT_COUNT);

export class Caller<M extends Methods> {
  readonly #methods: M;
  readonly #reader = new FrameReader();
  readonly #writer: FrameWriter;
  /**
   * What waits, by the low bits of its id. Slots are used again at once: a Map that entries come to
   * and leave all the time would throw its tables away, and old tables keep dead requests alive.
   */
  readonly #slots: (Waiting | null)[] = [];
  readonly #freeSlots: number[] = [];
  #inFlightCount = 0;
  #generation = 0;
  #isOpen = true;

  constructor(methods: M, stream: ByteStream, defer: Defer) {
    this.#methods = methods;
    this.#writer = new FrameWriter(stream, defer);
  }

  get inFlightCount(): number {
    return this.#inFlightCount;
  }

  /** `nowMs` is any monotonic clock, the same one that `expire` is called with. */
  call<Name extends keyof M & string>(
    name: Name,
    params: ParamsOf<M[Name]>,
    nowMs: number,
    deadlineMs: number,
  ): Promise<Result<AnswerOf<M[Name]>, Refusal>> {
    const method = this.#methods[name];
    if (!this.#isOpen || method === undefined) return Promise.resolve(err(refusal("LINK_DOWN")));
    if (this.#inFlightCount >= IN_FLIGHT_COUNT_MAX) {
      return Promise.resolve(err(refusal("LINK_BUSY")));
    }
    const id = this.#takeId();
    const answer = new Promise<Result<unknown, Refusal>>((settle) => {
      this.#slots[id % SLOT_COUNT] = { id, method, sentMs: nowMs, deadlineMs, settle };
    });
    this.#writer.push(requestItem({ id, method: name, params: asParams(method, params) }));
    // The method's own answer field parsed the value (see #settle).
    return answer as Promise<Result<AnswerOf<M[Name]>, Refusal>>; // oxlint-disable-line typescript/no-unsafe-type-assertion
  }

  /** Feeds received bytes. An error means that the stream is to be closed. */
  receive(chunk: Uint8Array): Result<null, Refusal> {
    const frames = this.#reader.read(chunk);
    if (!frames.ok) return err(refusal(frames.error));
    for (const frame of frames.value) {
      const answer = parseAnswer(frame);
      if (!answer.ok) return err(refusal(answer.error));
      this.#settle(answer.value.id, answer.value.outcome);
    }
    return { ok: true, value: null };
  }

  /** Fails what has waited for longer than its deadline. A late answer is then dropped. */
  expire(nowMs: number): void {
    for (const waiting of this.#slots) {
      if (waiting === null || nowMs - waiting.sentMs < waiting.deadlineMs) continue;
      this.#take(waiting.id)?.settle(err(refusal("LINK_TIMEOUT")));
    }
  }

  /** The stream has ended: everything that waits fails, with an unknown outcome. */
  close(): void {
    this.#isOpen = false;
    for (const waiting of this.#slots) {
      if (waiting !== null) this.#take(waiting.id)?.settle(err(refusal("LINK_DOWN")));
    }
  }

  #settle(id: number, outcome: Result<CborValue, Refusal>): void {
    const waiting = this.#take(id);
    if (waiting === null) return;
    if (!outcome.ok) return waiting.settle(outcome);
    const value = waiting.method.answer.parse(outcome.value);
    waiting.settle(value === undefined ? err(refusal("FRAME_MALFORMED")) : { ok: true, value });
  }

  /** The high bits differ each time, so that a late answer never meets a later request. */
  #takeId(): number {
    const slot = this.#freeSlots.pop() ?? this.#slots.push(null) - 1;
    this.#inFlightCount += 1;
    this.#generation = (this.#generation + 1) % GENERATION_COUNT;
    return this.#generation * SLOT_COUNT + slot;
  }

  /** What waits for this id, which is free again afterwards. */
  #take(id: number): Waiting | null {
    const slot = id % SLOT_COUNT;
    const waiting = this.#slots[slot] ?? null;
    if (waiting === null || waiting.id !== id) return null;
    this.#slots[slot] = null;
    this.#freeSlots.push(slot);
    this.#inFlightCount -= 1;
    return waiting;
  }
}

function asParams(method: Method<unknown, unknown>, params: unknown): readonly CborValue[] {
  const encoded = method.params.encode(params);
  return isArray(encoded) ? encoded : [encoded];
}

type MaybePromise<T> = T | Promise<T>;

/** One function per method; it gets parsed parameters and never throws for a bad request. */
export type Handlers<M extends Methods> = {
  readonly [Name in keyof M]: (
    params: ParamsOf<M[Name]>,
  ) => MaybePromise<Result<AnswerOf<M[Name]>, Refusal>>;
};

type AnyHandler = (params: unknown) => MaybePromise<Result<unknown, Refusal>>;

export class Answerer<M extends Methods> {
  readonly #methods: M;
  readonly #handlers: Handlers<M>;
  readonly #reader = new FrameReader();
  readonly #writer: FrameWriter;
  #inFlightCount = 0;
  #inFlightBytes = 0;

  constructor(methods: M, handlers: Handlers<M>, stream: ByteStream, defer: Defer) {
    this.#methods = methods;
    this.#handlers = handlers;
    this.#writer = new FrameWriter(stream, defer);
  }

  /** Feeds received bytes. An error means that the stream is to be closed. */
  receive(chunk: Uint8Array): Result<null, Refusal> {
    const frames = this.#reader.read(chunk);
    if (!frames.ok) return err(refusal(frames.error));
    for (const frame of frames.value) {
      const request = parseRequest(frame);
      if (!request.ok) return err(refusal(request.error));
      this.#answer(request.value, frame.length);
    }
    return { ok: true, value: null };
  }

  #answer(request: WireRequest, byteCount: number): void {
    const outcome = this.#handle(request, byteCount);
    if (!(outcome instanceof Promise)) return this.#send(request, outcome);
    this.#inFlightCount += 1;
    this.#inFlightBytes += byteCount;
    // A handler that rejects is a bug: the rejection stays unhandled and ends the process.
    void outcome.then((late) => {
      this.#inFlightCount -= 1;
      this.#inFlightBytes -= byteCount;
      this.#send(request, late);
    });
  }

  #handle(request: WireRequest, byteCount: number): MaybePromise<Result<unknown, Refusal>> {
    if (!Object.hasOwn(this.#methods, request.method)) return err(refusal("METHOD_UNKNOWN"));
    const method = this.#methods[request.method];
    if (method === undefined) return err(refusal("METHOD_UNKNOWN"));
    if (
      this.#inFlightCount >= IN_FLIGHT_COUNT_MAX ||
      this.#inFlightBytes + byteCount > IN_FLIGHT_BYTES_MAX
    ) {
      return err(refusal("LINK_BUSY"));
    }
    const params = method.params.parse(request.params);
    if (params === undefined) return err(refusal("PARAMS_MALFORMED"));
    // The parameters were parsed by this very method's field.
    const handler = this.#handlers[request.method] as AnyHandler; // oxlint-disable-line typescript/no-unsafe-type-assertion
    return handler(params);
  }

  #send(request: WireRequest, outcome: Result<unknown, Refusal>): void {
    const method = this.#methods[request.method];
    const encoded: Result<CborValue, Refusal> =
      outcome.ok && method !== undefined
        ? { ok: true, value: method.answer.encode(outcome.value) }
        : outcome.ok
          ? err(refusal("METHOD_UNKNOWN"))
          : outcome;
    this.#writer.push(answerItem({ id: request.id, outcome: encoded }));
  }
}

/**
 * Adds a link that was accepted. At LINK_COUNT_MAX the oldest gives way: links that died unnoticed,
 * or that their owner forgot, must not keep a new peer out.
 */
export function admitLink<L extends { destroy(): void }>(links: Set<L>, link: L): void {
  const [oldest] = links;
  if (oldest !== undefined && links.size >= LINK_COUNT_MAX) {
    links.delete(oldest);
    oldest.destroy();
  }
  links.add(link);
}
