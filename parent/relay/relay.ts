// The relay: byte pipes from the enclave, which has no network, to an exact list of hosts. It must
// never connect anywhere else, never look into what passes, and never hold more of it than the
// sockets' own buffers. TLS ends at both ends of a pipe, not here.

import type { Server, Socket } from "node:net";
import { type Address, parseAddress } from "../../shared/address.ts";
import { concatBytes } from "../../shared/bytes/compare.ts";
import { type ErrorCode, type Refusal, refusal } from "../../shared/errors.ts";
import {
  CONNECT_DEADLINE_MS,
  RELAY_CONNECTION_COUNT_MAX,
  RELAY_IDLE_MS,
} from "../../shared/limits.ts";
import { err, type Result } from "../../shared/result.ts";
import {
  encodeRelayAnswer,
  parseRelayTarget,
  takePreface,
} from "../../shared/wire/relay-preface.ts";
import { connectTo, type ListenOptions, listenOn } from "../platform/socket.ts";
import type { Log } from "../ports.ts";

/** Why a stream is refused; each is a metric from the start on. */
export const RELAY_CODES = [
  "FRAME_OVERSIZE",
  "FRAME_MALFORMED",
  "LINK_BUSY",
  "LINK_TIMEOUT",
  "RELAY_HOST_DENIED",
  "RELAY_UNREACHABLE",
] as const satisfies readonly ErrorCode[];

export type RelayCode = (typeof RELAY_CODES)[number];
type RelayRefusal = Refusal<RelayCode>;

export type RelayOptions = Pick<ListenOptions, "isPeerAllowed" | "openVsock"> & {
  readonly listen: Address;
  /** `host:port`, lower case. Everything else is refused. */
  readonly allow: readonly string[];
  /** Where to connect instead, as `host:port` to `host:port`. The allow-list still decides. */
  readonly hosts: ReadonlyMap<string, string>;
  readonly log: Log;
  readonly connectionCountMax?: number;
  readonly idleMs?: number;
  readonly connectDeadlineMs?: number;
};

export type RelayStats = {
  readonly openCount: number;
  readonly acceptedCount: number;
  readonly refusedCounts: Readonly<Record<RelayCode, number>>;
  /** From the enclave, and to it. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
};

export type Relay = {
  readonly address: Address;
  stats(): RelayStats;
  close(): Promise<void>;
};

type Pipe = { readonly client: Socket; readonly upstream: Socket };

/** Rejects when the address can't be listened on. */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const state = new RelayState(options);
  const server = await listenOn(options.listen, (socket) => void state.serve(socket), {
    ...options,
    allowHalfOpen: true,
  });
  // Beyond twice the count, streams are closed without an answer.
  server.maxConnections = 2 * (options.connectionCountMax ?? RELAY_CONNECTION_COUNT_MAX);
  server.on("drop", () => state.drop());
  return {
    address: boundAddress(server, options.listen),
    stats: () => state.stats(),
    close: () => {
      state.destroyAll();
      return new Promise((settle) => server.close(() => settle()));
    },
  };
}

