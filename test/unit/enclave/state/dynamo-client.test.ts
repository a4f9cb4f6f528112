// The real call over a real connection: what is sent, and that nothing is without time and keys.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { StoreCredentialRing } from "../../../../enclave/keys/store-credentials.ts";
import { monotonicClock, ticker } from "../../../../enclave/platform/clock.ts";
import { createDynamoStore } from "../../../../enclave/state/dynamo-store.ts";
import { BOOT_ID, KEY, SCOPE, STATE, TABLE, writeOf } from "../../../fakes/scripted-dynamo.ts";
import { issue, startEndpoint } from "../../../fakes/tls-endpoint.ts";

const root = issue({ name: "root", issuer: null });
const leaf = issue({ name: "leaf", issuer: root, dnsName: STATE.table.host });

async function rigOf(context: TestContext, nowMs: () => number | null) {
  const requests: string[] = [];
  const endpoint = await startEndpoint(context, [leaf], (socket) => {
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("utf8");
      if (!received.endsWith("}")) return;
      requests.push(received);
      const answer = received.includes("DescribeTable") ? JSON.stringify({ Table: TABLE }) : "{}";
      received = "";
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${answer.length}\r\n\r\n${answer}`);
    });
  });
  const credentials = new StoreCredentialRing();
  const store = createDynamoStore({
    state: STATE,
    credentials,
    dialer: endpoint.dialer,
    trustAnchors: [root.pem],
    nowMs,
    clock: monotonicClock,
    ticker,
    bootId: BOOT_ID,
    receiptLog: { append: () => undefined },
  });
  return { store, credentials, requests, endpoint };
}

const CREDENTIALS = {
  accessKeyId: "AKIALOCALLOCALLOCAL1",
  secretAccessKey: "local/secret+access/key+of/forty+chars+00",
};

test("a write goes out signed for DynamoDB, and reads over the same connection", async (context) => {
  const { store, credentials, requests, endpoint } = await rigOf(context, () => Date.now());
  credentials.add(BOOT_ID, CREDENTIALS);
  assert((await store.verify()).ok);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await store.commit(SCOPE, [writeOf(1)]), [{ kind: "committed" }]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await store.read(SCOPE, [KEY]), { ok: true, value: [null] });
  const [describe = "", put = "", get = ""] = requests;
  assert.match(describe, /x-amz-target: DynamoDB_20120810\.DescribeTable\r\n/);
  assert.match(put, /x-amz-target: DynamoDB_20120810\.PutItem\r\n/);
  assert.match(put, /content-type: application\/x-amz-json-1\.0\r\n/);
  assert.match(put, /\/eu-central-1\/dynamodb\/aws4_request/);
  assert.match(get, /x-amz-target: DynamoDB_20120810\.BatchGetItem\r\n/);
  assert.equal(endpoint.dialled.length, 1);
});

test("nothing is sent without trusted time or credentials", async (context) => {
  for (const [nowMs, code] of [
    [null, "TIME_STALE"],
    [Date.now(), "STORE_CREDENTIALS"],
  ] as const) {
    const { store, endpoint } = await rigOf(context, () => nowMs);
    const verified = await store.verify();
    assert.equal(verified.ok ? "ok" : verified.error.code, code);
    assert.equal(endpoint.dialled.length, 0);
  }
});
