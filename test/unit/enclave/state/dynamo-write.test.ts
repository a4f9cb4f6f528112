import assert from "node:assert/strict";
import { test } from "node:test";
import type { RecordWrite } from "../../../../enclave/core/ports.ts";
import type { DynamoCall } from "../../../../enclave/state/dynamo-client.ts";
import { DynamoStore } from "../../../../enclave/state/dynamo-store.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err, ok } from "../../../../shared/result.ts";
import { parseTableArn } from "../../../../shared/table-arn.ts";

type Answer = Awaited<ReturnType<DynamoCall>>;

const parsed = parseTableArn("arn:aws:dynamodb:eu-central-1:111122223333:table/redoubt");
assert(parsed.ok);
const table = parsed.value;
const TABLE_ID = "11111111-2222-3333-4444-555555555555";
const SCOPE = new Uint8Array(32).fill(0x5c);
const LOST: Answer = err({ kind: "unavailable" });
const DONE: Answer = ok({ kind: "success", body: {} });

const WRITE: RecordWrite = {
  key: new Uint8Array(48).fill(1),
  seq: 2,
  record: new Uint8Array(80).fill(2),
  receipt: new Uint8Array(60).fill(3),
};

function refused(name: string, body: object = {}, status = 400): Answer {
  return ok({ kind: "error", status, name, body: { ...body } });
}

/** Time goes on by what is waited for, at once. */
class Rig {
  nowMs = 0;
  readonly calls: { readonly operation: string; readonly body: Record<string, unknown> }[] = [];
  readonly logged: number[] = [];
  readonly answers: ((body: Record<string, unknown>) => Answer)[] = [];
  readonly store = new DynamoStore(
    {
      state: { kind: "dynamodb", table, tableId: TABLE_ID, hasBootFloor: false },
      bootId: new Uint8Array(16).fill(9),
      receiptLog: {
        append: (_scope, receipts) => {
          for (const { seq } of receipts) this.logged.push(seq);
        },
      },
    },
    {
      call: (operation, body) => {
        this.calls.push({ operation, body });
        this.nowMs += 100;
        return Promise.resolve((this.answers.shift() ?? (() => LOST))(body));
      },
      clock: { nowMs: () => this.nowMs },
      ticker: {
        every: () => ({ stop: () => {} }),
        after: (delayMs, run) => {
          if (delayMs < 1000) {
            this.nowMs += delayMs;
            queueMicrotask(run);
          }
          return { stop: () => {} };
        },
      },
    },
  );

  answer(...answers: readonly (Answer | ((body: Record<string, unknown>) => Answer))[]): this {
    this.answers.push(...answers.map((each) => (typeof each === "function" ? each : () => each)));
    return this;
  }

  async commit(): Promise<string> {
    const [outcome] = await this.store.commit(SCOPE, [WRITE]);
    assert(outcome !== undefined);
    return outcome.kind === "unknown" ? outcome.cause.code : outcome.kind;
  }
}

/** The condition failed, and `Item` is what this very request would have written. */
const failedByOwn = (body: Record<string, unknown>): Answer =>
  refused("ConditionalCheckFailedException", { Item: body["Item"] });

function foreignItem(body: Record<string, unknown>): Record<string, unknown> {
  const item = body["Item"];
  assert(typeof item === "object" && item !== null);
  return { ...item, a: { B: Buffer.alloc(16, 7).toString("base64") } };
}

test("a write that is answered is committed, and its receipt goes to the log", async () => {
  const rig = new Rig().answer(DONE);
  assert.equal(await rig.commit(), "committed");
  assert.deepEqual(rig.logged, [2]);
  const [put] = rig.calls;
  assert.equal(put?.operation, "PutItem");
  assert.equal(put?.body["ConditionExpression"], "q = :before");
});

test("a lost answer is asked for again with the same request, and our own item is known again", async () => {
  const rig = new Rig().answer(LOST, failedByOwn);
  assert.equal(await rig.commit(), "committed");
  const [first, second] = rig.calls;
  assert.deepEqual(first?.body, second?.body);
});

