// An item, a page of them and a table's description, each with one thing wrong at a time.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeItem,
  encodeItemKey,
  encodeToken,
  isOfBoot,
  parseItem,
  parseReadPage,
  verifyTable,
} from "../../../../enclave/state/dynamo-item.ts";
import { RECEIPT_BYTES_MAX, RECORD_BYTES_MAX } from "../../../../shared/limits.ts";
import { KEY, SCOPE, STATE, TABLE, writeOf } from "../../../fakes/scripted-dynamo.ts";

const TOKEN = Uint8Array.from({ length: 16 }, (_, index) => index);
const ITEM_KEY = encodeItemKey(SCOPE, KEY);
const WRITE = writeOf(3);
const ITEM = encodeItem(ITEM_KEY, WRITE, TOKEN);

function bytesOf(length: number): { readonly B: string } {
  return { B: Buffer.alloc(length, 1).toString("base64") };
}

function times(count: number, value: unknown): readonly unknown[] {
  return Array.from({ length: count }, () => value);
}

function codeOf(item: unknown, itemKey: Uint8Array | undefined = ITEM_KEY): string {
  const parsed = parseItem(item, itemKey);
  return parsed.ok ? "ok" : parsed.error.code;
}

test("an item is what it was made of", () => {
  assert.deepEqual(ITEM, {
    k: { B: Buffer.concat([SCOPE, KEY]).toString("base64") },
    q: { N: "3" },
    r: { B: Buffer.from(WRITE.record).toString("base64") },
    p: { B: Buffer.from(WRITE.receipt).toString("base64") },
    a: { B: Buffer.from(TOKEN).toString("base64") },
  });
  const { record, receipt } = WRITE;
  const value = { itemKey: ITEM_KEY, seq: 3, record, receipt, token: TOKEN };
  for (const itemKey of [ITEM_KEY, undefined]) {
    assert.deepEqual(parseItem(ITEM, itemKey), { ok: true, value });
  }
});

test("an item of another key is no answer, and one that is none of ours is corrupt", () => {
  assert.equal(codeOf(ITEM, encodeItemKey(SCOPE, KEY.subarray(1))), "STORE_MALFORMED");
  assert.equal(codeOf(7), "STORE_MALFORMED");
  assert.equal(codeOf({ ...ITEM, x: { N: "1" } }), "STORE_CORRUPT");
  for (const name of ["k", "q", "r", "p", "a"]) {
    const { [name]: _, ...rest } = ITEM;
    assert.equal(codeOf(rest), "STORE_CORRUPT", `without ${name}`);
    for (const value of [7, {}, { S: "AA==" }, { B: 7 }, { N: 7 }, { B: "*" }, { N: "-1" }]) {
      assert.equal(codeOf({ ...ITEM, [name]: value }), "STORE_CORRUPT", name);
    }
    const both = Object.assign({ NULL: true }, ITEM[name]);
    assert.equal(codeOf({ ...ITEM, [name]: both }), "STORE_CORRUPT", `${name} with two types`);
  }
});

test("an item's version is a whole number from 1 on that is exact", () => {
  for (const [seq, code] of [
    ["0", "STORE_CORRUPT"],
    ["1", "ok"],
    [String(Number.MAX_SAFE_INTEGER), "ok"],
    [String(Number.MAX_SAFE_INTEGER + 1), "STORE_CORRUPT"],
    ["1.0", "STORE_CORRUPT"],
  ] as const) {
    assert.equal(codeOf({ ...ITEM, q: { N: seq } }), code, seq);
  }
});

test("an item's parts are as long as they may be, and no longer", () => {
  for (const [name, length, code] of [
    ["k", 160, "ok"],
    ["k", 161, "STORE_CORRUPT"],
    ["r", RECORD_BYTES_MAX, "ok"],
    ["r", RECORD_BYTES_MAX + 1, "STORE_CORRUPT"],
    ["p", RECEIPT_BYTES_MAX, "ok"],
    ["p", RECEIPT_BYTES_MAX + 1, "STORE_CORRUPT"],
    ["a", 15, "STORE_CORRUPT"],
    ["a", 16, "ok"],
    ["a", 17, "STORE_CORRUPT"],
  ] as const) {
    const parsed = parseItem({ ...ITEM, [name]: bytesOf(length) });
    assert.equal(parsed.ok ? "ok" : parsed.error.code, code, `${name} of ${length} bytes`);
  }
});

test("what is parsed has memory of its own", () => {
  const parsed = parseItem(ITEM);
  assert(parsed.ok);
  const { record, receipt, token, itemKey } = parsed.value;
  for (const bytes of [record, receipt, token, itemKey]) {
    assert.equal(bytes.byteLength, bytes.buffer.byteLength);
  }
});

test("a token says which boot has made it, by the first eight bytes", () => {
  const bootId = Uint8Array.from({ length: 16 }, (_, index) => 0x10 + index);
  const token = encodeToken(bootId, 0x0102030405060708n);
  assert.equal(Buffer.from(token).toString("hex"), "10111213141516170102030405060708");
  assert.equal(isOfBoot(token, bootId), true);
  for (let at = 0; at < 16; at++) {
    const other = bootId.slice();
    other[at] = 0;
    assert.equal(isOfBoot(token, other), at >= 8, `byte ${at}`);
  }
});

function pageOf(body: Readonly<Record<string, unknown>>, countMax = 2): string {
  const page = parseReadPage(body, STATE, countMax);
  if (!page.ok) return page.error.code;
  return `${page.value.items.length} items, ${page.value.unprocessed.length} left`;
}

