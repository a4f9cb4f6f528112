// One call of DynamoDB: signed with the sealed credentials at trusted time, over a kept connection.
// TLS ends here. It must never try again by itself, nor send anything without both.

import type { Refusal } from "../../shared/errors.ts";
import { refusal } from "../../shared/errors.ts";
import { err, type Result } from "../../shared/result.ts";
import type { AwsAnswer } from "../aws/json-answer.ts";
import { type AwsFailure, callAwsJson } from "../aws/json-call.ts";
import type { RelayDialer } from "../aws/relay-dialer.ts";
import { RelayPool } from "../aws/relay-pool.ts";
import type { MonotonicClock, Ticker } from "../core/ports.ts";
import type { StoreCredentialRing } from "../keys/store-credentials.ts";
import type { JsonFields, TableConfig } from "./dynamo-item.ts";

/** `unsent`: nothing left the enclave. So it is with `relay`, where there was no connection. */
export type DynamoFailure = AwsFailure | { readonly kind: "unsent"; readonly refusal: Refusal };

/**
 * Answers within `deadlineMs`, and never rejects. With `waitMsMax` it may wait as long for a
 * connection that is free, and answers within that time as a whole.
 */
export type DynamoCall = (
  operation: string,
  body: JsonFields,
  deadlineMs: number,
  waitMsMax?: number,
) => Promise<Result<AwsAnswer, DynamoFailure>>;

export type DynamoClientOptions = {
  readonly state: TableConfig;
  readonly credentials: Pick<StoreCredentialRing, "current">;
  readonly dialer: RelayDialer;
  /** PEM certificates that the endpoint's chain must end at; part of the image. */
  readonly trustAnchors: readonly string[];
  /** Trusted Unix time, null when there is none. */
  readonly nowMs: () => number | null;
  readonly clock: MonotonicClock;
  readonly ticker: Ticker;
};

const HTTPS_PORT = 443;
const KEPT_COUNT_MAX = 64;
const CONNECTION_AGE_MS_MAX = 900_000;
/** A hundred items of 1.6 KB as text, and as many keys. */
const ANSWER_BYTES_MAX = 512 * 1024;

export function createDynamoCall(options: DynamoClientOptions): DynamoCall {
  const { dialer, trustAnchors, nowMs, clock, ticker, credentials } = options;
  const { host, region } = options.state.table;
  const pool = new RelayPool({
    dialer,
    host,
    port: HTTPS_PORT,
    trustAnchors,
    nowMs,
    clock,
    ticker,
    keptCountMax: KEPT_COUNT_MAX,
    ageMsMax: CONNECTION_AGE_MS_MAX,
  });
  return async (operation, body, deadlineMs, waitMsMax = deadlineMs) => {
    const lateMs = clock.nowMs() + waitMsMax;
    const answer = await pool.use(waitMsMax, async (agent) => {
      const signedMs = nowMs();
      if (signedMs === null) return unsent(refusal("TIME_STALE"));
      const current = credentials.current();
      if (!current.ok) return unsent(current.error);
      return callAwsJson(agent, {
        host,
        region,
        service: "dynamodb",
        target: `DynamoDB_20120810.${operation}`,
        jsonVersion: "1.0",
        body,
        credentials: { ...current.value, sessionToken: null },
        nowMs: signedMs,
        deadlineMs: Math.max(1, Math.floor(Math.min(deadlineMs, lateMs - clock.nowMs()))),
        answerBytesMax: ANSWER_BYTES_MAX,
      });
    });
    return answer ?? unsent(refusal("STORE_UNAVAILABLE"));
  };
}

function unsent(cause: Refusal): Result<never, DynamoFailure> {
  return err({ kind: "unsent", refusal: cause });
}
