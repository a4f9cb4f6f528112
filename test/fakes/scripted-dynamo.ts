// DynamoDB as a script: each call is answered by the next line of it, on a clock that stands still
// until everything waits. For tests of what the store makes of each answer.

import type { AwsAnswer } from "../../enclave/aws/json-answer.ts";
import type {
  LoggedReceipt,
  MonotonicClock,
  RecordWrite,
  Ticker,
} from "../../enclave/core/ports.ts";
import type { DynamoCall, DynamoFailure } from "../../enclave/state/dynamo-client.ts";
import {
  encodeItem,
  encodeItemKey,
  type JsonFields,
  type TableConfig,
} from "../../enclave/state/dynamo-item.ts";
import { DynamoStore } from "../../enclave/state/dynamo-store.ts";
import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { parseTableArn } from "../../shared/table-arn.ts";

export const TABLE_ID = "0a1b2c3d-0000-4000-8000-00000000000a";
export const SCOPE = new Uint8Array(32).fill(7);
export const KEY = new Uint8Array(48).fill(9);
export const BOOT_ID = new Uint8Array(16).fill(1);
export const OTHER_TOKEN = new Uint8Array(16).fill(2);

export type Answer = Result<AwsAnswer, DynamoFailure>;
/** `hang`: no answer until the call's own deadline. */
export type Line = Answer | "hang" | ((body: JsonFields, time: SteppedTime) => Answer);

export function tableConfig(text: string, tableId = TABLE_ID): TableConfig {
  const table = parseTableArn(text);
  invariant(table.ok, "the ARN is one");
  return { kind: "dynamodb", table: table.value, tableId, hasBootFloor: true };
}

export const STATE = tableConfig("arn:aws:dynamodb:eu-central-1:111122223333:table/redoubt");

/** What DescribeTable says of the table of `STATE`. */
export const TABLE = {
  TableArn: STATE.table.text,
  TableId: TABLE_ID,
  TableStatus: "ACTIVE",
  KeySchema: [{ AttributeName: "k", KeyType: "HASH" }],
  AttributeDefinitions: [{ AttributeName: "k", AttributeType: "B" }],
};

export const LOST: Answer = err({ kind: "unavailable" });

/** An answer that takes so long. */
export function late(durationMs: number, answer: Answer): Line {
  return (_, time) => {
    time.passMs(durationMs);
    return answer;
  };
}

export function success(body: Readonly<Record<string, unknown>> = {}): Answer {
  return ok({ kind: "success", body });
}

export function failure(
  name: string | null,
  status = 400,
  body: Record<string, unknown> = {},
): Answer {
  return ok({ kind: "error", status, name, body });
}

export function conditionFailed(item?: JsonFields): Answer {
  const body = item === undefined ? {} : { Item: item };
  return failure("ConditionalCheckFailedException", 400, body);
}

export function writeOf(seq: number, fill = seq): RecordWrite {
  const record = new Uint8Array(40).fill(fill);
  return { key: KEY, seq, record, receipt: new Uint8Array(20).fill(fill) };
}

export function itemOf(write: RecordWrite, token = OTHER_TOKEN): JsonFields {
  return encodeItem(encodeItemKey(SCOPE, write.key), write, token);
}

/** Time goes on to the next timer whenever nothing else is left to do. */
export class SteppedTime implements MonotonicClock, Ticker {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  readonly intervals: { readonly intervalMs: number; readonly run: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  get timerCount(): number {
    return this.#timers.size;
  }

  passMs(durationMs: number): void {
    this.#nowMs += durationMs;
  }

  every(intervalMs: number, run: () => void): { stop(): void } {
    this.intervals.push({ intervalMs, run });
    return { stop: () => undefined };
  }

  after(delayMs: number, run: () => void): { stop(): void } {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.add(timer);
    return {
      stop: () => {
        this.#timers.delete(timer);
      },
    };
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    const state = { isDone: false };
    void promise.then(() => {
      state.isDone = true;
    });
    while (!state.isDone) {
      await new Promise((resolve) => setImmediate(resolve));
      const [next] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (state.isDone || next === undefined) continue;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    return promise;
  }
}

export class DynamoRig {
  readonly time = new SteppedTime();
  readonly sent: { readonly operation: string; readonly body: JsonFields }[] = [];
  /** When each was sent, and how long it might take. */
  readonly calls: {
    readonly atMs: number;
    readonly deadlineMs: number;
    readonly waitMs: number;
  }[] = [];
  readonly logged: LoggedReceipt[] = [];
  appendCount = 0;
  readonly store: DynamoStore;
  readonly #lines: Line[];
  #isOpen = false;
  #isOpening = false;

  /** The last line answers all that come after. */
  constructor(lines: readonly Line[], state: TableConfig = STATE) {
    this.#lines = [...lines];
    const receiptLog = {
      append: (_scope: Uint8Array, receipts: readonly LoggedReceipt[]) => {
        this.logged.push(...receipts);
        this.appendCount += 1;
      },
    };
    const call: DynamoCall = (operation, body, deadlineMs, waitMs = deadlineMs) => {
      if (this.#isOpening) return Promise.resolve(success({ Table: TABLE }));
      this.sent.push({ operation, body });
      this.calls.push({ atMs: this.time.nowMs(), deadlineMs, waitMs });
      const [line] = this.#lines;
      if (this.#lines.length > 1) this.#lines.shift();
      invariant(line !== undefined, "a script has a line");
      if (typeof line === "function") return Promise.resolve(line(body, this.time));
      if (line !== "hang") return Promise.resolve(line);
      return new Promise((resolve) => this.time.after(deadlineMs, () => resolve(LOST)));
    };
    const ports = { call, clock: this.time, ticker: this.time };
    this.store = new DynamoStore({ state, bootId: BOOT_ID, receiptLog }, ports);
  }

  /** The table has been verified before, outside of the script. */
  async open(): Promise<this> {
    if (this.#isOpen) return this;
    this.#isOpening = true;
    const verified = await this.store.verify();
    invariant(verified.ok, "the table is the one of the manifest");
    this.#isOpening = false;
    this.#isOpen = true;
    return this;
  }

  async commit(write: RecordWrite) {
    await this.open();
    const [outcome] = await this.time.settle(this.store.commit(SCOPE, [write]));
    invariant(outcome !== undefined, "one outcome for each write");
    return outcome;
  }

  async causeOf(write: RecordWrite): Promise<string> {
    const outcome = await this.commit(write);
    return outcome.kind === "unknown" ? outcome.cause.code : outcome.kind;
  }
}
