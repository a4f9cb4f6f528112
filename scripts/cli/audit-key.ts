// One key's history, replayed in the order of its versions: that each receipt follows the one
// before, that none is missing, that nothing comes after a tombstone, that all are of one family of
// chains, and whether only a look at all pairs can tell that none is slashable. It must never judge
// a line before the lines that it builds on, unless they are missing.

import { headAfter, NO_HEAD } from "../../enclave/state/record-codec.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import type { LogHead, LogReceipt } from "./audit-log.ts";
import { type ParsedReceipt, parseReceipt, type ReceiptFamily } from "./audit-receipt.ts";
import { Rise } from "./audit-rise.ts";

export const FINDING_CODES = {
  GAP: "receipts are missing",
  MALFORMED: "a receipt can't be read, or is of another version or family of chains",
  BROKEN_CHAIN: "a receipt does not follow the one before it",
  FORK: "two receipts for one version",
  AFTER_RETIREMENT: "something was signed after the tombstone",
  SLASHABLE_PAIR: "two signatures that are slashable together",
  DOUBLE_PROPOSAL: "two proposals for one round",
  BEHIND_HEAD: "the record is newer than the last receipt",
  HEAD_MISMATCH: "the record's head is not that of the receipts",
  UNORDERED: "a version comes again, too late to be compared",
} as const;
export type FindingCode = keyof typeof FINDING_CODES;
export type Finding = { readonly code: FindingCode; readonly seq: number; readonly detail: string };

type Owner = { readonly scope: Uint8Array; readonly publicKey: Uint8Array };

/** How many versions back a second copy of a line can be compared. */
const WINDOW = 1024;

export class KeyReplay {
  readonly #owner: Owner;
  readonly #waiting = new Map<number, Uint8Array>();
  /** Receipts of the last versions, to compare second copies with. */
  readonly #seen = new Map<number, Uint8Array>();
  readonly #expected: LogHead[] = [];
  readonly findings: Finding[] = [];
  seq = 0;
  count = 0;
  #head: Uint8Array | null = NO_HEAD;
  #isRetired = false;
  /** Of the first receipt that has one. */
  #family: ReceiptFamily | null = null;
  #isForked = false;
  readonly #rise = new Rise();

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Only a look at all pairs can tell whether anything slashable was signed. */
  get isSuspect(): boolean {
    return this.#isForked || !this.#rise.isSteady;
  }

  expect(head: LogHead): void {
    this.#expected.push(head);
  }

  add({ seq, receipt }: LogReceipt): void {
    const known = this.#waiting.get(seq) ?? this.#seen.get(seq);
    if (known !== undefined) {
      if (isEqualBytes(known, receipt)) return;
      this.#isForked = true;
      this.#find("FORK", seq);
      return;
    }
    if (seq <= this.seq) return this.#find("UNORDERED", seq);
    this.#waiting.set(seq, receipt);
    this.#advance();
  }

  /** No more lines will come: what still waits has something missing before it. */
  end(isPartial: boolean): void {
    this.skipGaps(isPartial);
    for (const { seq } of this.#expected) {
      if (seq > this.seq) this.#find("BEHIND_HEAD", seq, `receipts end at ${this.seq}`);
    }
  }

  skipGaps(isPartial: boolean): void {
    for (const next of [...this.#waiting.keys()].toSorted((a, b) => a - b)) {
      if (!this.#waiting.has(next)) continue;
      if (next > this.seq + 1 && !(isPartial && this.seq === 0)) {
        this.#find("GAP", this.seq + 1, `${next - this.seq - 1} missing`);
      }
      this.seq = next - 1;
      this.#head = null;
      this.#advance();
    }
  }

  #advance(): void {
    for (;;) {
      const receipt = this.#waiting.get(this.seq + 1);
      if (receipt === undefined) return;
      this.#waiting.delete(this.seq + 1);
      this.seq += 1;
      this.count += 1;
      this.#replay(receipt);
    }
  }

  #replay(bytes: Uint8Array): void {
    const { seq } = this;
    this.#seen.set(seq, bytes);
    this.#seen.delete(seq - WINDOW);
    const receipt = parseReceipt(bytes);
    if (receipt?.seq !== seq) this.#find("MALFORMED", seq);
    else this.#judge(receipt);
    const head = headAfter(this.#owner, bytes);
    this.#head = head;
    for (const expected of this.#expected) {
      if (expected.seq === seq && !isEqualBytes(expected.head, head)) {
        this.#find("HEAD_MISMATCH", seq);
      }
    }
  }

  #judge(receipt: ParsedReceipt): void {
    const { seq } = receipt;
    if (this.#head !== null && !isEqualBytes(this.#head, receipt.previous)) {
      this.#find("BROKEN_CHAIN", seq);
    }
    if (this.#isRetired) this.#find("AFTER_RETIREMENT", seq, receipt.kind);
    if (receipt.kind === "retire") this.#isRetired = true;
    this.#family ??= receipt.family;
    if (receipt.family !== null && receipt.family !== this.#family) {
      this.#find("MALFORMED", seq, `${receipt.kind} for a key of another family of chains`);
    }
    for (const line of receipt.signed) this.#rise.add(line);
  }

  #find(code: FindingCode, seq: number, detail = ""): void {
    this.findings.push({ code, seq, detail });
  }
}
