// The TLS side of the signing listener: who may connect at all. Chains are checked by OpenSSL, and
// the outcome is read here rather than enforced there, because only so the reason can be logged.
// It must never serve a socket whose chain did not verify, nor resume a session: a resumed one has
// shown neither a key nor a certificate.

import { STATUS_CODES } from "node:http";
import { createServer, type Server } from "node:https";
import type { BlockList, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { refusal } from "../../shared/errors.ts";
import {
  CLIENT_CONNECTION_COUNT_MAX,
  HTTP_CONNECTION_COUNT_MAX,
  HTTP_HEADER_BYTES_MAX,
} from "../../shared/limits.ts";
import type { ApiConfig } from "../ops/api-config.ts";
import { isAllowedSource } from "../ops/cidr.ts";
import type { ClientTable } from "./client.ts";
import type { Edge } from "./edge.ts";
import type { HandshakeList } from "./handshake.ts";
import { identityOf } from "./identity.ts";
import { isAnswering, Peer } from "./peer.ts";
import { encodeRefusal } from "./status.ts";
import type { TlsMaterial } from "./tls-material.ts";
import { reasonLabel, refusalReason } from "./tls-refusal.ts";

/** What a reload replaces. */
export type Admission = { clients: ClientTable; sources: BlockList | null };

export function createTlsServer(
  edge: Edge,
  config: ApiConfig,
  material: TlsMaterial,
  admission: Admission,
  handshakes: HandshakeList,
): Server {
  const server = createServer({
    ...material.context,
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: 2 * config.deadlineMs,
    maxHeaderSize: HTTP_HEADER_BYTES_MAX,
    noDelay: true,
    keepAliveTimeout: config.keepAliveMs,
    // A client that dribbles its headers or body holds a connection, not more, and not for long.
    headersTimeout: 2 * config.deadlineMs,
    requestTimeout: 3 * config.deadlineMs,
    connectionsCheckingInterval: Math.min(1000, config.deadlineMs),
  });
  server.maxConnections = HTTP_CONNECTION_COUNT_MAX;
  server.on("connection", (socket: Socket) => {
    if (!isAllowedSource(admission.sources, socket.remoteAddress)) {
      cut(edge, socket, "SOURCE_DENIED", socket.remoteAddress);
    } else handshakes.begin(socket);
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    handshakes.end(socket);
    const reason = refusalReason(socket) ?? enter(edge, admission, socket);
    if (reason !== null) cut(edge, socket, reason, socket.remoteAddress);
  });
  server.on("tlsClientError", (_error, socket: TLSSocket) => {
    cut(edge, socket, "HANDSHAKE", socket.remoteAddress);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    answerMalformed(edge, error, socket);
  });
  return server;
}

function cut(edge: Edge, socket: Duplex, reason: string, address: string | undefined): void {
  edge.metrics.tlsRefused(reasonLabel(reason));
  const where = address === undefined ? {} : { address };
  edge.log.warn("tls.refused", { code: "TLS_CLIENT_REFUSED", reason, ...where });
  socket.destroy();
}

/** Null when the connection has become a peer's. An unknown one may stay to be told so, once. */
function enter(edge: Edge, { clients, sources }: Admission, socket: TLSSocket): string | null {
  // Asked again: a reload may have changed the list during the handshake.
  if (!isAllowedSource(sources, socket.remoteAddress)) return "SOURCE_DENIED";
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return "NO_CERTIFICATE";
  const identity = identityOf(certificate);
  const client = clients.find(identity);
  if (client !== null && edge.peers.countOf(client) >= CLIENT_CONNECTION_COUNT_MAX) {
    return "CONNECTION_COUNT";
  }
  edge.peers.add(new Peer(socket, identity, client, performance.now()));
  return null;
}

const STATUS_OF_ERROR: Readonly<Record<string, 400 | 408 | 413 | 431>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Bytes that are no HTTP request, or that come too slowly. There is no request to answer to. */
function answerMalformed(edge: Edge, error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable || isAnswering(socket)) {
    socket.destroy();
    return;
  }
  const cause = refusal("HTTP_MALFORMED");
  edge.metrics.refused(cause.code);
  const reason = error.code ?? "UNKNOWN";
  edge.log.warn("request.malformed", { code: cause.code, reason });
  const status = STATUS_OF_ERROR[reason] ?? 400;
  const body = encodeRefusal(cause);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n` +
      "Content-Type: application/json; charset=utf-8\r\n" +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
