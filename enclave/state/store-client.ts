// The `parent` state store as the enclave sees it: a link to the parent, which keeps bytes and is
// trusted for none of them. One connection, dialled when it is needed and again when it broke.
// A write whose answer did not come is unknown; it is never sent twice.

import type { Duplex } from "node:stream";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { COMMIT_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { Caller } from "../../shared/wire/link.ts";
import { type AnswerOf, type ParamsOf, STORE_METHODS } from "../../shared/wire/methods.ts";
import type {
  CommitOutcome,
  MonotonicClock,
  RecordWrite,
  StateStore,
  StoredRecord,
  Ticker,
} from "../core/ports.ts";

export type Dial = () => Promise<Result<Duplex, Refusal>>;
type StoreCaller = Caller<typeof STORE_METHODS>;

const SWEEP_MS = 100;

export function createParentStore(connection: StoreConnection): StateStore {
  return {
    pacing: "group",
    // Whatever it says is not believed: records are authenticated, and freshness has its floor.
    verify: () => Promise.resolve(ok(null)),
    async read(scope, keys) {
      const answer = await connection.call("store.read", { scope, keys });
      if (answer === null) return err(refusal("STORE_UNAVAILABLE"));
      return answer.ok ? ok(answer.value.map(copyRecord)) : err(unavailable(answer.error));
    },
    async commit(scope, writes) {
      const answer = await connection.call("store.commit", { scope, writes });
      if (answer === null) return unknown(writes, refusal("STORE_UNAVAILABLE"));
      if (!answer.ok) return unknown(writes, ambiguous(answer.error));
      if (answer.value.length !== writes.length) return unknown(writes, refusal("STATE_UNKNOWN"));
      return answer.value.map(commitOutcome);
    },
  };
}

type Calls = typeof STORE_METHODS;

/** The one link to the parent's store, for records and for the log of receipts. */
export class StoreConnection {
  readonly #dial: Dial;
  readonly #clock: MonotonicClock;
  #caller: StoreCaller | null = null;
  #dialling: Promise<StoreCaller | null> | null = null;

  constructor(dial: Dial, clock: MonotonicClock, ticker: Ticker) {
    this.#dial = dial;
    this.#clock = clock;
    ticker.every(SWEEP_MS, () => this.#caller?.expire(clock.nowMs()));
  }

  /** Null when there is no connection: then nothing was sent. */
  async call<Name extends keyof Calls>(
    name: Name,
    params: ParamsOf<Calls[Name]>,
  ): Promise<Result<AnswerOf<Calls[Name]>, Refusal> | null> {
    const caller = await this.#get();
    return caller === null
      ? null
      : caller.call(name, params, this.#clock.nowMs(), COMMIT_DEADLINE_MS);
  }

  #get(): Promise<StoreCaller | null> | StoreCaller {
    if (this.#caller !== null) return this.#caller;
    this.#dialling ??= this.#connect().finally(() => {
      this.#dialling = null;
    });
    return this.#dialling;
  }

  async #connect(): Promise<StoreCaller | null> {
    const dialled = await this.#dial();
    if (!dialled.ok) return null;
    const socket = dialled.value;
    // Everything that was decided in one turn is in one frame already: it leaves at once.
    const caller: StoreCaller = new Caller(STORE_METHODS, socket, queueMicrotask);
    const end = () => {
      if (this.#caller === caller) this.#caller = null;
      caller.close();
      socket.destroy();
    };
    socket.on("data", (chunk: Buffer) => {
      if (!caller.receive(chunk).ok) end();
    });
    socket.on("end", end);
    socket.on("error", end);
    socket.on("close", end);
    this.#caller = caller;
    return caller;
  }
}

/** Parsed values are views into what was received, which is large: keep our own. */
function copyRecord(stored: StoredRecord | null): StoredRecord | null {
  return stored === null ? null : { seq: stored.seq, record: stored.record.slice() };
}

function commitOutcome(stored: StoredRecord | null): CommitOutcome {
  if (stored === null) return { kind: "committed" };
  const isEmpty = stored.record.length === 0;
  return { kind: "conflict", stored: isEmpty ? null : copyRecord(stored) };
}

function unknown(writes: readonly RecordWrite[], cause: Refusal): readonly CommitOutcome[] {
  return writes.map(() => ({ kind: "unknown", cause }));
}

/** What the store itself says is passed on; a lost answer is an unknown outcome. */
function ambiguous(cause: Refusal): Refusal {
  return cause.code.startsWith("STORE_") ? { code: cause.code } : refusal("STATE_UNKNOWN");
}

function unavailable(cause: Refusal): Refusal {
  return cause.code.startsWith("STORE_") ? { code: cause.code } : refusal("STORE_UNAVAILABLE");
}
