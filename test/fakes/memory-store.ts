// A state store in memory that does and says what a test tells it to, write by write; without a
// script it keeps every promise of the port.

import type {
  CommitOutcome,
  RecordWrite,
  StateStore,
  StoredRecord,
} from "../../enclave/core/ports.ts";
import { keyNameOf } from "../../enclave/keys/key-name.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";

/** What becomes of one write, and what is said of it. */
export type Act = (store: MemoryStore, write: RecordWrite) => CommitOutcome;

const UNKNOWN: CommitOutcome = { kind: "unknown", cause: refusal("STATE_UNKNOWN") };

export const honestly: Act = (store, write) => store.compareAndSwap(write);
export const writtenButUnknown: Act = (store, write) => {
  store.compareAndSwap(write);
  return UNKNOWN;
};
export const lost: Act = () => UNKNOWN;
/** Lands when the test calls `landLate`. */
export const late: Act = (store, write) => {
  store.lateWrites.push(write);
  return UNKNOWN;
};
export const committedButNotWritten: Act = () => ({ kind: "committed" });

export function denied(stored: StoredRecord | null): Act {
  return () => ({ kind: "conflict", stored });
}

/** Written, and said to be in conflict with `stored`. */
export function writtenButDenied(stored: StoredRecord | null): Act {
  return (store, write) => {
    store.put(write);
    return { kind: "conflict", stored };
  };
}

export class MemoryStore implements StateStore {
  readonly pacing: StateStore["pacing"] = "group";
  readonly records = new Map<string, StoredRecord>();
  readonly commits: (readonly RecordWrite[])[] = [];
  readonly lateWrites: RecordWrite[] = [];
  readonly receipts: Uint8Array[] = [];
  readCount = 0;
  #acts: Act[] = [];
  #readRefusals: Refusal[] = [];
  #gate: Promise<void> | null = null;

  verify: StateStore["verify"] = () => Promise.resolve(ok(null));

  read: StateStore["read"] = async (
    _scope,
    keys,
  ): Promise<Result<readonly (StoredRecord | null)[], Refusal>> => {
    this.readCount += 1;
    const refused = this.#readRefusals.shift();
    if (refused !== undefined) return err(refused);
    const answer = keys.map((key) => this.stored(key));
    await this.#gate;
    return ok(answer);
  };

  commit: StateStore["commit"] = async (_scope, writes) => {
    this.commits.push(writes);
    await this.#gate;
    return writes.map((write) => (this.#acts.shift() ?? honestly)(this, write));
  };

  /** For the next writes, in their order. */
  script(...acts: readonly Act[]): void {
    this.#acts.push(...acts);
  }

  /** Whatever was scripted and did not happen yet does not happen. */
  heal(): void {
    this.#acts = [];
    this.#readRefusals = [];
  }

  refuseRead(cause: Refusal): void {
    this.#readRefusals.push(cause);
  }

  /** Holds back all answers until the function that it returns is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return () => {
      this.#gate = null;
      resolve();
    };
  }

  stored(key: Uint8Array): StoredRecord | null {
    return this.records.get(keyNameOf(key)) ?? null;
  }

  landLate(): readonly CommitOutcome[] {
    return this.lateWrites.splice(0).map((write) => this.compareAndSwap(write));
  }

  compareAndSwap(write: RecordWrite): CommitOutcome {
    const stored = this.stored(write.key);
    if ((stored?.seq ?? 0) !== write.seq - 1) return { kind: "conflict", stored };
    this.put(write);
    this.receipts.push(write.receipt);
    return { kind: "committed" };
  }

  put({ key, seq, record }: RecordWrite): void {
    this.records.set(keyNameOf(key), { seq, record: record.slice() });
  }

  /** Whatever was stored before is in its place again. */
  rollBack(key: Uint8Array, record: StoredRecord | null): void {
    if (record === null) this.records.delete(keyNameOf(key));
    else this.records.set(keyNameOf(key), record);
  }
}
