// One connection to a Tendermint node, which asks; we answer (tendermint.md §1). One request at a
// time, in order, and every refusal is an answer too. There are no request ids, so that a late
// answer would be taken for the next request's: it must never be sent, and what can't be sent in
// time ends the connection with a reset, which the node notices at once (§1.5). It must never end
// the connection because of a refusal.

import type { Duplex } from "node:stream";
import { encodeDelimited } from "../../shared/bytes/protobuf.ts";
import { ERRORS, type Refusal } from "../../shared/errors.ts";
import {
  PRIVVAL_ANSWER_BYTES_MAX,
  PRIVVAL_ANSWER_DEADLINE_MS,
  PRIVVAL_IDLE_MS,
  PRIVVAL_MESSAGE_BYTES_MAX,
} from "../../shared/limits.ts";
import {
  encodePingAnswer,
  encodeRefusal,
  openPrivvalMessage,
  type PrivvalArm,
} from "../../shared/privval.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { DelimitedReader } from "./delimited-reader.ts";
import type { MessageRoom } from "./message-room.ts";
import type { PrivvalCode, PrivvalSigner } from "./ports.ts";
import { refusalText } from "./refusal-text.ts";
import { askSigner } from "./signer-ask.ts";
import { SYSTEM_TIMERS, type Timers } from "./timers.ts";

export type SessionOptions = {
  readonly chainId: string;
  readonly stream: Duplex;
  /** Ends the stream's connection with a reset where its kind knows one. */
  readonly reset: () => void;
  readonly signer: PrivvalSigner;
  readonly timers?: Timers;
  readonly timing?: Partial<SessionTiming>;
  /** What the node reads of one message; PRIVVAL_ANSWER_BYTES_MAX for every version. */
  readonly answerBytesMax?: number;
  /** Shared by all sessions; without it there is room for whatever comes. */
  readonly room?: MessageRoom;
  readonly events?: Partial<SessionEvents>;
};

export type SessionTiming = { readonly answerMs: number; readonly idleMs: number };

export type SessionEvents = {
  /** A whole message has come. */
  readonly message: () => void;
  /** There is an answer to a request other than a ping; null: what the signer said. */
  readonly answered: (refused: Refusal | null) => void;
};

/** Null when we closed it ourselves. */
export type SessionEnd = PrivvalCode | null;

/** What goes back to the node, and why it is no signature. */
type Answer = { readonly message: Uint8Array; readonly refused: Refusal | null };

const TIMING: SessionTiming = { answerMs: PRIVVAL_ANSWER_DEADLINE_MS, idleMs: PRIVVAL_IDLE_MS };
/** How long the end of our side may wait for what was sent before it. */
const END_MS = 1000;

