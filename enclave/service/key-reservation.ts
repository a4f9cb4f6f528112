// One key whose signatures do not wait for the store, because heights are reserved ahead: what was
// signed is kept in memory, and written behind with its receipts. It must never let anything be
// signed that no durable reservation of this boot covers, nor after it has given one back.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { RECEIPT_SIGNED_COUNT_MAX, UNRECEIPTED_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { SignedStep, TendermintRecord } from "../core/chains/tendermint/consensus-record.ts";
import { type TendermintClaim, timeToSign } from "../core/chains/tendermint/consensus-rule.ts";
import { comparePositions } from "../core/chains/tendermint/position.ts";
import {
  decideHeld,
  giveBack,
  type Held,
  type HeldVerdict,
  type HeldWish,
  heldHeight,
  isHeldBy,
  reservedUpTo,
  reserveNext,
} from "../core/chains/tendermint/reservation.ts";
import type { Timestamp } from "../core/chains/tendermint/timestamp.ts";
import type { Act, Receipt } from "../state/record-codec.ts";
import type { TendermintAccount } from "./tendermint-accounts.ts";

/** A signature that was made, and is not known to be in the store's history. */
type Unwritten = { readonly step: SignedStep; readonly receipt: Receipt };
type Change = (record: TendermintRecord, signed: SignedStep | null) => TendermintRecord | null;

const TRY_COUNT_MAX = 4;
const DONE: Result<null, Refusal> = ok(null);

export class KeyReservation {
  readonly #account: TendermintAccount;
  readonly #heightCount: number;
  /** Trusted time, null when it is too old. */
  readonly #nowMs: () => number | null;
  readonly #holder: Uint8Array;
  /** The last step that was signed. */
  #last: SignedStep | null = null;
  /** Never undone: the store may have been told. */
  #isGivenBack = false;
  /** An order of the operators is being written, or may have been. */
  #isOrdered = false;
  /** The last order, which may be over. */
  #ordering: Promise<unknown> | null = null;
  #givingBack: Promise<void> | null = null;
  readonly #unwritten: Unwritten[] = [];
  /** What is to be reserved with the next write. */
  #next: HeldWish["next"] = null;
  #writing: Promise<Result<null, Refusal>> | null = null;

  constructor(
    account: TendermintAccount,
    heightCount: number,
    holder: Uint8Array,
    nowMs: () => number | null,
  ) {
    this.#account = account;
    this.#heightCount = heightCount;
    this.#nowMs = nowMs;
    this.#holder = holder;
  }

  get #held(): Held {
    const isClosed = this.#isGivenBack || this.#isOrdered;
    return { holder: this.#holder, last: this.#last, isClosed };
  }

