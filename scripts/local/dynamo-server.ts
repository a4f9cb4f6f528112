// The stand-in of DynamoDB: HTTPS that checks the signature of every request, in front of a program
// on a loopback port that checks none: dynalite here, or another that the caller has started. It
// must never pass on what a known credential has not signed, and never answer a description of a
// table that a manifest could not name.

import { type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { crc32 } from "node:zlib";
import dynalite from "dynalite";
import { readBoundedStream } from "../../parent/platform/bounded-reader.ts";
import type { Address } from "../../shared/address.ts";
import { AwsError } from "./aws-error.ts";
import { headersOf } from "./aws-request.ts";
import { isJsonObject, type JsonObject, parseJsonObject } from "./json-fields.ts";
import { type LocalCredentials, verifySignature } from "./sigv4.ts";
import { TableRegister } from "./table-register.ts";

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

export type DynamoBackend =
  /** `folder` null: in memory. */
  | { readonly kind: "dynalite"; readonly folder: string | null }
  /** It knows tables by their ARNs too. Whoever started it ends it. */
  | { readonly kind: "other"; readonly port: number };

export type DynamoServerOptions = {
  readonly listen: Extract<Address, { kind: "tcp" }>;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly backend: DynamoBackend;
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
const CREATE_TABLE_MS = 10;

type Answer = { readonly status: number; readonly body: string };

/** Where requests go on to, and what is remembered for it. */
type Inner = { readonly port: number; readonly register: TableRegister; close(): Promise<void> };

export async function startDynamoServer(options: DynamoServerOptions): Promise<DynamoServer> {
  const { backend, certificatePem: cert, privateKeyPem: key, listen } = options;
  const inner = await openBackend(backend);
  const server = createTlsServer({ cert, key }, (request, response) => {
    void respond(options, inner, request, response);
  });
  const port = await listenAt(server, listen.host, listen.port);
  return {
    port,
    close: async () => {
      server.closeAllConnections();
      await new Promise((settle) => server.close(settle));
      await inner.close();
    },
  };
}

async function openBackend(backend: DynamoBackend): Promise<Inner> {
  if (backend.kind === "other") {
    return { port: backend.port, register: new TableRegister(null), close: leave };
  }
  const { folder } = backend;
  const createTableMs = CREATE_TABLE_MS;
  const server = dynalite(folder === null ? { createTableMs } : { createTableMs, path: folder });
  return {
    port: await listenAt(server, "127.0.0.1", 0),
    register: new TableRegister(folder === null ? null : `${folder}.json`),
    close: async () => {
      server.closeAllConnections();
      await new Promise((settle) => server.close(settle));
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
  inner: Inner,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBoundedStream(request, BODY_BYTES_MAX);
  if (body === null) return void response.destroy();
  const headers = headersOf(request);
  try {
    verify(options, request, headers, body);
    const operation = (headers["x-amz-target"] ?? "").slice(TARGET.length);
    const fault = options.fault?.(operation, body.toString("utf8"));
    if (fault?.kind === "drop-request") return void response.destroy();
    if (fault?.kind === "answer") throw new AwsError(fault.type, "a fault", fault.status);
    const answer = await carryOut(options, inner, operation, headers, body.toString("utf8"));
    options.onDone?.(operation, answer.status);
    if (fault?.kind === "drop-answer") return void response.destroy();
    if (fault?.kind === "delay") await pause(fault.delayMs);
    send(response, answer);
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

async function carryOut(
  options: DynamoServerOptions,
  { port, register }: Inner,
  operation: string,
  headers: Readonly<Record<string, string>>,
  text: string,
): Promise<Answer> {
  const isDynalite = options.backend.kind === "dynalite";
  const passed = isDynalite ? namesOnly(options, text) : text;
  if (!operation.endsWith("Table")) return passOn(port, headers, passed);
  const request = parseJsonObject(passed);
  register.check(operation, request);
  // dynalite has no word for it, and takes no update without another wish.
  const isOurs = isDynalite && operation === "UpdateTable" && register.changeProtection(request);
  const answer = isOurs
    ? await passOn(
        port,
        asDescription(headers),
        JSON.stringify({ TableName: request["TableName"] }),
      )
    : await passOn(port, headers, passed);
  if (answer.status !== 200) return answer;
  const described = Object.entries(parseJsonObject(answer.body)).map(([name, value]) => {
    const isTable = (name === "Table" || name === "TableDescription") && isJsonObject(value);
    if (!isTable) return [name, value] as const;
    register.note(operation, request, value);
    const table = register.describe({ ...value, TableArn: arnOf(options, value) });
    return [isOurs ? "TableDescription" : name, table] as const;
  });
  return { ...answer, body: JSON.stringify(Object.fromEntries(described)) };
}

function asDescription(headers: Readonly<Record<string, string>>) {
  return { ...headers, "x-amz-target": `${TARGET}DescribeTable` };
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

/** dynalite's has a region of its own. */
function arnOf({ region, accountId }: DynamoServerOptions, table: JsonObject): string {
  return `arn:aws:dynamodb:${region}:${accountId}:table/${String(table["TableName"])}`;
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { "content-type": CONTENT_TYPE, "x-amz-crc32": crc32(body) });
  response.end(body);
}

/** What somebody else started somebody else ends. */
function leave(): Promise<void> {
  return Promise.resolve();
}
