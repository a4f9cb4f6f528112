// A table for benchmarks: as much of DynamoDB as the enclave's store asks for, in memory, with a
// delay of its own before each answer, so that what is measured is the signer and not the stand-in.
// It checks no signature of a request and keeps nothing. It must never be used for anything else.

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { parseArgs } from "node:util";
import { createLocalCa } from "../local/ca.ts";
import { isJsonObject, type JsonObject, parseJsonObject } from "../local/json-fields.ts";

const text = { type: "string", default: "" } as const;
const { values } = parseArgs({
  strict: true,
  options: { "ca-dir": text, host: text, arn: text, id: text, "delay-ms": text },
});
const delayMs = Number(values["delay-ms"]);
const items = new Map<string, JsonObject>();
const counts = { written: 0, refused: 0 };

type Answer = { readonly status: number; readonly body: object };

function keyOf(fields: unknown): string {
  return JSON.stringify(isJsonObject(fields) ? fields["k"] : null);
}

function put(body: JsonObject): Answer {
  const item = isJsonObject(body["Item"]) ? body["Item"] : {};
  const stored = items.get(keyOf(item));
  // `q = :expected`, or that there is none: the store has these two conditions.
  const wanted = isJsonObject(body["ExpressionAttributeValues"])
    ? Object.values(body["ExpressionAttributeValues"])[0]
    : undefined;
  if (JSON.stringify(stored?.["q"]) !== JSON.stringify(wanted)) {
    counts.refused += 1;
    const type = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    return {
      status: 400,
      body: { __type: type, ...(stored === undefined ? {} : { Item: stored }) },
    };
  }
  counts.written += 1;
  items.set(keyOf(item), item);
  return { status: 200, body: stored === undefined ? {} : { Attributes: stored } };
}

function batchGet(body: JsonObject): Answer {
  const [name, request] = Object.entries(
    isJsonObject(body["RequestItems"]) ? body["RequestItems"] : {},
  )[0] ?? ["", {}];
  const keys = isJsonObject(request) && Array.isArray(request["Keys"]) ? request["Keys"] : [];
  const found = keys.flatMap((key) => items.get(keyOf(key)) ?? []);
  return { status: 200, body: { Responses: { [name]: found }, UnprocessedKeys: {} } };
}

function describe(): Answer {
  const Table = {
    TableArn: values.arn,
    TableId: values.id,
    TableStatus: "ACTIVE",
    KeySchema: [{ AttributeName: "k", KeyType: "HASH" }],
    AttributeDefinitions: [{ AttributeName: "k", AttributeType: "B" }],
  };
  return { status: 200, body: { Table } };
}

const OPERATIONS: Readonly<Record<string, (body: JsonObject) => Answer>> = {
  PutItem: put,
  BatchGetItem: batchGet,
  DescribeTable: describe,
  GetItem: (body) => {
    const item = items.get(keyOf(body["Key"]));
    return { status: 200, body: item === undefined ? {} : { Item: item } };
  },
};

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = "";
  request.setEncoding("utf8");
  for await (const chunk of request as AsyncIterable<string>) body += chunk;
  const operation = String(request.headers["x-amz-target"] ?? "").split(".")[1] ?? "";
  const carryOut = OPERATIONS[operation];
  const answer =
    carryOut === undefined ? { status: 200, body: counts } : carryOut(parseJsonObject(body));
  const send = (): void => {
    response.writeHead(answer.status, { "content-type": "application/x-amz-json-1.0" });
    response.end(JSON.stringify(answer.body));
  };
  if (delayMs > 0) setTimeout(send, delayMs);
  else send();
}

const tls = createLocalCa(values["ca-dir"]).issueFiles("bench-table", {
  commonName: "table of the benchmark",
  dnsNames: [values.host, "localhost"],
  ipAddresses: ["127.0.0.1"],
  usage: ["server"],
});
const server = createServer(
  { cert: tls.certificatePem, key: tls.privateKeyPem, keepAliveTimeout: 120_000 },
  (request, response) => void respond(request, response),
);
server.listen({ host: "127.0.0.1", port: 0 }, () => {
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : 0;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
process.once("SIGTERM", () => {
  server.closeAllConnections();
  server.close();
});
