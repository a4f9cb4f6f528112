// The ledger: carries the guard's decisions to the store, at the store's pace: writes of different
// keys that wait go out as one group, or each alone and at once. Each request is told when its own
// record is durable.
// It must never report success before the store did, and never retry a write by itself: after an
// unknown outcome it reads first, and decides again.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { COMMIT_COUNT_MAX, PAGE_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { adopt, type ChainedRecord, confirm, decideClaim, raise } from "../core/guard.ts";
import type { CommitOutcome, StateStore, StoredRecord } from "../core/ports.ts";
import type { Rule } from "../core/rule.ts";
import type { Account, PendingWrite, Settled } from "./account.ts";
import {
  encodeReceipt,
  encodeRecord,
  type HeldReceipt,
  headAfter,
  NO_HEAD,
  openRecord,
  type Receipt,
} from "./record-codec.ts";

/** The next record of a key, not chained yet. */
export type Amendment<R> = Pick<ChainedRecord<R>, "record" | "isRetired">;

/** What a record follows in its key's chain. */
type Place = Pick<ChainedRecord<unknown>, "seq" | "head">;

const RETRY_COUNT_MAX = 4;
const DURABLE: Result<null, Refusal> = ok(null);
/** What a first record follows. */
const NOTHING: Place = { seq: 0, head: NO_HEAD };

export class Ledger<R, C, F> {
  readonly #rule: Rule<R, C, F>;
  readonly #scope: Uint8Array;
  readonly #store: StateStore;
  #queue: PendingWrite<R>[] = [];
  #isFlushing = false;
  #isFlushPlanned = false;

  constructor(rule: Rule<R, C, F>, scope: Uint8Array, store: StateStore) {
    this.#rule = rule;
    this.#scope = scope;
    this.#store = store;
  }

