// The `dynamodb` state store as the enclave sees it: one item for each key, compared by version and
// swapped, in the one table that the manifest names. Receipts go on to the log when their record is
// stored. It must never take another table for that one, and never read what may be stale.

import { encodeHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { COMMIT_DEADLINE_MS, IN_FLIGHT_COUNT_MAX, KEY_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { JsonObject } from "../core/json.ts";
import type {
  CommitOutcome,
  ReceiptLog,
  RecordWrite,
  StateStore,
  StoredRecord,
} from "../core/ports.ts";
import { createDynamoCall, type DynamoClientOptions } from "./dynamo-client.ts";
import {
  type DynamoItem,
  encodeItemKey,
  encodeKeyAttribute,
  encodeToken,
  isOfBoot,
  type JsonFields,
  parseReadPage,
  type TableConfig,
} from "./dynamo-item.ts";
import {
  ATTEMPT_DEADLINE_MS,
  backoffMs,
  callChecked,
  type DynamoPorts,
  isTransient,
  pause,
  type WriteEnd,
  writeItem,
} from "./dynamo-write.ts";
import { TableIdentity } from "./table-identity.ts";

type StoreOptions = {
  readonly state: TableConfig;
  /** Of this boot; attempt tokens start with it. A boot has one store. */
  readonly bootId: Uint8Array;
  readonly receiptLog: Pick<ReceiptLog, "append">;
};

export type DynamoStoreOptions = DynamoClientOptions & StoreOptions;

const READ_COUNT_MAX = 100;
const READ_CALL_COUNT_MAX = 8;
const WARM_MS = 30_000;
const WARM_CALL_COUNT = 3;

export function createDynamoStore(options: DynamoStoreOptions): StateStore {
  return new DynamoStore(options, { ...options, call: createDynamoCall(options) });
}

/** The store over any transport; `createDynamoStore` gives it the real one. */
export class DynamoStore implements StateStore {
  readonly pacing = "each";
  readonly #options: StoreOptions;
  readonly #ports: DynamoPorts;
  readonly #tableName: string;
  readonly #identity: TableIdentity;
  #tokenCount = 0n;
  #waitingCount = 0;
  #isWarm = false;
  /** Keys whose last write has an unknown outcome: its receipt, if it was made, is in no log. */
  readonly #unlogged = new Set<string>();

  constructor(options: StoreOptions, ports: DynamoPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#tableName = options.state.table.text;
    const body = { TableName: this.#tableName };
    const describe = () => this.#ask("DescribeTable", body, this.#deadlineAtMs());
    this.#identity = new TableIdentity({ ...options, clock: ports.clock, describe });
  }

  async verify(): Promise<Result<null, Refusal>> {
    const verified = await this.#identity.verify();
    if (verified.ok) this.#keepWarm();
    return verified;
  }

  async read(
    scope: Uint8Array,
    keys: readonly Uint8Array[],
  ): Promise<Result<readonly (StoredRecord | null)[], Refusal>> {
    const same = await this.#identity.ensure();
    if (!same.ok) return same;
    const deadlineAtMs = this.#deadlineAtMs();
    const wanted = keys.map((key) => encodeItemKey(scope, key));
    const found = new Map<string, DynamoItem>();
    const pages: (readonly Uint8Array[])[] = [];
    for (let at = 0; at < wanted.length; at += READ_COUNT_MAX) {
      pages.push(wanted.slice(at, at + READ_COUNT_MAX));
    }
    let refused: Refusal | null = null;
    const readPages = async (): Promise<void> => {
      for (let page = pages.shift(); page !== undefined; page = pages.shift()) {
        const read = await this.#readPage(page, found, deadlineAtMs);
        if (read.ok) continue;
        this.#identity.note(read.error);
        refused ??= read.error;
        pages.length = 0;
      }
    };
    await Promise.all(Array.from({ length: READ_CALL_COUNT_MAX }, readPages));
    if (refused !== null) return err(refused);
    this.#logRead(scope, found);
    return ok(
      wanted.map((itemKey) => {
        const item = found.get(encodeHex(itemKey));
        return item === undefined ? null : { seq: item.seq, record: item.record };
      }),
    );
  }

  /**
   * After an unknown outcome: what is built on the item that was read may replace it with an answer
   * that gets lost, and then nobody has seen its receipt.
   */
  #logRead(scope: Uint8Array, found: ReadonlyMap<string, DynamoItem>): void {
    const receipts = [...found].flatMap(([name, { itemKey, seq, receipt }]) =>
      this.#unlogged.has(name) ? [{ key: itemKey.slice(scope.length), seq, receipt }] : [],
    );
    if (receipts.length > 0) this.#options.receiptLog.append(scope, receipts);
  }

  commit(scope: Uint8Array, writes: readonly RecordWrite[]): Promise<readonly CommitOutcome[]> {
    return Promise.all(writes.map((write) => this.#write(scope, write)));
  }

  async #write(scope: Uint8Array, write: RecordWrite): Promise<CommitOutcome> {
    if (this.#waitingCount >= IN_FLIGHT_COUNT_MAX) {
      return { kind: "unknown", cause: refusal("STORE_UNAVAILABLE") };
    }
    // Not asked here: the request would come too late. The read that has to follow asks.
    if (!this.#identity.isCurrent) return { kind: "unknown", cause: refusal("STORE_IDENTITY") };
    this.#waitingCount += 1;
    const itemKey = encodeItemKey(scope, write.key);
    const token = this.#nextToken();
    const asked = { tableName: this.#tableName, itemKey, write, token };
    const end = await writeItem(this.#ports, asked);
    this.#waitingCount -= 1;
    if (end.outcome.kind === "unknown") this.#identity.note(end.outcome.cause);
    this.#logReceipts(scope, write, encodeHex(itemKey), end);
    return end.outcome;
  }

  /**
   * Our own receipt, and that of the item that was there unless this boot has logged it: whoever
   * wrote it may have died before. One line twice is no harm.
   */
  #logReceipts(
    scope: Uint8Array,
    { key, seq, receipt }: RecordWrite,
    name: string,
    { outcome, other }: WriteEnd,
  ): void {
    const { bootId, receiptLog } = this.#options;
    const isUnlogged = this.#unlogged.has(name) || outcome.kind === "conflict";
    const isOthers = other !== null && (isUnlogged || !isOfBoot(other.token, bootId));
    const before = isOthers ? [{ key, seq: other.seq, receipt: other.receipt }] : [];
    const own = outcome.kind === "committed" ? [{ key, seq, receipt }] : [];
    if (outcome.kind !== "unknown") this.#unlogged.delete(name);
    else if (this.#unlogged.size < KEY_COUNT_MAX) this.#unlogged.add(name);
    const receipts = [...before, ...own];
    if (receipts.length > 0) receiptLog.append(scope, receipts);
  }

  async #readPage(
    page: readonly Uint8Array[],
    found: Map<string, DynamoItem>,
    deadlineAtMs: number,
  ): Promise<Result<null, Refusal>> {
    const token = this.#nextToken();
    let wanted = new Map(page.map((itemKey) => [encodeHex(itemKey), itemKey]));
    for (let count = 0; wanted.size > 0; count++) {
      const leftMs = deadlineAtMs - this.#ports.clock.nowMs();
      if (count > 0) await pause(this.#ports.ticker, Math.min(backoffMs(count, token), leftMs));
      const answer = await this.#ask("BatchGetItem", this.#encodeRead(wanted), deadlineAtMs);
      if (!answer.ok) return answer;
      const read = parseReadPage(answer.value, this.#options.state, wanted.size);
      if (!read.ok) return read;
      const left = new Map<string, Uint8Array>();
      for (const itemKey of read.value.unprocessed) left.set(encodeHex(itemKey), itemKey);
      for (const item of read.value.items) {
        const name = encodeHex(item.itemKey);
        // Each that was asked for, once, and not left for later as well.
        if (!wanted.has(name) || left.has(name) || found.has(name)) {
          return err(refusal("STORE_MALFORMED"));
        }
        found.set(name, item);
      }
      for (const name of left.keys()) {
        if (!wanted.has(name)) return err(refusal("STORE_MALFORMED"));
      }
      wanted = left;
    }
    return ok(null);
  }

  #encodeRead(wanted: ReadonlyMap<string, Uint8Array>): JsonFields {
    const asked = { Keys: [...wanted.values()].map(encodeKeyAttribute), ConsistentRead: true };
    return { RequestItems: { [this.#tableName]: asked } };
  }

  /** Asks again while that may help and there is time. */
  async #ask(
    operation: string,
    body: JsonFields,
    deadlineAtMs: number,
  ): Promise<Result<JsonObject, Refusal>> {
    const { call, clock, ticker } = this.#ports;
    const token = this.#nextToken();
    let last: Result<JsonObject, Refusal> = err(refusal("STORE_UNAVAILABLE"));
    for (let count = 0; ; count++) {
      const leftMs = deadlineAtMs - clock.nowMs();
      if (leftMs <= 0) return last;
      last = await callChecked(call, operation, body, Math.min(leftMs, ATTEMPT_DEADLINE_MS));
      if (last.ok || !isTransient(last.error)) return last;
      await pause(ticker, Math.min(backoffMs(count, token), deadlineAtMs - clock.nowMs()));
    }
  }

  #deadlineAtMs(): number {
    return this.#ports.clock.nowMs() + COMMIT_DEADLINE_MS;
  }

  #nextToken(): Uint8Array {
    this.#tokenCount += 1n;
    return encodeToken(this.#options.bootId, this.#tokenCount);
  }

  /**
   * The relay closes what is silent; a first write should not have to wait for a handshake. And the
   * table may be exchanged while the enclave runs.
   */
  #keepWarm(): void {
    if (this.#isWarm) return;
    this.#isWarm = true;
    // No key of ours: nothing lies there.
    const body = { TableName: this.#tableName, Key: encodeKeyAttribute(new Uint8Array(32)) };
    this.#ports.ticker.every(WARM_MS, () => {
      void this.#identity.verify();
      for (let count = 0; count < WARM_CALL_COUNT; count++) {
        void this.#warm(body);
      }
    });
  }

  async #warm(body: JsonFields): Promise<void> {
    const answer = await callChecked(this.#ports.call, "GetItem", body, ATTEMPT_DEADLINE_MS);
    if (!answer.ok) this.#identity.note(answer.error);
  }
}
