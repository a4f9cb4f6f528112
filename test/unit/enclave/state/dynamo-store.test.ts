// What the store makes of each answer of DynamoDB.

import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeBase64 } from "../../../../enclave/aws/base64.ts";
import type { JsonFields } from "../../../../enclave/state/dynamo-item.ts";
import { IDENTITY_AGE_MS_MAX } from "../../../../enclave/state/table-identity.ts";
import { refusal } from "../../../../shared/errors.ts";
import { COMMIT_DEADLINE_MS } from "../../../../shared/limits.ts";
import { err } from "../../../../shared/result.ts";
import {
  type Answer,
  conditionFailed,
  DynamoRig,
  failure,
  itemOf,
  KEY,
  type Line,
  LOST,
  SCOPE,
  STATE,
  success,
  TABLE,
  TABLE_ID,
  writeOf,
} from "../../../fakes/scripted-dynamo.ts";

const STORED = { seq: 3, record: writeOf(3).record };

/** The very item that is written: an earlier attempt of it has landed. */
const landed: Line = (body) => conditionFailed(body["Item"] as JsonFields); // oxlint-disable-line typescript/no-unsafe-type-assertion -- the store's own item

test("a write is one conditional PutItem, and is committed when it is answered", async () => {
  for (const [seq, condition] of [
    [1, { ConditionExpression: "attribute_not_exists(k)" }],
    [
      4,
      {
        ConditionExpression: "q = :before",
        ExpressionAttributeValues: { ":before": { N: "3" } },
      },
    ],
  ] as const) {
    const rig = new DynamoRig([success()]);
    const write = writeOf(seq);
    assert.deepEqual(await rig.commit(write), { kind: "committed" });
    const token = Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2);
    const body = {
      TableName: STATE.table.text,
      Item: itemOf(write, token),
      ...condition,
      ReturnValues: "ALL_OLD",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    };
    assert.deepEqual(rig.sent, [{ operation: "PutItem", body }]);
    assert.deepEqual(rig.logged, [{ key: KEY, seq, receipt: write.receipt }]);
  }
});

test("another's item is a conflict with its record, and its receipt is logged", async () => {
  const rig = new DynamoRig([conditionFailed(itemOf(writeOf(3)))]);
  assert.deepEqual(await rig.commit(writeOf(2)), { kind: "conflict", stored: STORED });
  assert.deepEqual(rig.logged, [{ key: KEY, seq: 3, receipt: writeOf(3).receipt }]);
});

test("a conflict that does not show its item is read", async () => {
  const item = { Item: itemOf(writeOf(3)) };
  const rig = new DynamoRig([conditionFailed(), success(item)]);
  assert.deepEqual(await rig.commit(writeOf(2)), { kind: "conflict", stored: STORED });
  assert.deepEqual(rig.sent[1]?.body["ConsistentRead"], true);
  const gone = new DynamoRig([conditionFailed(), success()]);
  assert.deepEqual(await gone.commit(writeOf(2)), { kind: "conflict", stored: null });
});

test("a write whose answer was lost is known by its token", async () => {
  const malformed: Line = err({ kind: "malformed" });
  for (const lost of [LOST, "hang", failure(null, 500), malformed] as const) {
    const rig = new DynamoRig([lost, landed]);
    assert.deepEqual(await rig.commit(writeOf(2)), { kind: "committed" });
    assert.deepEqual(rig.sent[0], rig.sent[1], "the same request");
  }
  let item: unknown;
  const keep: Line = (body) => {
    item = body["Item"];
    return LOST;
  };
  const read: Line = () => success({ Item: item });
  const rig = new DynamoRig([keep, conditionFailed(), read]);
  assert.deepEqual(await rig.commit(writeOf(2)), { kind: "committed" });
});

test("a write that lands late, under another of the same version, is a conflict", async () => {
  const rig = new DynamoRig([LOST, conditionFailed(itemOf(writeOf(2, 5)))]);
  const stored = { seq: 2, record: writeOf(2, 5).record };
  assert.deepEqual(await rig.commit(writeOf(2)), { kind: "conflict", stored });
});

