// The parent's store, in the hands of chance. `honest` keeps every promise of the port;
// `unreliable` loses answers and lets writes land late, but never lies; `hostile` says and stores
// whatever it likes, of what it has ever seen. It can't forge a record, unless a test gives it the
// keys.

import type {
  CommitOutcome,
  RecordWrite,
  StateStore,
  StoredRecord,
} from "../../enclave/core/ports.ts";
import { keyNameOf } from "../../enclave/keys/key-name.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { refusal } from "../../shared/errors.ts";
import { err, ok } from "../../shared/result.ts";
import type { Random } from "./random.ts";
import type { ReceiptSink } from "./recorder.ts";

export type Temper = "honest" | "unreliable" | "hostile";

/** Makes an authentic record that no enclave ever wrote; only for tests of the tests. */
export type Forge = (keyName: string) => StoredRecord;

type ReadAnswer = Awaited<ReturnType<StateStore["read"]>>;
type Read = {
  readonly kind: "read";
  readonly owner: object;
  readonly names: readonly string[];
  readonly answer: (answer: ReadAnswer) => void;
};
type Commit = {
  readonly kind: "commit";
  readonly owner: object;
  readonly writes: readonly RecordWrite[];
  readonly answer: (outcomes: readonly CommitOutcome[]) => void;
};

const UNKNOWN: CommitOutcome = { kind: "unknown", cause: refusal("STATE_UNKNOWN") };

export class Parent {
  temper: Temper = "honest";
  forge: Forge | null = null;
  /** How likely a hostile parent is to lie this time. */
  readonly #hostility: number;
  readonly #random: Random;
  readonly #recorder: ReceiptSink;
  readonly #current = new Map<string, StoredRecord>();
  /** Every record that an enclave ever handed over. */
  readonly #seen = new Map<string, StoredRecord[]>();
  /** What an enclave was last told is stored. */
  readonly #told = new Map<string, StoredRecord>();
  /** Commits that will still be written and denied, until the enclave gives the request up. */
  readonly #denialCounts = new Map<string, number>();
  #calls: (Read | Commit)[] = [];
  /** Commits whose outcome was told as unknown, and that may still arrive. */
  #late: (readonly RecordWrite[])[] = [];
  callCount = 0;

  /** The recorder is told each receipt that is written. */
  constructor(random: Random, recorder: ReceiptSink) {
    this.#recorder = recorder;
    this.#random = random;
    this.#hostility = random.pick([0.15, 0.4, 0.9]) ?? 0;
  }

  get waitingCount(): number {
    return this.#calls.length;
  }

  /** The store as one enclave sees it. Nothing is answered before `answerOne`. */
  storeOf(owner: object): StateStore {
    return {
      pacing: "group",
      verify: () => Promise.resolve(ok(null)),
      read: (_scope, keys) =>
        new Promise((answer) => {
          this.#calls.push({ kind: "read", owner, names: keys.map(keyNameOf), answer });
        }),
      commit: (_scope, writes) =>
        new Promise((answer) => {
          for (const write of writes) this.#remember(write);
          this.#calls.push({ kind: "commit", owner, writes, answer });
        }),
    };
  }

