// The operations listener: plain HTTP for metrics and health, on loopback unless the configuration
// says otherwise. It must never sign, reload or change anything, and shows no secret.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Server as NetServer } from "node:net";
import { type Address, encodeAddress } from "../../shared/address.ts";
import { ERRORS, type Refusal, refusal } from "../../shared/errors.ts";
import { HTTP_HEADER_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Log, Signer } from "../ports.ts";
import type { Metrics } from "./metrics.ts";

export type OpsParts = {
  readonly listen: Address;
  readonly signer: Signer;
  readonly metrics: Metrics;
  readonly log: Log;
};

export type OpsServer = { readonly address: Address; close(): Promise<void> };

type Page = { readonly status: number; readonly contentType: string; readonly body: string };

const JSON_TYPE = "application/json; charset=utf-8";
const TEXT_TYPE = "text/plain; charset=utf-8";
const OPS_CONNECTION_COUNT_MAX = 64;
const OPS_TIMEOUT_MS = 10_000;

export async function startOps(parts: OpsParts): Promise<Result<OpsServer, Refusal>> {
  const server = createServer(
    {
      maxHeaderSize: HTTP_HEADER_BYTES_MAX,
      headersTimeout: OPS_TIMEOUT_MS,
      requestTimeout: OPS_TIMEOUT_MS,
    },
    (incoming, outgoing) => {
      void answer(parts, incoming, outgoing);
    },
  );
  server.maxConnections = OPS_CONNECTION_COUNT_MAX;
  const address = await listenOnTcp(server, parts.listen);
  if (!address.ok) return address;
  parts.log.info("ops.listening", { address: encodeAddress(address.value) });
  return ok({ address: address.value, close: () => closeServer(server) });
}

/** The address that it listens on, with the port that was chosen for port 0. */
export function listenOnTcp(
  server: NetServer,
  address: Address,
): Promise<Result<Address, Refusal<"LISTEN_FAILED">>> {
  const failed = refusal("LISTEN_FAILED", encodeAddress(address));
  if (address.kind !== "tcp") return Promise.resolve(err(failed));
  const { host, port } = address;
  return new Promise((settle) => {
    // Stays after the start: a failed accept (no descriptors left) must not end the program.
    server.on("error", () => settle(err(failed)));
    server.listen({ host, port }, () => {
      settle(ok({ kind: "tcp", host, port: portOf(server.address(), port) }));
    });
  });
}

function portOf(bound: AddressInfo | string | null, asked: number): number {
  return typeof bound === "object" && bound !== null ? bound.port : asked;
}

function closeServer(server: Server): Promise<void> {
  return new Promise((settle) => {
    server.close(() => settle());
    server.closeAllConnections();
  });
}

async function answer(
  parts: OpsParts,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const page = await pageOf(parts, incoming);
  outgoing.writeHead(page.status, {
    "Content-Type": page.contentType,
    "Cache-Control": "no-store",
  });
  outgoing.end(page.body);
}

async function pageOf(parts: OpsParts, incoming: IncomingMessage): Promise<Page> {
  const path = incoming.url?.split("?", 1)[0] ?? "";
  if (incoming.method !== "GET" && incoming.method !== "HEAD") {
    return { status: 405, contentType: TEXT_TYPE, body: "GET only\n" };
  }
  switch (path) {
    case "/metrics": {
      const { registry } = parts.metrics;
      return { status: 200, contentType: registry.contentType, body: await registry.metrics() };
    }
    case "/livez":
      return { status: 200, contentType: TEXT_TYPE, body: "OK" };
    case "/readyz":
      return readiness(parts.signer);
    default:
      return { status: 404, contentType: TEXT_TYPE, body: "/metrics /livez /readyz\n" };
  }
}

/** Why it is not ready, and from which slot and epochs on it signs. */
function readiness(signer: Signer): Page {
  const reason = signer.notReady();
  const status = signer.status();
  const floor = status?.floor ?? null;
  const isStoreFault = reason?.code.startsWith("STORE_") ?? false;
  const body = {
    ready: reason === null,
    code: reason?.code ?? null,
    message: reason === null ? null : ERRORS[reason.code].text,
    link: status === null ? "down" : "up",
    phase: status?.phase ?? null,
    store: isStoreFault ? reason?.code : status === null ? "unknown" : "ok",
    software: status?.software ?? null,
    keyCount: status?.keyCount ?? 0,
    recordCount: status?.recordCount ?? 0,
    floor: floor && {
      slot: floor.slot.toString(),
      sourceEpoch: floor.source.toString(),
      targetEpoch: floor.target.toString(),
    },
    timeAgeMs: status?.timeAgeMs ?? null,
  };
  const text = JSON.stringify(body);
  return { status: reason === null ? 200 : 503, contentType: JSON_TYPE, body: `${text}\n` };
}
