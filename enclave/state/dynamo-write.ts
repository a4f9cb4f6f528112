// One conditional write, until its outcome is known or its time is up. Every attempt is the same
// request with the same token, so that one which was written is known again when its answer was
// lost. It must never call a write refused that may have been made, nor answer late.

import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { COMMIT_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type JsonObject, member } from "../core/json.ts";
import type { CommitOutcome, MonotonicClock, RecordWrite, Ticker } from "../core/ports.ts";
import type { DynamoCall, DynamoFailure } from "./dynamo-client.ts";
import {
  type DynamoItem,
  encodeItem,
  encodeKeyAttribute,
  type JsonFields,
  parseItem,
} from "./dynamo-item.ts";
import { type DynamoCode, decideDynamoCode } from "./dynamo-refusal.ts";

export const ATTEMPT_DEADLINE_MS = 1000;
const BACKOFF_MS = 20;
const BACKOFF_MS_MAX = 400;

export type DynamoPorts = {
  readonly call: DynamoCall;
  readonly clock: MonotonicClock;
  readonly ticker: Ticker;
};

export type TokenWrite = {
  /** The table's ARN: its name alone would be another table for credentials of another account. */
  readonly tableName: string;
  readonly itemKey: Uint8Array;
  readonly write: RecordWrite;
  readonly token: Uint8Array;
};

/** The outcome, and the item that was replaced or stood in the way, where it is known. */
export type WriteEnd = { readonly outcome: CommitOutcome; readonly other: DynamoItem | null };

/** What is known at the deadline. */
type Progress = { mayBeWritten: boolean; cause: Refusal; isOver: boolean };

/** What one attempt came to; null: try again. */
type Attempt = WriteEnd | null;

const CONDITION_FAILED = "ConditionalCheckFailedException";

export function writeItem(ports: DynamoPorts, asked: TokenWrite): Promise<WriteEnd> {
  const { clock, ticker } = ports;
  const deadlineAtMs = clock.nowMs() + COMMIT_DEADLINE_MS;
  const cause = refusal("STORE_UNAVAILABLE");
  const progress: Progress = { mayBeWritten: false, cause, isOver: false };
  return new Promise((resolve) => {
    const settle = (end: WriteEnd): void => {
      progress.isOver = true;
      timer.stop();
      resolve(end);
    };
    const timer = ticker.after(COMMIT_DEADLINE_MS, () => settle(undecided(progress)));
    void attemptUntil(ports, asked, progress, deadlineAtMs).then(settle);
  });
}

async function attemptUntil(
  ports: DynamoPorts,
  asked: TokenWrite,
  progress: Progress,
  deadlineAtMs: number,
): Promise<WriteEnd> {
  const body = encodePut(asked);
  for (let count = 0; !progress.isOver; count++) {
    const leftMs = deadlineAtMs - ports.clock.nowMs();
    if (leftMs <= 0) break;
    const end = await attempt(ports, asked, body, progress, leftMs);
    if (end !== null) return end;
    await pause(ports.ticker, backoffMs(count, asked.token));
  }
  return undecided(progress);
}

async function attempt(
  ports: DynamoPorts,
  asked: TokenWrite,
  body: JsonFields,
  progress: Progress,
  leftMs: number,
): Promise<Attempt> {
  const mayBeWrittenBefore = progress.mayBeWritten;
  // Until it is known to be otherwise.
  progress.mayBeWritten = true;
  const attemptMs = Math.min(leftMs, ATTEMPT_DEADLINE_MS);
  const answer = await ports.call("PutItem", body, attemptMs, leftMs);
  if (!answer.ok) {
    const isSent = answer.error.kind === "unavailable" || answer.error.kind === "malformed";
    progress.mayBeWritten = mayBeWrittenBefore || isSent;
    progress.cause = causeOfFailure(answer.error);
    return isTransient(progress.cause) || isSent ? null : unknown(progress.cause);
  }
  if (answer.value.kind === "success") {
    return {
      outcome: { kind: "committed" },
      other: itemOf(answer.value.body, "Attributes", asked),
    };
  }
  const { status, name, body: detail } = answer.value;
  if (status === 400 && name === CONDITION_FAILED) {
    // This attempt was refused; an earlier one may be what it was refused for.
    progress.mayBeWritten = mayBeWrittenBefore;
    return compare(ports, asked, progress, detail);
  }
  const code = decideDynamoCode(status, name);
  progress.mayBeWritten = mayBeWrittenBefore || code === "STORE_UNAVAILABLE";
  progress.cause = refusal(code);
  return isTransient(progress.cause) ? null : unknown(progress.cause);
}

