// A key's place in the ledger: its guard entry, its floor, and the write that is under way. One for
// each key, from its first load until the enclave dies.

import type { Refusal } from "../../shared/errors.ts";
import type { Result } from "../../shared/result.ts";
import { type ChainedRecord, GuardEntry } from "../core/guard.ts";
import type { RecordWrite } from "../core/ports.ts";
import type { RecordOwner } from "./record-codec.ts";

/** How a write ended for those that wait: as it is, or by deciding again. */
export type Settled = Result<null, Refusal> | "retry";

export type PendingWrite<R> = {
  readonly account: Account<R, unknown>;
  readonly chained: ChainedRecord<R>;
  readonly write: RecordWrite;
  readonly generation: number;
  readonly waiters: ((settled: Settled) => void)[];
};

export class Account<R, F> implements RecordOwner {
  readonly scope: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly recordKey: Uint8Array;
  readonly entry = new GuardEntry<R>();
  /** The least that may be signed since the key was loaded; null before it is chosen. */
  floor: F | null = null;
  /** The last write that is under way; null when there is none. */
  pending: PendingWrite<R> | null = null;
  /** One write of this key has been sent, and has no outcome yet. */
  isSending = false;
  refreshing: Promise<Result<null, Refusal>> | null = null;

  constructor(owner: RecordOwner) {
    this.scope = owner.scope;
    this.publicKey = owner.publicKey;
    this.recordKey = owner.recordKey;
  }
}
