// The listener for Tendermint nodes that are the client: TLS 1.3 with certificates on both sides,
// then gRPC on what has passed. Chains are checked by OpenSSL and the outcome is read here, so that
// the reason can be logged. It must never hand a connection on whose chain did not verify, or whose
// certificate is no client's, nor resume a session: a resumed one has shown neither a key nor a
// certificate.

import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket, type TlsOptions } from "node:tls";
import { type ConnectionInjector, ServerCredentials } from "@grpc/grpc-js";
import { type Address, encodeAddress } from "../../shared/address.ts";
import type { Refusal } from "../../shared/errors.ts";
import { PRIVVAL_ANSWER_DEADLINE_MS } from "../../shared/limits.ts";
import { ok, type Result } from "../../shared/result.ts";
import { HandshakeList } from "../api/handshake.ts";
import { type Identity, identityOf } from "../api/identity.ts";
import { readTlsMaterial, type TlsMaterial } from "../api/tls-material.ts";
import { reasonLabel, refusalReason } from "../api/tls-refusal.ts";
import type { PrivvalGrpcConfig } from "../ops/privval-grpc-config.ts";
import { listenOnTcp } from "../ops/server.ts";
import type { Log } from "../ports.ts";
import { CallerTable, type SignerOf } from "./caller.ts";
import { PrivvalService, type ServiceParts } from "./privval-service.ts";

export type PrivvalGrpcParts = {
  readonly config: PrivvalGrpcConfig;
  readonly signerOf: SignerOf;
  readonly log: Log;
  readonly observe: (chainId: string, refused: Refusal, tookMs: number) => void;
  readonly tlsRefused: (reason: string) => void;
} & Pick<ServiceParts, "room" | "timers">;

export type PrivvalGrpc = {
  /** With the port that was chosen, when the configuration says port 0. */
  readonly address: Address;
  connectionCount(): number;
  /** Takes over `tls`, `chains` and `clients`. Refused, everything stays as it was. */
  reload(config: PrivvalGrpcConfig): Promise<Result<null, Refusal>>;
  /** Takes no more calls; those in flight are answered, or not, within their deadline. */
  close(): Promise<void>;
};

/** Nodes that may be connected at once; each has one connection. */
export const CONNECTION_COUNT_MAX = 64;
/** With one certificate: a node that connects anew, and several nodes that share one. */
export const CERTIFICATE_CONNECTION_COUNT_MAX = 16;
/** With those that have not shown a certificate yet: they must not take the place of nodes. */
const SOCKET_COUNT_MAX = 1024;
const HANDSHAKE_MS = 5000;
const TCP_KEEP_ALIVE_MS = 5000;
/** How long the last answers may take to leave. */
const END_MS = 1000;

export async function startPrivvalGrpc(
  parts: PrivvalGrpcParts,
): Promise<Result<PrivvalGrpc, Refusal>> {
  const { config, log } = parts;
  const material = await readTlsMaterial(config.tls, Date.now());
  if (!material.ok) return material;
  const listener = new PrivvalListener(parts, material.value);
  const address = await listenOnTcp(listener.server, config.listen);
  if (!address.ok) return address;
  log.info("privval.listening", { address: encodeAddress(address.value) });
  return ok({
    address: address.value,
    connectionCount: () => listener.connectionCount,
    reload: (next) => listener.reload(next),
    close: () => listener.close(),
  });
}

class PrivvalListener {
  readonly server: Server;
  readonly #parts: PrivvalGrpcParts;
  readonly #service: PrivvalService;
  readonly #handshakes = new HandshakeList();
  /** Those that passed the handshake. */
  readonly #sockets = new Map<TLSSocket, Identity>();
  #callers: CallerTable;
  #injector: ConnectionInjector;
  #digest: string;

