// The `dynamodb` state store as the enclave sees it. (Interim: the client follows.)

import { refusal } from "../../shared/errors.ts";
import { err } from "../../shared/result.ts";
import type { RelayDialer } from "../aws/relay-dialer.ts";
import type { MonotonicClock, ReceiptLog, StateStore, Ticker } from "../core/ports.ts";
import type { StateConfig } from "../core/state-config.ts";
import type { StoreCredentialRing } from "../keys/store-credentials.ts";

export type DynamoStoreOptions = {
  readonly state: Extract<StateConfig, { readonly kind: "dynamodb" }>;
  readonly credentials: Pick<StoreCredentialRing, "current">;
  readonly dialer: RelayDialer;
  /** PEM certificates that the endpoint's chain must end at; part of the image. */
  readonly trustAnchors: readonly string[];
  /** Trusted Unix time, null when there is none. */
  readonly nowMs: () => number | null;
  readonly clock: MonotonicClock;
  readonly ticker: Ticker;
  /** Of this boot; attempt tokens start with it. */
  readonly bootId: Uint8Array;
  readonly receiptLog: ReceiptLog;
};

export function createDynamoStore(_options: DynamoStoreOptions): StateStore {
  const cause = refusal("STORE_UNAVAILABLE");
  return {
    pacing: "each",
    verify: () => Promise.resolve(err(cause)),
    read: () => Promise.resolve(err(cause)),
    commit: (_scope, writes) => Promise.resolve(writes.map(() => ({ kind: "unknown", cause }))),
  };
}