export class PrivvalSession {
  readonly #options: SessionOptions;
  readonly #timers: Timers;
  readonly #timing: SessionTiming;
  readonly #reader: DelimitedReader;
  readonly #answerBytesMax: number;
  readonly #closed: Promise<void>;
  /** Ends what is waited for at present. */
  #interrupt: ((end: SessionEnd) => void) | null = null;
  #isReading = false;
  #isClosing = false;
  #isOver = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#timers = options.timers ?? SYSTEM_TIMERS;
    this.#timing = { ...TIMING, ...options.timing };
    this.#answerBytesMax = options.answerBytesMax ?? PRIVVAL_ANSWER_BYTES_MAX;
    const { stream } = options;
    // A failed stream shows as `close`.
    stream.on("error", () => {});
    this.#closed = new Promise((settle) => {
      if (stream.closed) settle();
      else stream.once("close", () => settle());
    });
    const onOver = (): void => {
      this.#isOver = true;
      if (!this.#isReading) this.#interrupt?.("PRIVVAL_CLOSED");
    };
    const room = options.room ?? null;
    this.#reader = new DelimitedReader(stream, PRIVVAL_MESSAGE_BYTES_MAX, onOver, room);
  }

  /** Serves until the connection is over and closed. Once; never rejects. */
  async run(): Promise<SessionEnd> {
    const end = await this.#serve();
    const { stream, reset } = this.#options;
    if (this.#isClosing && end === null && !this.#isReading) await this.#endStream();
    else reset();
    stream.destroy();
    await this.#closed;
    return end;
  }

  /** Takes no more requests; the one in flight is answered, or not, within its deadline. */
  close(): void {
    this.#isClosing = true;
    if (this.#isReading) this.#interrupt?.(null);
  }

  async #serve(): Promise<SessionEnd> {
    const { events = {} } = this.#options;
    while (!this.#isClosing) {
      this.#isReading = true;
      const read = await this.#within(this.#reader.next(), this.#timing.idleMs, "PRIVVAL_IDLE");
      if (!read.ok) return read.error;
      const message = read.value;
      if (!message.ok) return message.error.code;
      this.#isReading = false;
      // Nobody waits for what would be signed.
      if (this.#isOver) return "PRIVVAL_CLOSED";
      events.message?.();
      const end = await this.#answer(message.value);
      if (end !== null) return end;
    }
    return null;
  }

  /** Null when the answer has left in time. */
  async #answer(message: Uint8Array): Promise<SessionEnd> {
    const endMs = this.#timers.nowMs() + this.#timing.answerMs;
    const leftMs = (): number => Math.max(0, endMs - this.#timers.nowMs());
    const opened = openPrivvalMessage(message);
    if (!opened.ok && opened.error === "REQUEST_MALFORMED") return "PRIVVAL_MALFORMED";
    // Null: an arm that nobody could answer (§1.3).
    const arm = opened.ok ? opened.value.arm : null;
    let body = arm === null ? encodeRefusal(null, 0, "") : encodePingAnswer();
    if (arm !== null && arm !== "ping") {
      const answer = await this.#within(
        this.#ask(arm, message, leftMs()),
        leftMs(),
        "PRIVVAL_LATE",
      );
      if (!answer.ok) return answer.error;
      const { message: answered, refused } = answer.value;
      this.#options.events?.answered?.(refused);
      body = answered;
    }
    // Also where the event loop was so busy that the alarm has not rung yet.
    if (leftMs() === 0) return "PRIVVAL_LATE";
    const sent = await this.#within(this.#send(body), leftMs(), "PRIVVAL_LATE");
    if (!sent.ok) return sent.error;
    return sent.value;
  }

  async #ask(arm: PrivvalArm, message: Uint8Array, deadlineMs: number): Promise<Answer> {
    const { signer, chainId } = this.#options;
    const answerBytesMax = this.#answerBytesMax;
    const booking = this.#reader.takeBooking();
    const answer = await askSigner(signer, { chainId, arm, message, deadlineMs, answerBytesMax });
    // Not earlier, also when the node has given up: until then the signer has the message.
    booking?.release();
    if (answer.ok) return { message: answer.value.message, refused: null };
    const refused = answer.error;
    const { number } = ERRORS[refused.code];
    return { message: encodeRefusal(arm, number, refusalText(refused)), refused };
  }

  /** Done when the carrier has taken it: a node that does not read is noticed here. */
  #send(body: Uint8Array): Promise<SessionEnd> {
    return new Promise((settle) => {
      this.#options.stream.write(encodeDelimited(body), (error) => {
        settle(error instanceof Error ? "PRIVVAL_CLOSED" : null);
      });
    });
  }

  /** After an answer: a reset would throw away what has not left yet. */
  async #endStream(): Promise<void> {
    const { stream } = this.#options;
    // Of a destroyed stream Node never says that it has ended.
    if (stream.destroyed) return;
    const ended = new Promise<void>((settle) => stream.end(() => settle()));
    await this.#within(ended, END_MS, null);
  }

  /** The outcome of `work`, unless time is up or the session over before. */
  #within<T>(work: Promise<T>, delayMs: number, late: SessionEnd): Promise<Result<T, SessionEnd>> {
    return new Promise((resolve) => {
      let isSettled = false;
      const settle = (outcome: Result<T, SessionEnd>): void => {
        // Work that was given up may still end, when something else is waited for.
        if (isSettled) return;
        isSettled = true;
        cancel();
        this.#interrupt = null;
        resolve(outcome);
      };
      const cancel = this.#timers.after(delayMs, () => settle(err(late)));
      this.#interrupt = (end) => settle(err(end));
      void work.then((value) => settle(ok(value)));
      if (this.#isOver && !this.#isReading) settle(err("PRIVVAL_CLOSED"));
    });
  }
}
