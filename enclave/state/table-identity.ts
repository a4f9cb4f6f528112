// Whether the table under the manifest's ARN is still the one that it names: a table that was
// restored from a backup has the same ARN and another id, and may have been rewound. Asked when the
// state is opened, and again and again while the enclave runs. It must never count a table as the
// right one because nobody could be asked for long.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { JsonObject } from "../core/json.ts";
import type { MonotonicClock } from "../core/ports.ts";
import { type TableConfig, verifyTable } from "./dynamo-item.ts";

/** As long as DescribeTable may be out of reach, while items are not. */
export const IDENTITY_AGE_MS_MAX = 600_000;

export type TableIdentityParts = {
  readonly state: TableConfig;
  readonly clock: MonotonicClock;
  readonly describe: () => Promise<Result<JsonObject, Refusal>>;
};

export class TableIdentity {
  readonly #parts: TableIdentityParts;
  /** When the table was seen to be the right one; null when it never was, or is known not to be. */
  #seenAtMs: number | null = null;
  #missedCount = 0;

  constructor(parts: TableIdentityParts) {
    this.#parts = parts;
  }

  get isCurrent(): boolean {
    const { clock } = this.#parts;
    return this.#seenAtMs !== null && clock.nowMs() - this.#seenAtMs <= IDENTITY_AGE_MS_MAX;
  }

  /** Asks the table. What is no answer leaves what was known, for as long as it counts. */
  async verify(): Promise<Result<null, Refusal>> {
    const { state, clock, describe } = this.#parts;
    // Before the call: what it answers is as old as that.
    const askedAtMs = clock.nowMs();
    const missedCount = this.#missedCount;
    const described = await describe();
    const verified = described.ok ? verifyTable(described.value, state) : described;
    if (!verified.ok) this.note(verified.error);
    // Missed since it was asked: the description may be of the time before.
    else if (missedCount !== this.#missedCount) return err(refusal("STORE_IDENTITY"));
    else this.#seenAtMs = askedAtMs;
    return verified;
  }

  /** Nothing to ask while the last answer counts. */
  ensure(): Result<null, Refusal> | Promise<Result<null, Refusal>> {
    return this.isCurrent ? ok(null) : this.verify();
  }

  /** A refusal of any call: a table that is not there will be another one when it is again. */
  note({ code }: Refusal): void {
    if (code !== "STORE_IDENTITY") return;
    this.#seenAtMs = null;
    this.#missedCount += 1;
  }
}