test("what may pass is tried again, what can't is told at once", async () => {
  const throttled = failure("ProvisionedThroughputExceededException");
  const rig = new DynamoRig([throttled, failure("InternalServerError", 500), success()]);
  assert.equal(await rig.causeOf(writeOf(1)), "committed");
  for (const [line, code] of [
    [failure("AccessDeniedException"), "STORE_DENIED"],
    [failure("UnrecognizedClientException"), "STORE_DENIED"],
    [failure("ResourceNotFoundException"), "STORE_IDENTITY"],
    [failure("ValidationException"), "STORE_MALFORMED"],
    [err({ kind: "unsent", refusal: refusal("STORE_CREDENTIALS") }), "STORE_CREDENTIALS"],
    [err({ kind: "unsent", refusal: refusal("TIME_STALE") }), "TIME_STALE"],
    [conditionFailed({ ...itemOf(writeOf(3)), x: { N: "1" } }), "STORE_CORRUPT"],
  ] as const satisfies readonly (readonly [Answer, string])[]) {
    const rig = new DynamoRig([line]);
    assert.equal(await rig.causeOf(writeOf(1)), code);
    assert.equal(rig.sent.length, 1);
    assert.deepEqual(rig.logged, []);
  }
});

test("at the deadline an outcome is unknown, and says whether anything may be written", async () => {
  const relay = err({ kind: "relay", refusal: refusal("RELAY_UNREACHABLE") } as const);
  const throttled = failure("ThrottlingException");
  for (const [lines, code] of [
    [["hang"], "STATE_UNKNOWN"],
    [[LOST], "STATE_UNKNOWN"],
    [[failure(null, 503)], "STATE_UNKNOWN"],
    [[LOST, throttled], "STATE_UNKNOWN"],
    [[throttled], "STORE_THROTTLED"],
    [[failure(null, 429)], "STORE_THROTTLED"],
    [[throttled, relay], "STORE_UNAVAILABLE"],
  ] as const satisfies readonly (readonly [readonly Line[], string])[]) {
    const rig = new DynamoRig(lines);
    assert.equal(await rig.causeOf(writeOf(1)), code);
    assert.equal(rig.time.nowMs(), COMMIT_DEADLINE_MS);
  }
});

test("the receipt of an item that this boot has not logged is logged with its successor", async () => {
  const old = { Attributes: itemOf(writeOf(1)) };
  const rig = new DynamoRig([success(old)]);
  await rig.commit(writeOf(2));
  assert.deepEqual(
    rig.logged.map(({ seq }) => seq),
    [1, 2],
  );
  const own = new Uint8Array(16).fill(1);
  const known = new DynamoRig([success({ Attributes: itemOf(writeOf(1), own) })]);
  await known.commit(writeOf(2));
  assert.equal(known.logged.length, 1);
  // An unknown outcome of this boot was logged by nobody.
  const denied = failure("AccessDeniedException");
  const late = new DynamoRig([LOST, denied, success({ Attributes: itemOf(writeOf(1), own) })]);
  assert.equal(await late.causeOf(writeOf(1)), "STORE_DENIED");
  await late.commit(writeOf(2));
  assert.equal(late.logged.length, 2);
});

test("after an unknown outcome the receipt of what is read is logged, for its successor may not show it", async () => {
  const denied = failure("AccessDeniedException");
  const other = itemOf(writeOf(1, 5));
  const read = success({ Responses: { [STATE.table.text]: [other] } });
  const rig = await new DynamoRig([LOST, denied, read, LOST, landed]).open();
  const keys = [writeOf(1).key];
  assert.equal(await rig.causeOf(writeOf(1)), "STORE_DENIED");
  assert.ok((await rig.time.settle(rig.store.read(SCOPE, keys))).ok);
  assert.deepEqual(rig.logged, [{ key: keys[0], seq: 1, receipt: writeOf(1, 5).receipt }]);
  // Written, and the answer that shows what it replaced is lost.
  assert.equal(await rig.causeOf(writeOf(2)), "committed");
  assert.deepEqual(
    rig.logged.map(({ seq }) => seq),
    [1, 2],
  );
});

