// Items of the table as DynamoDB's JSON has them: `k` key (scope and public key), `q` version, `r`
// record, `p` the receipt of that very write, `a` the token of the attempt that wrote it. Parsing
// is exact: an item with any other attribute is not ours, and must never be taken for a record.

import { concatBytes, isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { RECEIPT_BYTES_MAX, RECORD_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { encodeBase64, parseBase64 } from "../aws/base64.ts";
import type { JsonValue } from "../aws/json-call.ts";
import {
  fieldOfMismatch,
  JsonMismatch,
  type JsonObject,
  member,
  readArray,
  readExactObject,
  readObject,
  readText,
  readU64,
} from "../core/json.ts";
import type { RecordWrite, StoredRecord } from "../core/ports.ts";
import type { StateConfig } from "../core/state-config.ts";

export const TOKEN_BYTES = 16;
/** A BLS key is 48 bytes; no public key of ours is longer. */
const KEY_BYTES_MAX = 32 + 128;
const TYPE_BYTES = 8;
const TEXT_LENGTH_MAX = 512;

export type DynamoItem = StoredRecord & {
  /** Scope and public key. */
  readonly itemKey: Uint8Array;
  readonly receipt: Uint8Array;
  readonly token: Uint8Array;
};

export type TableConfig = Extract<StateConfig, { readonly kind: "dynamodb" }>;
export type JsonFields = { readonly [name: string]: JsonValue };
export type ItemRefusal = Refusal<"STORE_CORRUPT" | "STORE_MALFORMED">;

export function encodeItemKey(scope: Uint8Array, key: Uint8Array): Uint8Array {
  return concatBytes(scope, key);
}

export function encodeKeyAttribute(itemKey: Uint8Array): JsonFields {
  return { k: { B: encodeBase64(itemKey) } };
}

export function encodeItem(itemKey: Uint8Array, write: RecordWrite, token: Uint8Array): JsonFields {
  return {
    ...encodeKeyAttribute(itemKey),
    q: { N: String(write.seq) },
    r: { B: encodeBase64(write.record) },
    p: { B: encodeBase64(write.receipt) },
    a: { B: encodeBase64(token) },
  };
}

/** The first 8 bytes of the boot's id, and a number that the boot uses once. */
export function encodeToken(bootId: Uint8Array, count: bigint): Uint8Array {
  const token = new Uint8Array(TOKEN_BYTES);
  token.set(bootId.subarray(0, 8));
  new DataView(token.buffer).setBigUint64(8, count);
  return token;
}

export function isOfBoot(token: Uint8Array, bootId: Uint8Array): boolean {
  return isEqualBytes(token.subarray(0, 8), bootId.subarray(0, 8));
}

/** An item that DynamoDB says lies under this key; undefined when it may be any of the table. */
export function parseItem(value: unknown, itemKey?: Uint8Array): Result<DynamoItem, ItemRefusal> {
  let item: DynamoItem;
  try {
    item = readItem(readObject(value, ""));
  } catch (thrown) {
    return err(refusal(fieldOfMismatch(thrown) === "" ? "STORE_MALFORMED" : "STORE_CORRUPT"));
  }
  const isAsked = itemKey === undefined || isEqualBytes(item.itemKey, itemKey);
  return isAsked ? ok(item) : err(refusal("STORE_MALFORMED"));
}

function readItem(value: JsonObject): DynamoItem {
  const item = readExactObject(value, "item", ["k", "q", "r", "p", "a"]);
  const seq = readU64(readTyped(item, "q", "N"), "q");
  if (seq < 1n || seq > BigInt(Number.MAX_SAFE_INTEGER)) throw new JsonMismatch("q");
  const token = readBytes(item, "a", TOKEN_BYTES);
  if (token.length !== TOKEN_BYTES) throw new JsonMismatch("a");
  return {
    itemKey: readBytes(item, "k", KEY_BYTES_MAX),
    seq: Number(seq),
    record: readBytes(item, "r", RECORD_BYTES_MAX),
    receipt: readBytes(item, "p", RECEIPT_BYTES_MAX),
    token,
  };
}

function readTyped(item: JsonObject, name: string, type: "B" | "N"): unknown {
  return member(readExactObject(member(item, name), name, [type]), type);
}

/** A copy: what Node decodes may lie in a buffer that many share. */
function readBytes(item: JsonObject, name: string, byteCountMax: number): Uint8Array {
  const text = readText(readTyped(item, name, "B"), name, TYPE_BYTES + 2 * byteCountMax);
  const bytes = parseBase64(text, byteCountMax);
  if (!bytes.ok) throw new JsonMismatch(name);
  return new Uint8Array(bytes.value);
}

export type ReadPage = {
  /** Of the items that exist, in any order. */
  readonly items: readonly DynamoItem[];
  /** Keys that were left for another call. */
  readonly unprocessed: readonly Uint8Array[];
};

/** The answer of BatchGetItem for one table, which it names as it was asked, or by its name. */
export function parseReadPage(
  body: JsonObject,
  { table }: TableConfig,
  countMax: number,
): Result<ReadPage, ItemRefusal> {
  const items: DynamoItem[] = [];
  try {
    for (const value of readArray(ofTable(body, "Responses", table), "Responses", countMax)) {
      const item = parseItem(value);
      if (!item.ok) return item;
      items.push(item.value);
    }
    const left = ofTable(body, "UnprocessedKeys", table, {});
    const keys = member(readObject(left, "UnprocessedKeys"), "Keys") ?? [];
    const unprocessed = readArray(keys, "Keys", countMax).map((key) =>
      readBytes(readExactObject(key, "Keys", ["k"]), "k", KEY_BYTES_MAX),
    );
    return ok({ items, unprocessed });
  } catch (thrown) {
    fieldOfMismatch(thrown);
    return err(refusal("STORE_MALFORMED"));
  }
}

function ofTable(
  body: JsonObject,
  name: string,
  table: TableConfig["table"],
  none: unknown = [],
): unknown {
  const tables = readObject(member(body, name) ?? {}, name);
  return member(tables, table.text) ?? member(tables, table.name) ?? none;
}

/**
 * Whether DescribeTable tells of the table of the manifest, with our key, in a state to be used. A
 * table of replicas that settle conflicts by the clock (the last writer wins) is none.
 */
export function verifyTable(body: JsonObject, state: TableConfig): Result<null, Refusal> {
  try {
    const table = readObject(member(body, "Table"), "Table");
    const text = (name: string) => readText(member(table, name), name, TEXT_LENGTH_MAX);
    const isNamed = text("TableArn") === state.table.text && text("TableId") === state.tableId;
    const isUsable = ["ACTIVE", "UPDATING"].includes(text("TableStatus"));
    const replicas = readArray(member(table, "Replicas") ?? [], "Replicas", 64);
    const isGlobal = replicas.length > 0 || member(table, "GlobalTableVersion") !== undefined;
    const isConsistent = !isGlobal || member(table, "MultiRegionConsistency") === "STRONG";
    const isSame = isNamed && isUsable && isConsistent && hasOurKey(table);
    return isSame ? ok(null) : err(refusal("STORE_IDENTITY"));
  } catch (thrown) {
    fieldOfMismatch(thrown);
    return err(refusal("STORE_MALFORMED"));
  }
}

function hasOurKey(table: JsonObject): boolean {
  const schema = readArray(member(table, "KeySchema"), "KeySchema", 2);
  const key = readObject(schema[0], "KeySchema");
  const definitions = readArray(member(table, "AttributeDefinitions"), "AttributeDefinitions", 64);
  const isBytes = definitions.some((value) => {
    const definition = readObject(value, "AttributeDefinitions");
    return (
      member(definition, "AttributeName") === "k" && member(definition, "AttributeType") === "B"
    );
  });
  const isHash = member(key, "AttributeName") === "k" && member(key, "KeyType") === "HASH";
  return schema.length === 1 && isHash && isBytes;
}
