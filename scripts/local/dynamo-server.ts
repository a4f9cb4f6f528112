// The stand-in of DynamoDB: HTTPS that checks the signature of every request, in front of dynalite
// on a loopback port, which checks none. It must never pass on what a known credential has not
// signed, and never answer a description of a table that a manifest could not name.

import { type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { crc32 } from "node:zlib";
import dynalite from "dynalite";
import type { Address } from "../../shared/address.ts";
import { AwsError } from "./aws-error.ts";
import { isJsonObject, type JsonObject, parseJsonObject } from "./json-fields.ts";
import { type LocalCredentials, verifySignature } from "./sigv4.ts";

/** What tests have it do instead of a plain answer. */
export type DynamoFault =
  /** Late, but right. */
  | { readonly kind: "delay"; readonly delayMs: number }
  /** The request never arrives. */
  | { readonly kind: "drop-request" }
  /** It is carried out, and nobody hears of it. */
  | { readonly kind: "drop-answer" }
  /** Nothing is carried out. */
  | { readonly kind: "answer"; readonly status: number; readonly type: string };

export const THROTTLE: DynamoFault = {
  kind: "answer",
  status: 400,
  type: "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
};
export const SERVER_FAILURE: DynamoFault = {
  kind: "answer",
  status: 500,
  type: "com.amazonaws.dynamodb.v20120810#InternalServerError",
};

export type DynamoServerOptions = {
  readonly listen: Extract<Address, { kind: "tcp" }>;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** Null: in memory. */
  readonly folder: string | null;
  readonly region: string;
  readonly accountId: string;
  readonly credentials: () => readonly LocalCredentials[];
  readonly nowMs: () => number;
  readonly fault?: (operation: string, body: string) => DynamoFault | undefined;
  /** Told of each request that was carried out, also when nobody else hears of it. */
  readonly onDone?: (operation: string, status: number) => void;
};

export type DynamoServer = { readonly port: number; close(): Promise<void> };

const BODY_BYTES_MAX = 16 * 1024 * 1024;
const CONTENT_TYPE = "application/x-amz-json-1.0";
const TARGET = "DynamoDB_20120810.";
const TABLE_ID_LENGTH = 36;
const CREATE_TABLE_MS = 10;

type Answer = { readonly status: number; readonly body: string };

export async function startDynamoServer(options: DynamoServerOptions): Promise<DynamoServer> {
  const { folder, certificatePem: cert, privateKeyPem: key, listen } = options;
  const createTableMs = CREATE_TABLE_MS;
  const inner = dynalite(folder === null ? { createTableMs } : { createTableMs, path: folder });
  const innerPort = await listenAt(inner, "127.0.0.1", 0);
  const server = createTlsServer({ cert, key }, (request, response) => {
    void respond(options, innerPort, request, response);
  });
  const port = await listenAt(server, listen.host, listen.port);
  return {
    port,
    close: async () => {
      server.closeAllConnections();
      await new Promise((settle) => server.close(settle));
      inner.closeAllConnections();
      await new Promise((settle) => inner.close(settle));
    },
  };
}

function listenAt(
  server: Pick<Server, "once" | "listen" | "address">,
  host: string,
  port: number,
): Promise<number> {
  return new Promise((settle, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      const bound = server.address();
      settle(bound !== null && typeof bound === "object" ? bound.port : port);
    });
  });
}

async function respond(
  options: DynamoServerOptions,
  innerPort: number,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request);
  if (body === null) return void response.destroy();
  const headers = headersOf(request);
  try {
    verify(options, request, headers, body);
    const operation = (headers["x-amz-target"] ?? "").slice(TARGET.length);
    const fault = options.fault?.(operation, body.toString("utf8"));
    if (fault?.kind === "drop-request") return void response.destroy();
    if (fault?.kind === "answer") throw new AwsError(fault.type, "a fault", fault.status);
    const answer = await passOn(innerPort, headers, namesOnly(options, body.toString("utf8")));
    options.onDone?.(operation, answer.status);
    if (fault?.kind === "drop-answer") return void response.destroy();
    if (fault?.kind === "delay") await pause(fault.delayMs);
    send(response, { ...answer, body: describe(options, answer.body) });
  } catch (error) {
    if (!(error instanceof AwsError)) return void response.destroy();
    const text = JSON.stringify({ __type: error.type, message: error.message });
    send(response, { status: error.status, body: text });
  }
}

function verify(
  options: DynamoServerOptions,
  request: IncomingMessage,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): void {
  const isRight =
    request.method === "POST" &&
    headers["content-type"] === CONTENT_TYPE &&
    (headers["x-amz-target"] ?? "").startsWith(TARGET);
  if (!isRight) throw new AwsError("UnknownOperationException", "no such operation");
  verifySignature(
    { method: "POST", path: request.url ?? "/", headers, body },
    "dynamodb",
    options.credentials(),
    options.nowMs(),
  );
}

/** Null when it is too large or was cut off. */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  try {
    for await (const chunk of request as AsyncIterable<Uint8Array>) {
      byteCount += chunk.length;
      if (byteCount > BODY_BYTES_MAX) return null;
      chunks.push(chunk);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks);
}

function headersOf(request: IncomingMessage): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(",") : value;
  }
  return headers;
}

const PASSED_HEADERS = ["content-type", "x-amz-target", "x-amz-date", "authorization"];

async function passOn(
  port: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<Answer> {
  const passed = PASSED_HEADERS.map((name): [string, string] => [name, headers[name] ?? ""]);
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: "POST",
    headers: passed,
    body,
  });
  return { status: response.status, body: await response.text() };
}

/**
 * dynalite knows tables by name alone, where DynamoDB takes an ARN as well. One of another region
 * or account stays as it is, and is refused.
 */
function namesOnly({ region, accountId }: DynamoServerOptions, body: string): string {
  return body.replaceAll(`"arn:aws:dynamodb:${region}:${accountId}:table/`, '"');
}

/** dynalite's ARN has its own region, its table ids are short, and it forgets the protection. */
function describe(options: DynamoServerOptions, text: string): string {
  if (!text.includes('"TableArn"')) return text;
  const answer = parseJsonObject(text);
  const described = Object.entries(answer).map(([name, value]): [string, unknown] => {
    const isTable = (name === "Table" || name === "TableDescription") && isJsonObject(value);
    return [name, isTable ? describeTable(options, value) : value];
  });
  return JSON.stringify(Object.fromEntries(described));
}

function describeTable({ region, accountId }: DynamoServerOptions, table: JsonObject): JsonObject {
  return {
    ...table,
    TableArn: `arn:aws:dynamodb:${region}:${accountId}:table/${String(table["TableName"])}`,
    TableId: String(table["TableId"]).padEnd(TABLE_ID_LENGTH, "0"),
    DeletionProtectionEnabled: true,
  };
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { "content-type": CONTENT_TYPE, "x-amz-crc32": crc32(body) });
  response.end(body);
}
