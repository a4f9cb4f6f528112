// A DynamoDB table, as far as Redoubt's client uses it, in memory: conditional puts, consistent
// reads, and a description. Whatever it is asked beyond that is a bug of the client and ends the
// test: it must never guess.

import type { AwsAnswer } from "../../enclave/aws/json-answer.ts";
import type { JsonFields } from "../../enclave/state/dynamo-item.ts";
import { invariant } from "../../shared/invariant.ts";
import { STATE, TABLE, TABLE_ID } from "../fakes/scripted-dynamo.ts";
import type { ReceiptSink } from "./recorder.ts";

type Item = Readonly<Record<"k" | "q" | "r" | "p" | "a", JsonFields>>;

/** What a table could get wrong, for tests of the tests. */
export type TableBreaks = {
  /** Every condition is met. */
  readonly ignoresConditions?: boolean;
  /** What stands in the way looks as if this very attempt had written it. */
  readonly showsOwnToken?: boolean;
  /** A table that was restored has the id of the one before. */
  readonly keepsId?: boolean;
};

const SCOPE_BYTES = 32;
const CONDITION_FAILED = "ConditionalCheckFailedException";

export class TableModel {
  /** Whether a refused condition shows the item that it was refused for. */
  readonly showsItem: boolean;
  readonly #recorder: ReceiptSink;
  readonly #items = new Map<string, Item>();
  /** What the table held at some earlier time. */
  #backup = new Map<string, Item>();
  #id = TABLE_ID;
  isGone = false;
  /** Of one batch, how many are read at most; the rest is left for another call. */
  batchCountMax = 100;
  /** Only to test the tests. */
  readonly broken: TableBreaks;
  writeCount = 0;
  conflictCount = 0;

  /** The recorder is told each receipt that is written. */
  constructor(recorder: ReceiptSink, showsItem: boolean, broken: TableBreaks = {}) {
    this.#recorder = recorder;
    this.showsItem = showsItem || broken.showsOwnToken === true;
    this.broken = broken;
  }

  apply(operation: string, body: JsonFields): AwsAnswer {
    if (this.isGone) return failed("ResourceNotFoundException");
    invariant(
      body["TableName"] === STATE.table.text || operation === "BatchGetItem",
      "the table is named by its ARN",
    );
    switch (operation) {
      case "DescribeTable":
        return { kind: "success", body: { Table: { ...TABLE, TableId: this.#id } } };
      case "PutItem":
        return this.#put(body);
      case "GetItem":
        return this.#get(body);
      case "BatchGetItem":
        return this.#batchGet(body);
      default:
        throw new Error(`the client asks for ${operation}`);
    }
  }

  keepBackup(): void {
    this.#backup = new Map(this.#items);
  }

  /** Deleted, and made again from the backup, under the same name: another id. */
  restore(): void {
    this.#items.clear();
    for (const [name, item] of this.#backup) this.#items.set(name, item);
    if (this.broken.keepsId !== true) this.#id = `${TABLE_ID.slice(0, -1)}b`;
    this.isGone = false;
  }

  #put(body: JsonFields): AwsAnswer {
    invariant(
      body["ReturnValues"] === "ALL_OLD" &&
        body["ReturnValuesOnConditionCheckFailure"] === "ALL_OLD",
      "a put asks for what was there",
    );
    const item = body["Item"] as Item; // oxlint-disable-line typescript/no-unsafe-type-assertion -- the client's own type, checked next
    invariant(Object.keys(item).toSorted().join("") === "akpqr", "an item has exactly our fields");
    const name = nameOf(item.k);
    const stored = this.#items.get(name);
    if (this.broken.ignoresConditions !== true && !isMet(body, stored)) {
      this.conflictCount += 1;
      if (stored === undefined || !this.showsItem) return failed(CONDITION_FAILED);
      const shown = this.broken.showsOwnToken === true ? { ...stored, a: item.a } : stored;
      return failed(CONDITION_FAILED, { Item: shown });
    }
    this.writeCount += 1;
    this.#items.set(name, structuredClone(item));
    this.#recorder.receipt(hexOf(item.k).slice(2 * SCOPE_BYTES), hexOf(item.p));
    return { kind: "success", body: stored === undefined ? {} : { Attributes: stored } };
  }

  #get(body: JsonFields): AwsAnswer {
    const { k } = body["Key"] as Item; // oxlint-disable-line typescript/no-unsafe-type-assertion -- the client's own type
    const item = this.#items.get(nameOf(k));
    invariant(item === undefined || body["ConsistentRead"] === true, "reads are consistent");
    return { kind: "success", body: item === undefined ? {} : { Item: item } };
  }

  #batchGet(body: JsonFields): AwsAnswer {
    const asked = body["RequestItems"] as Record<string, JsonFields>; // oxlint-disable-line typescript/no-unsafe-type-assertion -- the client's own type
    const request = asked[STATE.table.text];
    invariant(request !== undefined && request["ConsistentRead"] === true, "reads are consistent");
    const keys = request["Keys"] as readonly Pick<Item, "k">[]; // oxlint-disable-line typescript/no-unsafe-type-assertion -- the client's own type
    invariant(keys.length <= 100, "a batch has at most 100 keys");
    const found = keys.slice(0, this.batchCountMax).flatMap(({ k }) => {
      const item = this.#items.get(nameOf(k));
      return item === undefined ? [] : [item];
    });
    const left = keys.slice(this.batchCountMax);
    const name = STATE.table.name;
    return {
      kind: "success",
      body: {
        Responses: { [name]: found },
        UnprocessedKeys: left.length === 0 ? {} : { [name]: { Keys: left } },
      },
    };
  }
}

export function failed(name: string, body: Record<string, unknown> = {}, status = 400): AwsAnswer {
  return { kind: "error", status, name, body };
}

function isMet(body: JsonFields, stored: Item | undefined): boolean {
  const values = JSON.stringify(body["ExpressionAttributeValues"]);
  const condition = body["ConditionExpression"];
  if (condition === "attribute_not_exists(k)") return stored === undefined;
  invariant(condition === "q = :before", "a put has a condition that is known");
  return stored !== undefined && JSON.stringify({ ":before": stored.q }) === values;
}

function hexOf(attribute: JsonFields): string {
  return Buffer.from(nameOf(attribute), "base64").toString("hex");
}

function nameOf(key: JsonFields): string {
  const bytes = key["B"];
  invariant(typeof bytes === "string", "an attribute is bytes");
  return bytes;
}