test("without the item on the refusal a consistent read says whose it is", async () => {
  const rig = new Rig();
  rig.answer(LOST, refused("ConditionalCheckFailedException"), () => {
    const item = rig.calls[0]?.body["Item"];
    assert(typeof item === "object" && item !== null);
    return ok({ kind: "success", body: { Item: { ...item } } });
  });
  assert.equal(await rig.commit(), "committed");
  assert.equal(rig.calls.at(-1)?.operation, "GetItem");
  assert.equal(rig.calls.at(-1)?.body["ConsistentRead"], true);
});

test("another's item is a conflict, and its receipt is kept", async () => {
  const rig = new Rig().answer((body) =>
    refused("ConditionalCheckFailedException", { Item: foreignItem(body) }),
  );
  assert.equal(await rig.commit(), "conflict");
  assert.deepEqual(rig.logged, [2]);
});

test("what may have been written is never called unwritten at the deadline, nor the other way", async () => {
  assert.equal(await new Rig().commit(), "STATE_UNKNOWN");
  const relay = err({ kind: "relay", refusal: refusal("RELAY_UNREACHABLE") } as const);
  const unreached = new Rig().answer(...Array.from({ length: 100 }, () => relay));
  assert.equal(await unreached.commit(), "STORE_UNAVAILABLE");
  const throttled = refused("ProvisionedThroughputExceededException");
  const slow = new Rig().answer(...Array.from({ length: 100 }, () => throttled));
  assert.equal(await slow.commit(), "STORE_THROTTLED");
  const mixed = new Rig().answer(LOST, ...Array.from({ length: 100 }, () => throttled));
  assert.equal(await mixed.commit(), "STATE_UNKNOWN");
  assert.deepEqual(mixed.logged, []);
});

test("what no second try can mend is told at once", async () => {
  const denied = new Rig().answer(refused("AccessDeniedException"));
  assert.equal(await denied.commit(), "STORE_DENIED");
  assert.equal(denied.calls.length, 1);
  const unsent = err({ kind: "unsent", refusal: refusal("STORE_CREDENTIALS") } as const);
  assert.equal(await new Rig().answer(unsent).commit(), "STORE_CREDENTIALS");
});

const DESCRIPTION = {
  TableArn: table.text,
  TableId: TABLE_ID,
  TableStatus: "ACTIVE",
  KeySchema: [{ AttributeName: "k", KeyType: "HASH" }],
  AttributeDefinitions: [{ AttributeName: "k", AttributeType: "B" }],
};

test("only the very table of the manifest is taken: not one that was made or restored again", async () => {
  const rows: readonly (readonly [object, string])[] = [
    [{}, "ok"],
    [{ TableStatus: "UPDATING" }, "ok"],
    [{ TableId: TABLE_ID.replace("1", "9") }, "STORE_IDENTITY"],
    [{ TableArn: table.text.replace("1111", "9999") }, "STORE_IDENTITY"],
    [{ TableStatus: "DELETING" }, "STORE_IDENTITY"],
    [{ Replicas: [{ RegionName: "eu-west-1" }] }, "STORE_IDENTITY"],
    [{ AttributeDefinitions: [{ AttributeName: "k", AttributeType: "S" }] }, "STORE_IDENTITY"],
  ];
  for (const [change, code] of rows) {
    const rig = new Rig().answer(
      ok({ kind: "success", body: { Table: { ...DESCRIPTION, ...change } } }),
    );
    const verified = await rig.store.verify();
    assert.equal(verified.ok ? "ok" : verified.error.code, code, JSON.stringify(change));
  }
});

test("an answer that is not the protocol is no record", async () => {
  const rig = new Rig().answer(ok({ kind: "success", body: { Responses: 7 } }));
  const read = await rig.store.read(SCOPE, [WRITE.key]);
  assert.equal(read.ok ? "ok" : read.error.code, "STORE_MALFORMED");
});
