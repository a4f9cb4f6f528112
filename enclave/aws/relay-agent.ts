// HTTPS whose TLS ends here while its bytes travel over the parent's relay. The relay is hostile:
// the name that the certificate must carry and the trust anchors come from the caller alone, and
// `ca` replaces whatever the environment or the system would trust. No request may go out before
// the peer's certificates are known to be valid at trusted time too.

import { constants, X509Certificate } from "node:crypto";
import { Agent, type RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { CONNECT_DEADLINE_MS } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { verifyChainTime } from "./chain-time.ts";
import type { RelayDialer } from "./relay-dialer.ts";

export type RelayAgentOptions = {
  readonly dialer: RelayDialer;
  readonly host: string;
  readonly port: number;
  /** PEM certificates. */
  readonly trustAnchors: readonly string[];
  /** Trusted Unix time, null when there is none. */
  readonly nowMs: () => number | null;
  /** How many connections are kept for the next request, the last used first; 0 when not given. */
  readonly keptCountMax?: number;
};

/** Why there is no connection. `refusal` is the relay's, null when it was TLS that failed. */
export class ConnectionRefused extends Error {
  readonly refusal: Refusal | null;

  constructor(refusal: Refusal | null) {
    super("no connection");
    this.refusal = refusal;
  }
}

/** AWS has every client use forward secrecy (KMS Developer Guide, "Infrastructure security"). */
const CIPHERS = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE+AESGCM",
].join(":");

type OnCreated = (error: Error | null, stream: Duplex) => void;

/** One agent serves one host: what a request says about its host is not read. */
export class RelayAgent extends Agent {
  readonly #target: RelayAgentOptions;
  readonly #anchors: readonly X509Certificate[];
  /** Streams that TLS is not done with: nobody else knows them. */
  readonly #opening = new Set<Duplex>();
  /** Node counts a connection when it is made, too late to bound those that are being made. */
  #connectingCount = 0;
  #openCount = 0;
  #isDestroyed = false;

  constructor(target: RelayAgentOptions) {
    const { keptCountMax = 0 } = target;
    super(
      keptCountMax === 0
        ? { keepAlive: false }
        : { keepAlive: true, maxSockets: keptCountMax, scheduling: "lifo" },
    );
    this.#target = target;
    this.#anchors = target.trustAnchors.map((pem) => new X509Certificate(pem));
  }

  override createConnection(_options: RequestOptions, onCreated?: OnCreated): undefined {
    void this.#connect().then((socket) => {
      if (socket.ok) return onCreated?.(null, socket.value);
      // Node passes no stream with an error; its type has no word for that.
      return onCreated?.(new ConnectionRefused(socket.error), undefined as never); // oxlint-disable-line typescript/no-unsafe-type-assertion
    });
  }

  /** Connections that are made, and not closed. */
  get openCount(): number {
    return this.#openCount;
  }

  override destroy(): void {
    this.#isDestroyed = true;
    for (const stream of this.#opening) stream.destroy();
    super.destroy();
  }

  async #connect(): Promise<Result<TLSSocket, Refusal | null>> {
    const { keptCountMax = 0 } = this.#target;
    // Those of requests that were given up are still under way.
    if (keptCountMax > 0 && this.#connectingCount >= keptCountMax) {
      return err(refusal("RELAY_UNREACHABLE"));
    }
    this.#connectingCount += 1;
    const connected = await this.#dial();
    this.#connectingCount -= 1;
    return connected;
  }

  async #dial(): Promise<Result<TLSSocket, Refusal | null>> {
    const { dialer, host, port } = this.#target;
    const dialled = await dialer.connect(host, port);
    if (!dialled.ok) return dialled;
    const stream = dialled.value;
    if (this.#isDestroyed) {
      stream.destroy();
      return err(null);
    }
    this.#opening.add(stream);
    const socket = await this.#openTls(stream);
    this.#opening.delete(stream);
    if (socket === null || !this.#isValidNow(socket)) {
      stream.destroy();
      return err(null);
    }
    this.#openCount += 1;
    socket.once("close", () => {
      this.#openCount -= 1;
    });
    return ok(socket);
  }

  /** Every setting that Node would else take from its flags or from the environment is given. */
  #openTls(stream: Duplex): Promise<TLSSocket | null> {
    const { host, trustAnchors } = this.#target;
    const socket = connect({
      socket: stream,
      servername: host,
      ca: [...trustAnchors],
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.3",
      ciphers: CIPHERS,
      rejectUnauthorized: true,
      // A second handshake could show other certificates than those that were checked.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ALPNProtocols: ["http/1.1"],
    });
    // Nobody may wait for it any more: a request that was given up does not end it.
    const deadline = AbortSignal.timeout(CONNECT_DEADLINE_MS);
    const onDeadline = () => socket.destroy();
    deadline.addEventListener("abort", onDeadline);
    return new Promise((resolve) => {
      const settle = (opened: TLSSocket | null): void => {
        deadline.removeEventListener("abort", onDeadline);
        resolve(opened);
      };
      socket.once("secureConnect", () => settle(socket));
      socket.once("close", () => settle(null));
      // It stays: until the request listens, an error must not end the process.
      socket.on("error", () => socket.destroy());
    });
  }

  #isValidNow(socket: TLSSocket): boolean {
    const leaf = socket.getPeerX509Certificate();
    const nowMs = this.#target.nowMs();
    return leaf !== undefined && nowMs !== null && verifyChainTime(leaf, this.#anchors, nowMs).ok;
  }
}
