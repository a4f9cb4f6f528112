// History for a store that keeps only the last receipt of each key: receipts go to the parent's
// log, in order, in pages, after their records are durable. No signature waits for it. What it
// gives up is counted and never claimed: the store's item, or a gap that an audit finds, shows what
// is missing.

import type { Refusal } from "../../shared/errors.ts";
import { COMMIT_COUNT_MAX, RECEIPT_BACKLOG_COUNT_MAX } from "../../shared/limits.ts";
import type { Result } from "../../shared/result.ts";
import type { ParamsOf, STORE_METHODS } from "../../shared/wire/methods.ts";
import type { LoggedReceipt, ReceiptLog, Ticker } from "../core/ports.ts";

/** One call of the parent's store; null: nothing was sent. */
export type SendReceipts = (
  params: ParamsOf<(typeof STORE_METHODS)["store.append"]>,
) => Promise<Result<unknown, Refusal> | null>;

type Line = LoggedReceipt & { readonly scope: Uint8Array };

const RETRY_MS = 1000;

export class ParentReceiptLog implements ReceiptLog {
  readonly #sendReceipts: SendReceipts;
  readonly #ticker: Pick<Ticker, "after">;
  #waiting: Line[] = [];
  #isSending = false;
  #lostCount = 0;
  /** Whoever waits until nothing is on its way. */
  readonly #flushing: (() => void)[] = [];

  constructor(sendReceipts: SendReceipts, ticker: Pick<Ticker, "after">) {
    this.#sendReceipts = sendReceipts;
    this.#ticker = ticker;
  }

  get lostCount(): number {
    return this.#lostCount;
  }

  append(scope: Uint8Array, receipts: readonly LoggedReceipt[]): void {
    for (const receipt of receipts) {
      if (this.#waiting.length < RECEIPT_BACKLOG_COUNT_MAX)
        this.#waiting.push({ ...receipt, scope });
      else this.#lostCount += 1;
    }
    if (!this.#isSending && this.#waiting.length > 0) void this.#send();
  }

  flush(msMax: number): Promise<void> {
    if (!this.#isSending) return Promise.resolve();
    return new Promise((resolve) => {
      const late = this.#ticker.after(msMax, resolve);
      this.#flushing.push(() => {
        late.stop();
        resolve();
      });
    });
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    // What comes in the same turn goes out with it.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const page = this.#takePage();
      const [first] = page;
      if (first === undefined) break;
      const answer = await this.#sendReceipts({ scope: first.scope, receipts: page });
      if (answer?.ok === true) continue;
      // Twice in the log is no harm, never is: an audit takes two equal lines for one.
      this.#waiting = [...page, ...this.#waiting];
      await new Promise<void>((resolve) => {
        this.#ticker.after(RETRY_MS, resolve);
      });
    }
    this.#isSending = false;
    for (const resolve of this.#flushing.splice(0)) resolve();
  }

  /** The lines of one network from the front on. */
  #takePage(): readonly Line[] {
    const scope = this.#waiting[0]?.scope;
    const end = this.#waiting.findIndex((line) => line.scope !== scope);
    const count = Math.min(end === -1 ? this.#waiting.length : end, COMMIT_COUNT_MAX);
    return this.#waiting.splice(0, count);
  }
}