  constructor(parts: PrivvalGrpcParts, material: TlsMaterial) {
    const { config, signerOf, tlsRefused: _, ...rest } = parts;
    this.#parts = parts;
    this.#callers = new CallerTable(config, signerOf);
    this.#service = new PrivvalService({ ...rest, callers: () => this.#callers });
    this.#injector = this.#newInjector();
    this.#digest = material.digest;
    const options: TlsOptions = {
      ...material.context,
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS,
      ALPNProtocols: ["h2"],
    };
    this.server = createServer(options);
    this.server.maxConnections = SOCKET_COUNT_MAX;
    this.server.on("connection", (socket: Socket) => {
      socket.setNoDelay(true);
      socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
      this.#handshakes.begin(socket);
    });
    this.server.on("tlsClientError", (_error, socket) => this.#cut(socket, "HANDSHAKE"));
    this.server.on("secureConnection", (socket) => this.#enter(socket));
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  async reload(config: PrivvalGrpcConfig): Promise<Result<null, Refusal>> {
    const material = await readTlsMaterial(config.tls, Date.now());
    if (!material.ok) return material;
    this.server.setSecureContext(material.value.context);
    this.#callers = new CallerTable(config, this.#parts.signerOf);
    // Open connections were verified against the old authorities, and nothing would do it again.
    if (material.value.digest !== this.#digest) this.#leaveAll();
    // Whoever is nobody now is cut off at once, as by the API.
    for (const [socket, identity] of this.#sockets) {
      if (this.#callers.find(identity) === null) socket.destroy();
    }
    this.#digest = material.value.digest;
    return ok(null);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((settle) => {
      this.server.close(() => settle());
    });
    this.#handshakes.cutAll();
    // Nodes may begin no more calls. Its own word that it is done comes too early.
    this.#service.server.tryShutdown(() => {});
    await this.#service.idle();
    const sockets = [...this.#sockets.keys()];
    const ended = Promise.all(
      sockets.map((socket) => new Promise<void>((settle) => socket.once("close", () => settle()))),
    );
    await Promise.race([ended, after(END_MS)]);
    this.#service.server.forceShutdown();
    for (const socket of sockets) socket.destroy();
    await closed;
  }

  /** Nodes connect again by themselves; what they wait for is answered before. */
  #leaveAll(): void {
    this.#handshakes.cutAll();
    const old = [...this.#sockets.keys()];
    this.#injector.destroy();
    this.#injector = this.#newInjector();
    void after(PRIVVAL_ANSWER_DEADLINE_MS).then(() => {
      for (const socket of old) socket.destroy();
    });
  }

  /** What it is given has TLS behind it already: these credentials are for nothing but that. */
  #newInjector(): ConnectionInjector {
    return this.#service.server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  #enter(socket: TLSSocket): void {
    this.#handshakes.end(socket);
    // A failed connection shows as `close`.
    socket.on("error", () => {});
    const reason = refusalReason(socket);
    if (reason !== null) return this.#cut(socket, reason);
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return this.#cut(socket, "NO_CERTIFICATE");
    if (socket.alpnProtocol !== "h2") return this.#cut(socket, "HANDSHAKE");
    const identity = identityOf(certificate);
    const caller = this.#callers.find(identity);
    // Told so by a status, it would have sent a whole request before.
    if (caller === null) return this.#cut(socket, "CLIENT_UNKNOWN");
    if (!this.#hasRoom(identity)) return this.#cut(socket, "CONNECTION_COUNT");
    const where = {
      address: socket.remoteAddress ?? "",
      ...(caller.name === null ? {} : { client: caller.name }),
    };
    this.#sockets.set(socket, identity);
    this.#parts.log.info("privval.connected", where);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#parts.log.info("privval.disconnected", where);
    });
    this.#injector.injectConnection(socket);
  }

  #hasRoom({ fingerprint }: Identity): boolean {
    if (this.#sockets.size >= CONNECTION_COUNT_MAX) return false;
    const same = [...this.#sockets.values()].filter((other) => other.fingerprint === fingerprint);
    return same.length < CERTIFICATE_CONNECTION_COUNT_MAX;
  }

  #cut(socket: TLSSocket, reason: string): void {
    const { tlsRefused, log } = this.#parts;
    tlsRefused(reasonLabel(reason));
    const where = socket.remoteAddress === undefined ? {} : { address: socket.remoteAddress };
    log.warn("tls.refused", { code: "TLS_CLIENT_REFUSED", reason, ...where });
    socket.destroy();
  }
}

function after(delayMs: number): Promise<void> {
  return new Promise((settle) => {
    setTimeout(settle, delayMs).unref();
  });
}
