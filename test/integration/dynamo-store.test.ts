// Two stores of two enclaves against one table of dynalite, which knows DynamoDB's expressions.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server } from "node:http";
import { createRequire } from "node:module";
import { type TestContext, test } from "node:test";
import { parseAwsAnswer } from "../../enclave/aws/json-answer.ts";
import type { LoggedReceipt } from "../../enclave/core/ports.ts";
import { monotonicClock, ticker } from "../../enclave/platform/clock.ts";
import type { DynamoCall } from "../../enclave/state/dynamo-client.ts";
import { DynamoStore } from "../../enclave/state/dynamo-store.ts";
import { invariant } from "../../shared/invariant.ts";
import { err } from "../../shared/result.ts";
import { KEY, SCOPE, tableConfig, writeOf } from "../fakes/scripted-dynamo.ts";

type Dynalite = (options: { readonly createTableMs: number }) => Server;

const dynalite = createRequire(import.meta.url)("dynalite") as Dynalite; // oxlint-disable-line typescript/no-unsafe-type-assertion -- it has no types
const ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/redoubt";

/** Over plain HTTP. Dynalite knows tables by their names only. */
async function startTable(context: TestContext): Promise<DynamoCall> {
  const server = dynalite({ createTableMs: 0 });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  invariant(address !== null && typeof address === "object", "it listens on a port");
  const call: DynamoCall = async (operation, body) => {
    const response = await fetch(`http://127.0.0.1:${address.port}/`, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": `DynamoDB_20120810.${operation}`,
        "x-amz-date": "20270115T080000Z",
        authorization:
          "AWS4-HMAC-SHA256 Credential=a/20270115/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=b",
      },
      body: JSON.stringify(body).replaceAll(ARN, "redoubt"),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const answer = parseAwsAnswer({ status: response.status, errorType: undefined, body: bytes });
    return answer.ok ? answer : err({ kind: "malformed" });
  };
  const created = await call(
    "CreateTable",
    {
      TableName: "redoubt",
      KeySchema: [{ AttributeName: "k", KeyType: "HASH" }],
      AttributeDefinitions: [{ AttributeName: "k", AttributeType: "B" }],
      BillingMode: "PAY_PER_REQUEST",
    },
    1000,
  );
  assert(created.ok && created.value.kind === "success", JSON.stringify(created));
  for (;;) {
    const table = await describe(call);
    if (table["TableStatus"] === "ACTIVE") return call;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function describe(call: DynamoCall): Promise<Record<string, unknown>> {
  const described = await call("DescribeTable", { TableName: "redoubt" }, 1000);
  assert(described.ok && described.value.kind === "success");
  return described.value.body["Table"] as Record<string, unknown>; // oxlint-disable-line typescript/no-unsafe-type-assertion -- of a test's own table
}

function storeOf(call: DynamoCall, boot: number, tableId: string) {
  const logged: LoggedReceipt[] = [];
  const receiptLog = {
    append: (_scope: Uint8Array, receipts: readonly LoggedReceipt[]) =>
      void logged.push(...receipts),
  };
  const bootId = new Uint8Array(16).fill(boot);
  const options = { state: tableConfig(ARN, tableId), bootId, receiptLog };
  return { store: new DynamoStore(options, { call, clock: monotonicClock, ticker }), logged };
}

test("of two stores that race for a key exactly one wins, and the other gets its record", async (context) => {
  const call = await startTable(context);
  const table = await describe(call);
  assert.equal(table["TableArn"], ARN);
  const tableId = String(table["TableId"]);
  const ends = [storeOf(call, 1, tableId), storeOf(call, 2, tableId)];
  for (const { store } of ends) assert((await store.verify()).ok);
  for (let seq = 1; seq <= 20; seq++) {
    const writes = [writeOf(seq, 2 * seq), writeOf(seq, 2 * seq + 1)];
    const outcomes = await Promise.all(
      ends.map(({ store }, index) => store.commit(SCOPE, writes.slice(index, index + 1))),
    );
    const kinds = outcomes.map(([outcome]) => outcome?.kind);
    assert.deepEqual(new Set(kinds), new Set(["committed", "conflict"]));
    const record = writes[kinds.indexOf("committed")]?.record;
    const conflict = outcomes[kinds.indexOf("conflict")]?.[0];
    assert.deepEqual(conflict, { kind: "conflict", stored: { seq, record } });
    for (const { store } of ends) {
      const read = await store.read(SCOPE, [new Uint8Array(48), KEY]);
      assert.deepEqual(read, { ok: true, value: [null, { seq, record }] });
    }
  }
  const seqs = new Set(ends.flatMap(({ logged }) => logged.map(({ seq }) => seq)));
  assert.equal(seqs.size, 20);
});

test("a table that was made anew is not the one of the manifest", async (context) => {
  const call = await startTable(context);
  const { store } = storeOf(call, 1, "0a1b2c3d-0000-4000-8000-00000000000a");
  const verified = await store.verify();
  assert.equal(verified.ok ? "ok" : verified.error.code, "STORE_IDENTITY");
});
