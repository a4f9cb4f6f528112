// Refusing a request: the answer, the one log line and the count. It must never leave a connection
// open behind which an unread body of unknown size is still coming.

import type { IncomingMessage, ServerResponse } from "node:http";
import { describeDetail, type Refusal } from "../../shared/errors.ts";
import { BODY_BYTES_MAX } from "../../shared/limits.ts";
import { JSON_HEADERS } from "./accept.ts";
import type { ApiContext, Edge } from "./edge.ts";
import { encodeRefusal, HTTP_STATUS, retryAfterOf } from "./status.ts";

/** What Node may read and drop after a refusal, so that the client gets to read the answer. */
const DISCARDED_BYTES_MAX = 2 * BODY_BYTES_MAX;

/** For handlers: the answer as a response of Hono. */
export function refuse(edge: Edge, c: ApiContext, cause: Refusal, keyText?: string): Response {
  account(edge, c.env.incoming, cause, keyText);
  setRefusalHeaders(c.env.incoming, c.env.outgoing, cause);
  return c.body(encodeRefusal(cause), HTTP_STATUS[cause.code], JSON_HEADERS);
}

/** For the gate: the same answer, before Hono has seen the request. */
export function refuseRaw(
  edge: Edge,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  cause: Refusal,
): void {
  account(edge, incoming, cause, undefined);
  setRefusalHeaders(incoming, outgoing, cause);
  outgoing.writeHead(HTTP_STATUS[cause.code], JSON_HEADERS);
  outgoing.end(encodeRefusal(cause));
}

function account(
  edge: Edge,
  { socket }: IncomingMessage,
  cause: Refusal,
  key: string | undefined,
): void {
  const { code } = cause;
  const reason = describeDetail(cause);
  edge.metrics.refused(code);
  const client = edge.peers.of(socket)?.client?.name;
  const address = socket.remoteAddress;
  edge.log.warn("request.refused", {
    code,
    status: HTTP_STATUS[code],
    ...(client === undefined ? {} : { client }),
    ...(key === undefined ? {} : { key }),
    ...(reason === "" ? {} : { reason }),
    ...(address === undefined ? {} : { address }),
  });
}

function setRefusalHeaders(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  cause: Refusal,
): void {
  const retryAfter = retryAfterOf(cause.code);
  if (retryAfter !== null) outgoing.setHeader("Retry-After", retryAfter);
  // A body that has not come within the deadline is not waited for any longer.
  const isLate = cause.code === "DEADLINE" && !incoming.complete;
  if (isLate || !isDiscardable(incoming)) outgoing.setHeader("Connection", "close");
}

function isDiscardable(incoming: IncomingMessage): boolean {
  if (incoming.complete) return true;
  const { "transfer-encoding": coding, "content-length": length } = incoming.headers;
  if (coding !== undefined) return false;
  return length === undefined || Number(length) <= DISCARDED_BYTES_MAX;
}