  /** Answers the time that the signature has to state, once it may be made. */
  async record(
    claim: TendermintClaim,
    root: Uint8Array,
    receipt: Receipt,
  ): Promise<Result<Timestamp, Refusal>> {
    let isRead = false;
    for (let tries = 0; tries < TRY_COUNT_MAX; tries += 1) {
      const verdict = this.#decide(claim, root);
      switch (verdict.kind) {
        case "refuse":
          return err(verdict.refusal);
        case "sign":
          return ok(this.#sign(verdict, claim, root, receipt));
        case "reserved": {
          if (isRead) return err(verdict.refusal);
          isRead = true;
          const read = await this.#account.ledger.reread(this.#account);
          if (!read.ok) return read;
          break;
        }
        case "reserve": {
          this.#wish(claim.height);
          const written = await this.#write();
          if (!written.ok) return written;
        }
      }
    }
    return err(refusal("STATE_CONFLICT"));
  }

  /** Signs nothing more, and lets others go on at once. What fails leaves the heights reserved. */
  giveBack(): Promise<void> {
    this.#isGivenBack = true;
    this.#givingBack ??= this.#writeAll().finally(() => {
      this.#givingBack = null;
    });
    return this.#givingBack;
  }

  async #writeAll(): Promise<void> {
    // An order that is under way decides first what there is to be given back. Beside it a write
    // that changes nothing would share its outcome, also an unknown one.
    await this.#ordering;
    await this.#writing;
    while (this.#unwritten.length > RECEIPT_SIGNED_COUNT_MAX) {
      const written = await this.#write();
      if (!written.ok) return;
    }
    await this.#writePage("giveback", (record, signed) => giveBack(this.#held, record, signed));
  }

  /**
   * Has an order of the operators written, which may lower the record and free what is reserved.
   * Meanwhile nothing is signed, and afterwards what the order says holds. When its outcome is
   * unknown nothing is signed any more: others may go on below what is reserved here.
   */
  override(write: () => Promise<Result<null, Refusal>>): Promise<Result<null, Refusal>> {
    const conflict = err(refusal("STATE_CONFLICT"));
    // An earlier one may still be written.
    if (this.#held.isClosed) return Promise.resolve(conflict);
    if (this.#unwritten.length > 0 || this.#writing !== null) {
      // Something was signed that the order does not know of.
      void this.#write();
      return Promise.resolve(conflict);
    }
    const ordering = this.#order(write);
    this.#ordering = ordering;
    return ordering;
  }

  async #order(write: () => Promise<Result<null, Refusal>>): Promise<Result<null, Refusal>> {
    const { entry } = this.#account;
    const before = entry.raised;
    this.#isOrdered = true;
    const written = await write();
    if (written.ok) {
      this.#next = null;
      this.#last = null;
      this.#isOrdered = false;
    } else if (entry.raised === before || !entry.isStale) this.#isOrdered = false;
    return written;
  }

  #decide(claim: TendermintClaim, root: Uint8Array): HeldVerdict {
    const { entry, floor } = this.#account;
    const { fault, durable, raised } = entry;
    if (fault !== null) return { kind: "refuse", refusal: refusal(fault) };
    if (durable === null || raised === null) {
      // As with any key: another enclave may give it its first record.
      return { kind: "reserved", refusal: refusal("STATE_MISSING") };
    }
    if (raised.isRetired) return { kind: "refuse", refusal: refusal("KEY_RETIRED") };
    invariant(floor !== null, "a key that signs has a floor");
    const verdict = decideHeld(this.#held, durable.record, raised.record, claim, root, floor);
    const isFull = this.#unwritten.length >= UNRECEIPTED_COUNT_MAX;
    return verdict.kind === "sign" && isFull ? { kind: "reserve" } : verdict;
  }

  #sign(
    { last, isRepeat }: Extract<HeldVerdict, { readonly kind: "sign" }>,
    claim: TendermintClaim,
    root: Uint8Array,
    receipt: Receipt,
  ): Timestamp {
    this.#last = last;
    if (!isRepeat && last !== null && !this.#isUnwritten(last)) {
      this.#unwritten.push({ step: last, receipt });
    }
    this.#wish(claim.height);
    // Nobody waits for it. When it fails, the next signature tries again.
    void this.#write();
    const time = timeToSign(last, claim, root);
    invariant(time !== null, "what is signed is the last step");
    return time;
  }

  /** An act of the operators may have written the step, and not the receipt that is kept here. */
  #isUnwritten(last: SignedStep): boolean {
    const newest = this.#unwritten.at(-1);
    return newest !== undefined && comparePositions(newest.step, last) === 0;
  }

  /** Half of what was reserved is left when more is asked for. */
  #wish(height: bigint): void {
    const { durable } = this.#account.entry;
    const upTo = durable === null ? null : heldHeight(this.#held, durable.record);
    const { maxHeight } = this.#account.policy;
    const isAhead =
      upTo !== null && upTo >= reservedUpTo(height, BigInt(this.#heightCount >> 1) + 1n, maxHeight);
    if (isAhead) return;
    const wished = reservedUpTo(height, BigInt(this.#heightCount), maxHeight);
    if (this.#next === null || this.#next.asked < height)
      this.#next = { asked: height, upTo: wished };
  }

  /** One at a time; whoever comes while it is under way waits for that one, and decides again. */
  #write(): Promise<Result<null, Refusal>> {
    this.#writing ??= this.#reserve().then((written) => {
      this.#writing = null;
      const hasMore = this.#unwritten.length > 0 && !this.#held.isClosed;
      if (written.ok && hasMore) void this.#write();
      return written;
    });
    return this.#writing;
  }

  /** What is wished for and not written is wished for again by whoever needs it. */
  #reserve(): Promise<Result<null, Refusal>> {
    const next = this.#next;
    this.#next = null;
    return this.#writePage("reserve", (record, signed) =>
      reserveNext(this.#held, record, { signed, next }),
    );
  }

  /** One write, with the receipts of what was signed first. */
  async #writePage(kind: Act, change: Change): Promise<Result<null, Refusal>> {
    const { ledger, entry } = this.#account;
    const timeMs = this.#nowMs();
    if (timeMs === null) return err(refusal("TIME_STALE"));
    if (entry.isStale) {
      const read = await ledger.reread(this.#account);
      if (!read.ok) return read;
      this.#dropWritten();
    }
    const page = this.#unwritten.slice(0, RECEIPT_SIGNED_COUNT_MAX);
    const signed = page.at(-1)?.step ?? null;
    const receipt = { kind, signed: page.map((line) => line.receipt), timeMs };
    const amended = await ledger.amend(this.#account, receipt, (record) => {
      const next = record === null ? null : change(record, signed);
      return next === null ? null : { record: next, isRetired: false };
    });
    if (!amended.ok) return amended;
    this.#unwritten.splice(0, page.length);
    return DONE;
  }

  /** An earlier write, of which nothing was heard, may have been made: then its receipts were. */
  #dropWritten(): void {
    const { durable } = this.#account.entry;
    if (durable === null || !isHeldBy(this.#held, durable.record)) return;
    const { last } = durable.record;
    // An act of the operators states no root, or says that its receipt is missing.
    if (last === null || last.root === null || last.isUnreceipted === true) return;
    const first = this.#unwritten.findIndex(({ step }) => comparePositions(step, last) > 0);
    this.#unwritten.splice(0, first === -1 ? this.#unwritten.length : first);
  }
}