async function codeOfTable(line: Line): Promise<string> {
  const rig = new DynamoRig([line]);
  const verified = await rig.time.settle(rig.store.verify());
  assert.equal(rig.time.intervals.length, verified.ok ? 1 : 0);
  return verified.ok ? "ok" : verified.error.code;
}

test("the table is the one of the manifest, or none", async () => {
  const replicas = [{ RegionName: "eu-west-1" }];
  for (const [change, code] of [
    [{}, "ok"],
    [{ TableStatus: "UPDATING" }, "ok"],
    [{ Replicas: replicas, MultiRegionConsistency: "STRONG" }, "ok"],
    [{ Replicas: replicas }, "STORE_IDENTITY"],
    [{ Replicas: replicas, MultiRegionConsistency: "EVENTUAL" }, "STORE_IDENTITY"],
    [{ GlobalTableVersion: "2017.11.29" }, "STORE_IDENTITY"],
    [{ TableId: TABLE_ID.replace("a", "b") }, "STORE_IDENTITY"],
    [{ TableArn: `${STATE.table.text}2` }, "STORE_IDENTITY"],
    [{ TableStatus: "CREATING" }, "STORE_IDENTITY"],
    [{ TableStatus: "DELETING" }, "STORE_IDENTITY"],
    [
      { KeySchema: [...TABLE.KeySchema, { AttributeName: "s", KeyType: "RANGE" }] },
      "STORE_IDENTITY",
    ],
    [{ AttributeDefinitions: [{ AttributeName: "k", AttributeType: "S" }] }, "STORE_IDENTITY"],
    [{ TableId: 7 }, "STORE_MALFORMED"],
  ] as const) {
    assert.equal(await codeOfTable(success({ Table: { ...TABLE, ...change } })), code);
  }
  assert.equal(await codeOfTable(success()), "STORE_MALFORMED");
  assert.equal(await codeOfTable(failure("ResourceNotFoundException")), "STORE_IDENTITY");
  assert.equal(await codeOfTable("hang"), "STORE_UNAVAILABLE");
});

test("connections are kept warm from the first verification on", async () => {
  const rig = new DynamoRig([success({ Table: TABLE })]);
  await rig.time.settle(rig.store.verify());
  await rig.time.settle(rig.store.verify());
  const [warm, ...others] = rig.time.intervals;
  assert.deepEqual([warm?.intervalMs, others.length], [30_000, 0]);
  rig.sent.length = 0;
  warm?.run();
  assert.deepEqual(
    rig.sent.map(({ operation }) => operation),
    ["DescribeTable", "GetItem", "GetItem", "GetItem"],
  );
});

const HEALTHY = success({ Table: TABLE });
const RESTORED = success({ Table: { ...TABLE, TableId: TABLE_ID.replace("a", "b") } });

async function codeOfWrite(rig: DynamoRig): Promise<string> {
  const [outcome] = await rig.time.settle(rig.store.commit(SCOPE, [writeOf(2)]));
  return outcome?.kind === "unknown" ? outcome.cause.code : (outcome?.kind ?? "none");
}

test("nothing is written to a table that was not verified, and nothing read", async () => {
  const rig = new DynamoRig([RESTORED]);
  assert.equal(await codeOfWrite(rig), "STORE_IDENTITY");
  assert.deepEqual(rig.sent, []);
  const read = await rig.time.settle(rig.store.read(SCOPE, [KEY]));
  assert.equal(read.ok ? "ok" : read.error.code, "STORE_IDENTITY");
});

test("a table that is exchanged under a running enclave is refused until it is the right one", async () => {
  for (const gone of [RESTORED, failure("ResourceNotFoundException")]) {
    const rig = await new DynamoRig([gone, gone, gone, gone, gone, HEALTHY, page([])]).open();
    // DescribeTable and three calls that keep connections warm.
    rig.time.intervals[0]?.run();
    await new Promise((resolve) => setImmediate(resolve));
    rig.sent.length = 0;
    assert.equal(await codeOfWrite(rig), "STORE_IDENTITY");
    assert.deepEqual(rig.sent, []);
    const read = async () => (await rig.time.settle(rig.store.read(SCOPE, [KEY]))).ok;
    assert.equal(await read(), false);
    assert.equal(await read(), true);
  }
});