  /** Reads the records of these accounts; those without one stay without. */
  async load(accounts: readonly Account<R, F>[]): Promise<Result<null, Refusal>> {
    for (let at = 0; at < accounts.length; at += PAGE_COUNT_MAX) {
      const page = accounts.slice(at, at + PAGE_COUNT_MAX);
      const known = page.map((account) => account.entry.durable);
      const read = await this.#store.read(
        this.#scope,
        page.map((account) => account.publicKey),
      );
      if (!read.ok) return read;
      if (read.value.length !== page.length) return err(refusal("STORE_CORRUPT"));
      page.forEach((account, index) => {
        // A write of ours that overtook the read (of a key that was dropped and loaded again while
        // it was asked to sign): what is known of it is newer than what was read.
        const isOvertaken = account.pending !== null || account.entry.durable !== known[index];
        if (!isOvertaken) this.#adopt(account, read.value[index] ?? null, "read");
      });
    }
    return DURABLE;
  }

  /**
   * Decides on a claim and makes it durable. Settles with ok when, and only when, what is asked for
   * may be released.
   */
  record(
    account: Account<R, F>,
    claim: C,
    signingRoot: Uint8Array,
    receipt: Receipt,
    retryCount = 0,
    isRead = false,
  ): Result<null, Refusal> | Promise<Result<null, Refusal>> {
    const { entry } = account;
    if (entry.isStale && !isRead) {
      return this.reread(account).then((fresh) =>
        fresh.ok ? this.record(account, claim, signingRoot, receipt, retryCount + 1, true) : fresh,
      );
    }
    if (retryCount > RETRY_COUNT_MAX) return err(refusal("STATE_CONFLICT"));
    const { floor } = account;
    invariant(floor !== null, "a key that signs has a floor");
    const isPending = account.pending !== null;
    const decision = decideClaim(this.#rule, entry, claim, signingRoot, floor, isPending);
    const retry = () => this.record(account, claim, signingRoot, receipt, retryCount + 1);
    switch (decision.kind) {
      case "refuse":
        return err(decision.refusal);
      case "release":
        return DURABLE;
      case "await":
        invariant(account.pending !== null, "a repeat waits for a write that is under way");
        return settle(account.pending, retry);
      case "write":
        return settle(this.#write(account, live(decision.record), decision.base, receipt), retry);
    }
  }

  /**
   * Changes a record by an operator's act: its first record, floors that are raised, or the
   * tombstone. `change` gets the record (null: there is none) and answers the next one, or null to
   * leave it. A tombstone is left as it is.
   */
  async amend(
    account: Account<R, F>,
    receipt: Receipt | HeldReceipt,
    change: (record: R | null) => Amendment<R> | null,
    retryCount = 0,
  ): Promise<Result<null, Refusal>> {
    const { entry } = account;
    if (entry.isStale) {
      const fresh = await this.reread(account);
      if (!fresh.ok) return fresh;
    }
    if (entry.fault !== null) return err(refusal(entry.fault));
    if (retryCount > RETRY_COUNT_MAX) return err(refusal("STATE_CONFLICT"));
    const retry = () => this.amend(account, receipt, change, retryCount + 1);
    const before = entry.raised;
    const isSettled = before === entry.durable;
    if (before?.isRetired === true && isSettled) return err(refusal("KEY_RETIRED"));
    const wished = before?.isRetired === true ? null : change(before?.record ?? null);
    // What is not durable yet is no less to be written because an earlier act asked for it too.
    const next = wished ?? (isSettled ? null : before);
    if (next === null) return DURABLE;
    if (next === before && account.pending !== null) return settle(account.pending, retry);
    invariant(
      before === null || this.#rule.isSuccessor(before.record, next.record),
      "an operator's act only raises a record",
    );
    const base = (account.pending === null ? entry.durable : before) ?? NOTHING;
    return settle(this.#write(account, next, base, receipt), retry);
  }

  /** Reads the record again; what a write of ours has made of it since is newer, and stays. */
  reread(account: Account<R, F>): Promise<Result<null, Refusal>> {
    account.refreshing ??= this.load([account]).finally(() => {
      account.refreshing = null;
    });
    return account.refreshing;
  }

  /**
   * Puts `record` in the place of the one with version `seq`, although it may forbid less: only by
   * an order of the operators, which its caller has verified. Nothing is retried: when the outcome
   * is unknown, the key may refuse (STATE_ROLLED_BACK) until the next boot, whatever is stored.
   */
  async override(
    account: Account<R, F>,
    receipt: Receipt,
    record: R,
    seq: number,
  ): Promise<Result<null, Refusal>> {
    const { entry } = account;
    if (entry.isStale) {
      const fresh = await this.reread(account);
      if (!fresh.ok) return fresh;
    }
    if (entry.fault !== null) return err(refusal(entry.fault));
    const { durable, raised } = entry;
    if (durable === null || raised === null) return err(refusal("STATE_MISSING"));
    if (raised.isRetired) return err(refusal("KEY_RETIRED"));
    // Something is under way, or has an unknown outcome: then this is not the record that was
    // meant.
    const isMeant = raised === durable && account.pending === null && durable.seq === seq;
    if (!isMeant) return err(refusal("OVERRIDE_STATE", seq, durable.seq));
    const pending = this.#write(account, { record, isRetired: false }, durable, receipt);
    return settle(pending, () => err(refusal("STATE_CONFLICT")));
  }

  #write(
    account: Account<R, F>,
    { record, isRetired }: Amendment<R>,
    base: Place,
    receipt: Receipt | HeldReceipt,
  ): PendingWrite<R> {
    const seq = base.seq + 1;
    const receiptBytes = encodeReceipt(receipt, seq, base.head);
    const head = headAfter(account, receiptBytes);
    const chained: ChainedRecord<R> = { record, isRetired, seq, head };
    const pending: PendingWrite<R> = {
      account,
      chained,
      write: {
        key: account.publicKey,
        seq,
        record: encodeRecord(this.#rule, account, chained),
        receipt: receiptBytes,
      },
      generation: account.entry.generation,
      waiters: [],
    };
    raise(account.entry, chained);
    account.pending = pending;
    this.#queue.push(pending);
    this.#planFlush();
    return pending;
  }

  /** After everything that arrived in this turn has been decided. */
  #planFlush(): void {
    if (this.#isFlushing || this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    queueMicrotask(() => {
      this.#isFlushPlanned = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    switch (this.#store.pacing) {
      case "each":
        // A write that has to wait for another of its key is sent when that one has its outcome.
        for (const pending of this.#takeGroup()) void this.#commit([pending]);
        return;
      case "group":
        // Before the group is taken: what is decided again by that goes out with the next one.
        this.#isFlushing = true;
        await this.#commit(this.#takeGroup());
        this.#isFlushing = false;
        if (this.#queue.length > 0) this.#planFlush();
    }
  }

  async #commit(group: readonly PendingWrite<R>[]): Promise<void> {
    if (group.length === 0) return;
    for (const { account } of group) account.isSending = true;
    const outcomes = await this.#store.commit(
      this.#scope,
      group.map((pending) => pending.write),
    );
    invariant(outcomes.length === group.length, "the store answers for each write");
    for (const { account } of group) account.isSending = false;
    // First every record, then every request: a request that decides again sees all of them.
    const ends = group.map((pending, index) => ({
      pending,
      settled: this.#apply(pending, outcomes[index]),
    }));
    for (const { pending, settled } of ends) tell(pending, settled);
    if (this.#queue.length > 0) this.#planFlush();
  }

  /**
   * At most one write of a key: it is sent when what it builds on is known to be stored. Stores
   * compare versions, not contents. Of two that left together and were lost, the second could land
   * late, on top of another write in the place of the first, and undo that.
   */
  #takeGroup(): readonly PendingWrite<R>[] {
    const group = new Map<Account<R, unknown>, PendingWrite<R>>();
    const rest: PendingWrite<R>[] = [];
    const taken = this.#queue;
    this.#queue = [];
    for (const pending of taken) {
      const { account } = pending;
      // Built on a record that was overtaken meanwhile: not sent, decided again.
      if (pending.generation !== account.entry.generation) tell(pending, "retry");
      else if (account.isSending || group.has(account)) rest.push(pending);
      else if (group.size === COMMIT_COUNT_MAX) rest.push(pending);
      else group.set(account, pending);
    }
    // What was decided again just now was queued anew, and comes after.
    this.#queue.unshift(...rest);
    return [...group.values()];
  }

  #apply(pending: PendingWrite<R>, outcome: CommitOutcome | undefined): Settled {
    const { account } = pending;
    if (outcome?.kind === "committed") {
      if (account.pending === pending) account.pending = null;
      const isCurrent = pending.generation === account.entry.generation;
      invariant(isCurrent, "a key's state stays as it is while its write is under way");
      confirm(account.entry, pending.chained);
      return DURABLE;
    }
    account.pending = null;
    if (outcome?.kind === "conflict") {
      this.#adopt(account, outcome.stored, "conflict");
      return "retry";
    }
    account.entry.isStale = true;
    account.entry.generation += 1;
    return err(outcome?.cause ?? refusal("STATE_UNKNOWN"));
  }

  #adopt(
    account: Account<R, unknown>,
    stored: StoredRecord | null,
    cause: "read" | "conflict",
  ): void {
    if (stored === null) return adopt(this.#rule, account.entry, null, cause);
    const opened = openRecord(this.#rule, account, stored);
    if (opened.ok) return adopt(this.#rule, account.entry, opened.value, cause);
    account.entry.isStale = false;
    account.entry.generation += 1;
    account.entry.fault = opened.error;
  }
}

function live<R>(record: R): Amendment<R> {
  return { record, isRetired: false };
}

function tell<R>(pending: PendingWrite<R>, settled: Settled): void {
  for (const waiter of pending.waiters) waiter(settled);
}

function settle<R>(
  pending: PendingWrite<R>,
  retry: () => Result<null, Refusal> | Promise<Result<null, Refusal>>,
): Promise<Result<null, Refusal>> {
  return new Promise((resolve) => {
    pending.waiters.push((settled) => resolve(settled === "retry" ? retry() : settled));
  });
}