test("a page is of the table that was asked, by its ARN or its name, within what was asked for", () => {
  const { text, name } = STATE.table;
  const left = { Keys: [{ k: bytesOf(80) }] };
  for (const [body, expected] of [
    [{}, "0 items, 0 left"],
    [{ Responses: {}, UnprocessedKeys: {} }, "0 items, 0 left"],
    [{ Responses: { [text]: [ITEM] } }, "1 items, 0 left"],
    [{ Responses: { [name]: [ITEM, ITEM] } }, "2 items, 0 left"],
    [{ Responses: { [name]: [ITEM, ITEM, ITEM] } }, "STORE_MALFORMED"],
    [{ Responses: { other: [ITEM] } }, "0 items, 0 left"],
    [{ Responses: { [name]: [7] } }, "STORE_MALFORMED"],
    [{ Responses: { [name]: [{ ...ITEM, q: { N: "0" } }] } }, "STORE_CORRUPT"],
    [{ Responses: { [name]: 7 } }, "STORE_MALFORMED"],
    [{ Responses: 7 }, "STORE_MALFORMED"],
    [{ UnprocessedKeys: { [text]: left } }, "0 items, 1 left"],
    [{ UnprocessedKeys: { [name]: left } }, "0 items, 1 left"],
    [{ UnprocessedKeys: { [name]: {} } }, "0 items, 0 left"],
    [{ UnprocessedKeys: { [name]: 7 } }, "STORE_MALFORMED"],
    [{ UnprocessedKeys: { [name]: { Keys: 7 } } }, "STORE_MALFORMED"],
    [{ UnprocessedKeys: { [name]: { Keys: [7] } } }, "STORE_MALFORMED"],
    [{ UnprocessedKeys: { [name]: { Keys: [{ k: bytesOf(160) }] } } }, "0 items, 1 left"],
    [{ UnprocessedKeys: { [name]: { Keys: [{ k: bytesOf(161) }] } } }, "STORE_MALFORMED"],
    [
      { UnprocessedKeys: { [name]: { Keys: [{ k: bytesOf(80), x: bytesOf(1) }] } } },
      "STORE_MALFORMED",
    ],
    [{ UnprocessedKeys: { [name]: { Keys: times(3, { k: bytesOf(80) }) } } }, "STORE_MALFORMED"],
  ] as const) {
    assert.equal(pageOf(body), expected, JSON.stringify(body).slice(0, 80));
  }
});

function codeOfTable(change: Readonly<Record<string, unknown>>): string {
  const verified = verifyTable({ Table: { ...TABLE, ...change } }, STATE);
  return verified.ok ? "ok" : verified.error.code;
}

test("a table's description is taken with one hash key of bytes, and nothing beside it", () => {
  const [hash] = TABLE.KeySchema;
  const [bytes] = TABLE.AttributeDefinitions;
  const other = { AttributeName: "s", AttributeType: "S" };
  for (const [change, code] of [
    [{}, "ok"],
    [{ AttributeDefinitions: [other, bytes] }, "ok"],
    [{ AttributeDefinitions: times(64, bytes) }, "ok"],
    [{ AttributeDefinitions: times(65, bytes) }, "STORE_MALFORMED"],
    [{ AttributeDefinitions: [] }, "STORE_IDENTITY"],
    [{ AttributeDefinitions: [other, { ...bytes, AttributeType: "S" }] }, "STORE_IDENTITY"],
    [{ AttributeDefinitions: [{ ...other, AttributeType: "B" }] }, "STORE_IDENTITY"],
    [{ AttributeDefinitions: 7 }, "STORE_MALFORMED"],
    [{ KeySchema: [] }, "STORE_MALFORMED"],
    [{ KeySchema: [hash, hash] }, "STORE_IDENTITY"],
    [{ KeySchema: [hash, hash, hash] }, "STORE_MALFORMED"],
    [{ KeySchema: [{ ...hash, KeyType: "RANGE" }] }, "STORE_IDENTITY"],
    [{ KeySchema: [{ ...hash, AttributeName: "s" }] }, "STORE_IDENTITY"],
    [{ Replicas: [] }, "ok"],
    [{ Replicas: times(64, {}), MultiRegionConsistency: "STRONG" }, "ok"],
    [{ Replicas: times(65, {}), MultiRegionConsistency: "STRONG" }, "STORE_MALFORMED"],
    [{ Replicas: 7 }, "STORE_MALFORMED"],
    [{ GlobalTableVersion: "2019.11.21", MultiRegionConsistency: "STRONG" }, "ok"],
    [{ TableStatus: "x".repeat(512) }, "STORE_IDENTITY"],
    [{ TableStatus: "x".repeat(513) }, "STORE_MALFORMED"],
  ] as const) {
    assert.equal(codeOfTable(change), code, JSON.stringify(change).slice(0, 80));
  }
  assert.equal(verifyTable({}, STATE).ok, false);
});

test("what a parser throws that is no mismatch is no answer: it goes on", () => {
  const broken = {
    get k(): never {
      throw new RangeError("a fault of ours");
    },
  };
  const body = (name: string) => Object.defineProperty({}, name, { get: () => broken.k });
  assert.throws(() => parseItem({ ...ITEM, k: body("B") }), RangeError);
  assert.throws(() => parseReadPage(body("Responses"), STATE, 1), RangeError);
  assert.throws(() => verifyTable(body("Table"), STATE), RangeError);
});
