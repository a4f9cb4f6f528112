// HTTPS for the stand-ins of AWS: JSON 1.1 requests named by `X-Amz-Target`, SigV4, errors as AWS
// answers them. It must never answer a request that is not signed with a known credential.

import { type IncomingMessage, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import { readBoundedStream } from "../../parent/platform/bounded-reader.ts";
import type { Address } from "../../shared/address.ts";
import { AwsError } from "./aws-error.ts";
import { headersOf } from "./aws-request.ts";
import { type JsonObject, parseJsonObject } from "./json-fields.ts";
import { type LocalCredentials, verifySignature } from "./sigv4.ts";

export type AwsOperation = (body: JsonObject, caller: LocalCredentials) => JsonObject;

export type AwsService = {
  /** In the signature's scope: `kms`, `secretsmanager`. */
  readonly name: string;
  /** Before the dot of `X-Amz-Target`. */
  readonly target: string;
  readonly operations: Readonly<Record<string, AwsOperation>>;
};

/** What a fault hook may answer instead of the service. */
export type AwsFault = { readonly status: number; readonly body: string };

export type AwsServerOptions = {
  readonly listen: Extract<Address, { kind: "tcp" }>;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly services: readonly AwsService[];
  readonly credentials: () => readonly LocalCredentials[];
  readonly nowMs: () => number;
  /** For tests: asked before the operation; undefined lets it go on. */
  readonly fault?: (operation: string, body: string) => AwsFault | undefined;
};

export type AwsServer = { readonly port: number; close(): Promise<void> };

const BODY_BYTES_MAX = 1024 * 1024;
const CONTENT_TYPE = "application/x-amz-json-1.1";

export async function startAwsServer(options: AwsServerOptions): Promise<AwsServer> {
  const tls = { cert: options.certificatePem, key: options.privateKeyPem };
  const server = createServer(tls, (request, response) => {
    void readBoundedStream(request, BODY_BYTES_MAX).then((body) =>
      answer(options, request, body, response),
    );
  });
  const { host, port } = options.listen;
  await new Promise<void>((settle, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, settle);
  });
  const bound = server.address();
  return {
    port: bound !== null && typeof bound === "object" ? bound.port : port,
    close: () => {
      server.closeAllConnections();
      return new Promise((settle) => server.close(() => settle()));
    },
  };
}

function answer(
  options: AwsServerOptions,
  request: IncomingMessage,
  body: Buffer | null,
  response: ServerResponse,
): void {
  if (body === null) return void response.destroy();
  try {
    const fault = options.fault?.(headerOf(request, "x-amz-target"), body.toString("utf8"));
    if (fault !== undefined) return send(response, fault.status, fault.body);
    send(response, 200, JSON.stringify(operate(options, request, body)));
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    // KMS spells the field of a denial differently (nitro-kms.md §4).
    const field = error.type === "AccessDeniedException" ? "Message" : "message";
    send(response, error.status, JSON.stringify({ __type: error.type, [field]: error.message }));
  }
}

function operate(options: AwsServerOptions, request: IncomingMessage, body: Buffer): JsonObject {
  const [target, operationName = ""] = headerOf(request, "x-amz-target").split(".");
  const service = options.services.find((candidate) => candidate.target === target);
  const operation =
    service !== undefined && Object.hasOwn(service.operations, operationName)
      ? service.operations[operationName]
      : undefined;
  if (
    service === undefined ||
    operation === undefined ||
    request.method !== "POST" ||
    headerOf(request, "content-type") !== CONTENT_TYPE
  ) {
    throw new AwsError("UnknownOperationException", "no such operation");
  }
  const caller = verifySignature(
    { method: "POST", path: request.url ?? "/", headers: headersOf(request), body },
    service.name,
    options.credentials(),
    options.nowMs(),
  );
  return operation(parseJsonObject(body.toString("utf8")), caller);
}

function headerOf(request: IncomingMessage, name: string): string {
  return headersOf(request)[name] ?? "";
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": CONTENT_TYPE });
  response.end(body);
}
