// The signing listener from start to stop: puts the parts together, reloads its certificates and
// clients, and shuts down without losing an answer. It must never accept a connection before its
// files have been checked, and never drop working settings for ones that don't pass.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "node:https";
import { getRequestListener } from "@hono/node-server";
import { type Address, encodeAddress } from "../../shared/address.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { BODY_BYTES_MAX } from "../../shared/limits.ts";
import { ok, type Result } from "../../shared/result.ts";
import type { ApiConfig } from "../ops/api-config.ts";
import { sourceListOf } from "../ops/cidr.ts";
import type { CertificateName, Metrics } from "../ops/metrics.ts";
import { listenOnTcp } from "../ops/server.ts";
import type { Log, Signer } from "../ports.ts";
import { JSON_HEADERS } from "./accept.ts";
import { createApp } from "./app.ts";
import { announcedLength } from "./body.ts";
import { ClientTable } from "./client.ts";
import type { Edge } from "./edge.ts";
import { FlightList } from "./flight.ts";
import { admit } from "./gate.ts";
import { HandshakeList } from "./handshake.ts";
import { PeerTable } from "./peer.ts";
import { refuseRaw } from "./refuse.ts";
import { encodeRefusal, HTTP_STATUS } from "./status.ts";
import { readTlsMaterial, type TlsMaterial } from "./tls-material.ts";
import { type Admission, createTlsServer } from "./tls-server.ts";

export type ApiParts = {
  readonly config: ApiConfig;
  readonly signer: Signer;
  readonly log: Log;
  readonly metrics: Metrics;
};

export type Api = {
  /** With the port that was chosen, when the configuration says port 0. */
  readonly address: Address;
  /**
   * Takes over `tls`, `clients` and `sources` of a configuration that was read again; the rest
   * needs a restart. Refused, everything stays as it was.
   */
  reload(config: ApiConfig): Promise<Result<null, Refusal>>;
  /** Stops accepting, finishes what is in flight within the deadline, then closes. */
  close(deadlineMs: number): Promise<void>;
};

const SWEEP_MS_MAX = 100;
const CERTIFICATE_NAMES: readonly CertificateName[] = ["server", "client_ca", "crl"];

export async function startApi(parts: ApiParts): Promise<Result<Api, Refusal>> {
  const { config, signer, log, metrics } = parts;
  const material = await readTlsMaterial(config.tls, Date.now());
  if (!material.ok) return material;
  const edge: Edge = {
    signer,
    log,
    metrics,
    peers: new PeerTable(config.connectionAgeMs),
    flights: new FlightList(config.deadlineMs),
    queueCount: config.queueCount,
    isDraining: false,
  };
  const admission = admissionOf(config);
  const handshakes = new HandshakeList();
  const server = createTlsServer(edge, config, material.value, admission, handshakes);
  serve(server, edge);
  const address = await listenOnTcp(server, config.listen);
  if (!address.ok) return address;
  showExpiry(metrics, material.value);
  const sweep = setInterval(
    () => {
      const nowMs = performance.now();
      edge.flights.sweep(nowMs);
      edge.peers.sweep(nowMs);
    },
    Math.min(SWEEP_MS_MAX, config.deadlineMs / 4),
  );
  sweep.unref();
  log.info("api.listening", { address: encodeAddress(address.value) });
  const reloader = new Reloader(
    parts,
    edge,
    { server, admission, handshakes },
    material.value.digest,
  );
  return ok({
    address: address.value,
    reload: (next) => reloader.reload(next),
    close: async (deadlineMs) => {
      await closeServer(server, edge, deadlineMs);
      clearInterval(sweep);
    },
  });
}

function admissionOf(config: ApiConfig): Admission {
  return {
    clients: new ClientTable(config.clients, performance.now()),
    sources: sourceListOf(config.sources),
  };
}

function showExpiry(metrics: Metrics, material: TlsMaterial): void {
  for (const name of CERTIFICATE_NAMES) metrics.certificateExpires(name, material.expiryMs[name]);
}

function serve(server: Server, edge: Edge): void {
  const app = createApp(edge);
  const fetch: Parameters<typeof getRequestListener>[0] = (request, env) => app.fetch(request, env);
  const listener = getRequestListener(fetch, {
    // Node drops unread bodies itself, and `refuse` closes where that could take long.
    autoCleanupIncoming: false,
    // Reached when the target or the Host can't be read, so that there is no request for a route.
    errorHandler: () => malformed(edge),
  });
  const handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    if (admit(edge, app, incoming, outgoing)) void listener(incoming, outgoing);
  };
  server.on("request", handle);
  server.on("checkContinue", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    // The client waits for our word before it sends: an oversize body need not come at all.
    if ((announcedLength(incoming) ?? 0) > BODY_BYTES_MAX) {
      outgoing.setHeader("Connection", "close");
      refuseRaw(edge, incoming, outgoing, refusal("BODY_OVERSIZE"));
      return;
    }
    outgoing.writeContinue();
    handle(incoming, outgoing);
  });
}

function malformed(edge: Edge): Response {
  const cause = refusal("HTTP_MALFORMED");
  const status = HTTP_STATUS[cause.code];
  edge.metrics.refused(cause.code);
  edge.log.warn("request.malformed", { code: cause.code, status });
  const headers = { ...JSON_HEADERS, Connection: "close" };
  return new Response(encodeRefusal(cause), { status, headers });
}

/** What lets clients in. */
type Door = {
  readonly server: Server;
  readonly admission: Admission;
  readonly handshakes: HandshakeList;
};

class Reloader {
  readonly #parts: ApiParts;
  readonly #edge: Edge;
  readonly #door: Door;
  #digest: string;

  constructor(parts: ApiParts, edge: Edge, door: Door, digest: string) {
    this.#parts = parts;
    this.#edge = edge;
    this.#door = door;
    this.#digest = digest;
  }

  async reload(config: ApiConfig): Promise<Result<null, Refusal>> {
    const { log, metrics } = this.#parts;
    const material = await readTlsMaterial(config.tls, Date.now());
    if (!material.ok) {
      const [path, reason] = material.error.detail ?? [];
      log.error("api.reload.refused", {
        code: material.error.code,
        path: String(path),
        reason: String(reason),
      });
      return material;
    }
    const { server, admission, handshakes } = this.#door;
    server.setSecureContext(material.value.context);
    Object.assign(admission, admissionOf(config));
    showExpiry(metrics, material.value);
    const count = this.#edge.peers.reassign(admission.clients, admission.sources);
    // Open connections were verified against the old CAs and CRL, and nothing would do it again.
    if (material.value.digest !== this.#digest) {
      handshakes.cutAll();
      this.#edge.peers.leaveAll(performance.now() + this.#parts.config.deadlineMs);
    }
    this.#digest = material.value.digest;
    log.info("api.reloaded", { count });
    return ok(null);
  }
}

async function closeServer(server: Server, edge: Edge, deadlineMs: number): Promise<void> {
  edge.isDraining = true;
  const closed = new Promise<void>((settle) => {
    server.close(() => settle());
  });
  edge.peers.leaveAll(performance.now() + deadlineMs);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((settle) => {
    timer = setTimeout(settle, deadlineMs);
  });
  await Promise.race([edge.flights.empty().then(() => closed), late]);
  clearTimeout(timer);
  server.closeAllConnections();
  await closed;
}