/** Whose item stood in the way: the one of an earlier attempt, or another. */
async function compare(
  ports: DynamoPorts,
  asked: TokenWrite,
  progress: Progress,
  detail: JsonObject | null,
): Promise<Attempt> {
  const given = detail === null ? undefined : member(detail, "Item");
  let stored: Result<DynamoItem | null, Refusal>;
  if (given === undefined) stored = await getItem(ports, asked);
  else stored = parseItem(given, asked.itemKey);
  if (!stored.ok) {
    progress.cause = stored.error;
    const isFinal = !isTransient(stored.error) && stored.error.code !== "STORE_MALFORMED";
    return isFinal ? unknown(stored.error) : null;
  }
  const item = stored.value;
  if (item !== null && isEqualBytes(item.token, asked.token)) {
    return { outcome: { kind: "committed" }, other: null };
  }
  const record = item === null ? null : { seq: item.seq, record: item.record };
  return { outcome: { kind: "conflict", stored: record }, other: item };
}

async function getItem(
  { call }: DynamoPorts,
  { tableName, itemKey }: TokenWrite,
): Promise<Result<DynamoItem | null, Refusal>> {
  const body = { TableName: tableName, Key: encodeKeyAttribute(itemKey), ConsistentRead: true };
  const answer = await callChecked(call, "GetItem", body, ATTEMPT_DEADLINE_MS);
  if (!answer.ok) return answer;
  const item = member(answer.value, "Item");
  return item === undefined ? ok(null) : parseItem(item, itemKey);
}

/** A call that only reads: its answer, or why there is none. */
export async function callChecked(
  call: DynamoCall,
  operation: string,
  body: JsonFields,
  deadlineMs: number,
): Promise<Result<JsonObject, Refusal>> {
  const answer = await call(operation, body, deadlineMs);
  if (!answer.ok) return err(causeOfFailure(answer.error));
  if (answer.value.kind === "success") return ok(answer.value.body);
  return err(refusal(decideDynamoCode(answer.value.status, answer.value.name)));
}

function encodePut({ tableName, itemKey, write, token }: TokenWrite): JsonFields {
  const condition: JsonFields =
    write.seq === 1
      ? { ConditionExpression: "attribute_not_exists(k)" }
      : {
          ConditionExpression: "q = :before",
          ExpressionAttributeValues: { ":before": { N: String(write.seq - 1) } },
        };
  return {
    TableName: tableName,
    Item: encodeItem(itemKey, write, token),
    ...condition,
    ReturnValues: "ALL_OLD",
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  };
}

/** The write was made whatever was there before, and whether that can be read or not. */
function itemOf(body: JsonObject, name: string, { itemKey }: TokenWrite): DynamoItem | null {
  const item = parseItem(member(body, name), itemKey);
  return item.ok ? item.value : null;
}

function causeOfFailure(failure: DynamoFailure): Refusal {
  switch (failure.kind) {
    case "unsent":
      return failure.refusal;
    case "relay":
    case "unavailable":
      return refusal("STORE_UNAVAILABLE");
    case "malformed":
      return refusal("STORE_MALFORMED");
  }
}

const TRANSIENT: readonly DynamoCode[] = ["STORE_UNAVAILABLE", "STORE_THROTTLED"];

export function isTransient({ code }: Refusal): boolean {
  return TRANSIENT.some((transient) => transient === code);
}

function undecided({ mayBeWritten, cause }: Progress): WriteEnd {
  return unknown(mayBeWritten ? refusal("STATE_UNKNOWN") : cause);
}

function unknown(cause: Refusal): WriteEnd {
  return { outcome: { kind: "unknown", cause }, other: null };
}

/** Doubled each time, and spread by the token, so that those who failed together part. */
export function backoffMs(count: number, token: Uint8Array): number {
  const wholeMs = Math.min(BACKOFF_MS * 2 ** count, BACKOFF_MS_MAX);
  const spread = ((token[(count + 7) % 8] ?? 0) + 37 * (token.at(-1) ?? 0)) % 256;
  return wholeMs / 2 + (wholeMs / 2) * (spread / 256);
}

export function pause(ticker: Ticker, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    ticker.after(delayMs, resolve);
  });
}