class RelayState {
  readonly #options: RelayOptions;
  readonly #allow: ReadonlySet<string>;
  readonly #clients = new Set<Socket>();
  readonly #pipes = new Set<Pipe>();
  #acceptedCount = 0;
  readonly #refusedCounts: Record<RelayCode, number> = {
    FRAME_OVERSIZE: 0,
    FRAME_MALFORMED: 0,
    LINK_BUSY: 0,
    LINK_TIMEOUT: 0,
    RELAY_HOST_DENIED: 0,
    RELAY_UNREACHABLE: 0,
  };
  #closedSentBytes = 0;
  #closedReceivedBytes = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#allow = new Set(options.allow);
  }

  stats(): RelayStats {
    let sentBytes = this.#closedSentBytes;
    let receivedBytes = this.#closedReceivedBytes;
    for (const { upstream } of this.#pipes) {
      sentBytes += upstream.bytesWritten;
      receivedBytes += upstream.bytesRead;
    }
    return {
      openCount: this.#pipes.size,
      acceptedCount: this.#acceptedCount,
      refusedCounts: { ...this.#refusedCounts },
      sentBytes,
      receivedBytes,
    };
  }

  destroyAll(): void {
    for (const client of this.#clients) client.destroy();
    for (const { upstream } of this.#pipes) upstream.destroy();
  }

  async serve(client: Socket): Promise<void> {
    const countMax = this.#options.connectionCountMax ?? RELAY_CONNECTION_COUNT_MAX;
    this.#clients.add(client);
    client.once("close", () => this.#clients.delete(client));
    if (this.#clients.size > countMax) return this.#refuse(client, refusal("LINK_BUSY"));
    const asked = await readPreface(client, this.#deadlineMs());
    if (!asked.ok) return this.#refuse(client, asked.error);
    const target = parseRelayTarget(asked.value);
    if (!target.ok) return this.#refuse(client, target.error);
    const name = `${target.value.host}:${target.value.port}`;
    if (!this.#allow.has(name)) return this.#refuse(client, refusal("RELAY_HOST_DENIED"), name);
    const upstream = await this.#connect(name);
    if (!upstream.ok) return this.#refuse(client, refusal("RELAY_UNREACHABLE"), name);
    if (client.destroyed) return void upstream.value.destroy();
    client.write(encodeRelayAnswer(null));
    this.#join({ client, upstream: upstream.value });
  }

  /** A stream that was closed before anybody looked at it. */
  drop(): void {
    this.#refusedCounts.LINK_BUSY += 1;
  }

  #deadlineMs(): number {
    return this.#options.connectDeadlineMs ?? CONNECT_DEADLINE_MS;
  }

  #connect(name: string): Promise<Result<Socket, Refusal>> {
    const address = parseAddress(`tcp://${this.#options.hosts.get(name) ?? name}`);
    if (!address.ok) return Promise.resolve(err(refusal("RELAY_UNREACHABLE")));
    return connectTo(address.value, this.#deadlineMs(), { allowHalfOpen: true });
  }

  /** Ends of either side are passed on; a failure of one side, or silence, ends both. */
  #join(pipe: Pipe): void {
    const { client, upstream } = pipe;
    this.#pipes.add(pipe);
    this.#acceptedCount += 1;
    const idleMs = this.#options.idleMs ?? RELAY_IDLE_MS;
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.setTimeout(idleMs, () => {
        // Bytes in either direction touch both sockets; this one saw none for all that time.
        client.destroy();
        upstream.destroy();
      });
      // A socket that closed before it had ended will never end its pipe.
      socket.once("close", (hadError) => {
        if (hadError || !socket.readableEnded) other.destroy();
      });
      socket.pipe(other);
    }
    upstream.once("close", () => {
      this.#pipes.delete(pipe);
      this.#closedSentBytes += upstream.bytesWritten;
      this.#closedReceivedBytes += upstream.bytesRead;
    });
  }

  #refuse(client: Socket, cause: RelayRefusal, host?: string): void {
    this.#refusedCounts[cause.code] += 1;
    const where = host === undefined ? {} : { host };
    this.#options.log.warn("relay.refused", { code: cause.code, ...where });
    client.setTimeout(this.#deadlineMs(), () => client.destroy());
    client.end(encodeRelayAnswer(cause.code));
    // What a refused peer still sends is dropped, so that its end is seen.
    client.resume();
  }
}

/** The first frame; what follows it is put back onto the socket. */
function readPreface(
  client: Socket,
  deadlineMs: number,
): Promise<Result<Uint8Array, RelayRefusal>> {
  return new Promise((resolve) => {
    let received: Uint8Array = new Uint8Array(0);
    const settle = (result: Result<Uint8Array, RelayRefusal>): void => {
      clearTimeout(timer);
      client.off("data", onData).off("end", onEnd).off("close", onEnd);
      client.pause();
      resolve(result);
    };
    const timer = setTimeout(() => settle(err(refusal("LINK_TIMEOUT"))), deadlineMs);
    const onEnd = (): void => settle(err(refusal("FRAME_MALFORMED")));
    const onData = (chunk: Uint8Array): void => {
      received = concatBytes(received, chunk);
      const preface = takePreface(received);
      if (!preface.ok) return settle(preface);
      if (preface.value === null) return;
      settle({ ok: true, value: preface.value.body });
      if (preface.value.rest.length > 0) client.unshift(preface.value.rest);
    };
    client.on("data", onData).on("end", onEnd).on("close", onEnd);
  });
}

/** With port 0 the system has chosen one. */
function boundAddress(server: Server, asked: Address): Address {
  const bound = server.address();
  if (asked.kind !== "tcp" || bound === null || typeof bound === "string") return asked;
  return { ...asked, port: bound.port };
}