test("a write or read that finds no table ends what was known of it", async () => {
  const missing = failure("ResourceNotFoundException");
  const rig = await new DynamoRig([missing, success()]).open();
  assert.equal(await codeOfWrite(rig), "STORE_IDENTITY");
  assert.equal(rig.sent.length, 1);
  assert.equal(await codeOfWrite(rig), "STORE_IDENTITY");
  assert.equal(rig.sent.length, 1);
  const reading = await new DynamoRig([missing, missing]).open();
  const read = await reading.time.settle(reading.store.read(SCOPE, [KEY]));
  assert.equal(read.ok ? "ok" : read.error.code, "STORE_IDENTITY");
  assert.equal(await codeOfWrite(reading), "STORE_IDENTITY");
});

test("a table that nobody can describe counts as verified for ten minutes, not longer", async () => {
  const rig = await new DynamoRig([success()]).open();
  rig.time.passMs(IDENTITY_AGE_MS_MAX);
  assert.equal(await codeOfWrite(rig), "committed");
  rig.time.passMs(1);
  assert.equal(await codeOfWrite(rig), "STORE_IDENTITY");
});

function page(items: readonly JsonFields[], left: readonly JsonFields[] = []): Answer {
  const name = STATE.table.text;
  return success({
    Responses: { [name]: items },
    UnprocessedKeys: left.length === 0 ? {} : { [name]: { Keys: left } },
  });
}

function keyOf(number: number): Uint8Array {
  const key = new Uint8Array(48);
  new DataView(key.buffer).setUint32(0, number);
  return key;
}

test("a read answers in order, a hundred keys a call, with what was left for later", async () => {
  const item = (number: number) => itemOf({ ...writeOf(2), key: keyOf(number) });
  const left = { k: { B: encodeBase64(Buffer.concat([SCOPE, keyOf(5)])) } };
  const rig = await new DynamoRig([
    page([item(9)], [left]),
    page([item(120)]),
    page([item(5)]),
  ]).open();
  const keys = Array.from({ length: 150 }, (_, number) => keyOf(number));
  const read = await rig.time.settle(rig.store.read(SCOPE, keys));
  assert(read.ok);
  assert.equal(rig.sent.length, 3);
  const found = read.value.flatMap((stored, index) => (stored === null ? [] : [index]));
  assert.deepEqual(found, [5, 9, 120]);
  assert.deepEqual(read.value[9], { seq: 2, record: writeOf(2).record });
});

test("a read takes nothing but items of ours that it asked for", async () => {
  const item = itemOf(writeOf(2));
  for (const [line, code] of [
    [page([item, item]), "STORE_MALFORMED"],
    [page([itemOf({ ...writeOf(2), key: keyOf(1) })]), "STORE_MALFORMED"],
    [page([{ ...item, a: { B: "AA==" } }]), "STORE_CORRUPT"],
    [page([{ ...item, q: { N: "2.0" } }]), "STORE_CORRUPT"],
    [page([{ ...item, q: { N: "0" } }]), "STORE_CORRUPT"],
    [page([{ ...item, r: { S: "AA==" } }]), "STORE_CORRUPT"],
    [page([{ ...item, r: { B: "AB==" } }]), "STORE_CORRUPT"],
    [success({ Responses: [] }), "STORE_MALFORMED"],
    [failure("AccessDeniedException"), "STORE_DENIED"],
    [failure("ThrottlingException"), "STORE_THROTTLED"],
    ["hang", "STORE_UNAVAILABLE"],
  ] as const satisfies readonly (readonly [Line, string])[]) {
    const rig = await new DynamoRig([line]).open();
    const read = await rig.time.settle(rig.store.read(SCOPE, [KEY]));
    assert.equal(read.ok ? "ok" : read.error.code, code);
    assert(rig.time.nowMs() <= COMMIT_DEADLINE_MS);
  }
});