  answerOne(): void {
    const at = this.temper === "honest" ? 0 : this.#random.below(this.#calls.length);
    const [call] = this.#calls.splice(at, 1);
    if (call === undefined) return;
    this.callCount += 1;
    if (call.kind === "read") call.answer(this.#readAnswer(call.names));
    else call.answer(this.#commitOutcomes(call.writes));
  }

  landOne(): void {
    const [writes] = this.#late.splice(this.#random.below(this.#late.length), 1);
    for (const write of writes ?? []) this.#compareAndSwap(write);
  }

  /** What a dead enclave had sent may have been done, may be done later, or never. */
  forget(owner: object): void {
    const own = this.#calls.filter((call) => call.owner === owner);
    this.#calls = this.#calls.filter((call) => call.owner !== owner);
    for (const call of own) {
      if (call.kind === "commit" && this.#random.chance(0.7)) this.#late.push(call.writes);
    }
    if (this.#random.chance(0.5)) this.landOne();
  }

  /** Another authentic record, or none, in the place of one that is stored. */
  rollBack(name: string): void {
    const old = this.#random.chance(0.15) ? null : this.#anySeen(name);
    if (old === null) this.#current.delete(name);
    else this.#current.set(name, old);
  }

  swap(first: string, second: string): void {
    const record = this.#current.get(first);
    if (record !== undefined) this.#current.set(second, record);
  }

  /** From now on honest: some authentic record for each key, and nothing under way any more. */
  reform(names: readonly string[]): void {
    if (this.temper === "hostile") {
      this.#late = [];
      for (const name of names) this.rollBack(name);
    }
    this.temper = "honest";
    while (this.#late.length > 0) this.landOne();
  }

  #remember(write: RecordWrite): void {
    const name = keyNameOf(write.key);
    const seen = this.#seen.get(name) ?? [];
    seen.push({ seq: write.seq, record: write.record.slice() });
    this.#seen.set(name, seen);
  }

  #readAnswer(names: readonly string[]): ReadAnswer {
    const isLost = this.temper !== "honest" && this.#random.chance(0.1);
    if (isLost) return err(refusal("STORE_UNAVAILABLE"));
    return ok(names.map((name) => this.#stated(name)));
  }

  /** What a parent of this temper says is stored. */
  #stated(name: string): StoredRecord | null {
    const honest = this.#current.get(name) ?? null;
    if (!this.#isLying()) return honest;
    if (this.forge !== null && this.#random.chance(0.3)) return this.forge(name);
    switch (this.#random.weighted({ sibling: 50, old: 40, none: 4, other: 3, garbled: 3 })) {
      case "sibling":
        return this.#sibling(name, honest?.seq ?? 0);
      case "old":
        return this.#anySeen(name);
      case "none":
        return null;
      case "other":
        return this.#anySeen(this.#random.pick([...this.#seen.keys()]) ?? name);
      case "garbled":
        return honest === null ? null : this.#garbled(honest);
    }
  }

  #anySeen(name: string): StoredRecord | null {
    const seen = this.#seen.get(name) ?? [];
    // Mostly of late: those are the ones that can do harm.
    const last = this.#random.chance(0.6) ? seen.slice(-4) : seen;
    return this.#random.pick(last) ?? null;
  }

  /** As new as what is stored, and something else: what was said not to have been written. */
  #sibling(name: string, seq: number): StoredRecord | null {
    const newest = (this.#seen.get(name) ?? []).filter((record) => record.seq >= seq);
    return this.#random.pick(newest) ?? null;
  }

  #isLying(): boolean {
    return this.temper === "hostile" && this.#random.chance(this.#hostility);
  }

  #garbled({ seq, record }: StoredRecord): StoredRecord {
    const bytes = record.slice();
    const at = this.#random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#random.below(8));
    return { seq: this.#random.chance(0.5) ? seq : seq + 1, record: bytes };
  }

  #commitOutcomes(writes: readonly RecordWrite[]): readonly CommitOutcome[] {
    switch (this.temper) {
      case "honest":
        return writes.map((write) => this.#compareAndSwap(write));
      case "unreliable":
        return this.#unreliableOutcomes(writes);
      case "hostile":
        return writes.map((write) => this.#hostileOutcome(write));
    }
  }

  /** One frame is one transaction: all of it is written, or nothing. */
  #unreliableOutcomes(writes: readonly RecordWrite[]): readonly CommitOutcome[] {
    switch (this.#random.weighted({ told: 70, untold: 10, lost: 10, late: 10 })) {
      case "told":
        return writes.map((write) => this.#compareAndSwap(write));
      case "untold":
        for (const write of writes) this.#compareAndSwap(write);
        break;
      case "lost":
        break;
      case "late":
        this.#late.push(writes);
        break;
    }
    return writes.map(() => UNKNOWN);
  }

  #hostileOutcome(write: RecordWrite): CommitOutcome {
    const name = keyNameOf(write.key);
    const denialCount = this.#denialCounts.get(name) ?? 0;
    if (denialCount > 0) {
      this.#denialCounts.set(name, denialCount - 1);
      this.#put(write);
      return { kind: "conflict", stored: this.#told.get(name) ?? null };
    }
    if (!this.#isLying()) return this.#compareAndSwap(write);
    if (this.#random.chance(0.2)) this.#denialCounts.set(name, 5);
    const isWritten = this.#random.chance(0.6);
    if (isWritten) this.#put(write);
    else if (this.#random.chance(0.3)) this.#late.push([write]);
    switch (this.#random.weighted({ committed: 50, conflict: 35, unknown: 15 })) {
      case "committed":
        this.#told.set(name, write);
        return { kind: "committed" };
      case "conflict":
        return { kind: "conflict", stored: this.#stated(name) };
      case "unknown":
        return UNKNOWN;
    }
  }

  #compareAndSwap(write: RecordWrite): CommitOutcome {
    const stored = this.#current.get(keyNameOf(write.key)) ?? null;
    if ((stored?.seq ?? 0) !== write.seq - 1) return { kind: "conflict", stored };
    this.#put(write);
    this.#told.set(keyNameOf(write.key), write);
    return { kind: "committed" };
  }

  #put({ key, seq, record, receipt }: RecordWrite): void {
    this.#recorder.receipt(encodeHex(key), encodeHex(receipt));
    this.#current.set(keyNameOf(key), { seq, record: record.slice() });
  }
}
