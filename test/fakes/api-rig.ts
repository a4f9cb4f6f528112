// A signing listener over real TLS with a fake signer behind it, and clients to call it.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { Agent, type RequestOptions, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { type Api, startApi } from "../../parent/api/start.ts";
import type { ApiConfig } from "../../parent/ops/api-config.ts";
import { parseConfig } from "../../parent/ops/config.ts";
import { Metrics } from "../../parent/ops/metrics.ts";
import { invariant } from "../../shared/invariant.ts";
import { FakeSigner } from "./signer.ts";
import { SilentLog } from "./silent-log.ts";
import { type Pair, TestCa } from "./tls-pki.ts";

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
};

export type CallOptions = {
  readonly method?: string;
  readonly headers?: RequestOptions["headers"];
  readonly body?: string | Uint8Array;
  readonly pair?: Pair | null;
  readonly agent?: Agent;
};

type JsonObject = Readonly<Record<string, unknown>>;

export type RigOptions = {
  /** Replaces parts of the `api` section. */
  readonly api?: JsonObject;
  /** Replaces parts of the one client `lighthouse`. */
  readonly client?: JsonObject;
  readonly clients?: (rig: { readonly ca: TestCa; readonly pair: Pair }) => readonly JsonObject[];
};

export const SIGN_PATH = `/api/v1/eth2/sign/0x${"aa".repeat(48)}`;

/** The rest of the file, so that the `api` section goes through the real parser. */
export function apiConfigOf(api: JsonObject, folder: string): ApiConfig {
  const file = {
    enclave: { address: "unix:///run/enclave.sock" },
    manifest: "manifest.json",
    bundles: [{ kind: "directory", path: "bundles" }],
    credentials: { kind: "imds" },
    store: { listen: "unix:///run/store.sock", path: "state.sqlite" },
    relay: { listen: "unix:///run/relay.sock", allow: [] },
    admin: { listen: "unix:///run/admin.sock" },
    api,
  };
  const config = parseConfig(new TextEncoder().encode(JSON.stringify(file)), folder);
  invariant(config.ok, config.ok ? "" : config.error.problems.join("; "));
  return config.value.api;
}

export class ApiRig {
  readonly signer = new FakeSigner();
  readonly log = new SilentLog();
  readonly metrics = new Metrics();
  readonly ca = new TestCa("clients");
  readonly pair = this.ca.leaf("lighthouse");
  readonly #serverCa = new TestCa("servers");
  readonly #folder: string;
  readonly #options: RigOptions;
  #api: Api | null = null;

  constructor(folder: string, options: RigOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  static async start(options: RigOptions = {}): Promise<ApiRig> {
    const rig = new ApiRig(await mkdtemp(join(tmpdir(), "redoubt-api-")), options);
    await rig.writeServer();
    await rig.write("ca.crt", rig.ca.cert);
    const { signer, log, metrics } = rig;
    const api = await startApi({ config: rig.config(), signer, log, metrics });
    invariant(api.ok, "the listener starts");
    rig.#api = api.value;
    return rig;
  }

  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.#folder, name), text);
  }

  async writeServer(): Promise<void> {
    const pair = this.#serverCa.leaf("signer", { isServer: true });
    await this.write("server.crt", pair.cert);
    await this.write("server.key", pair.key);
  }

  config(changes: JsonObject = {}): ApiConfig {
    const { ca, pair } = this;
    const client = {
      name: "lighthouse",
      fingerprint: pair.fingerprint,
      keys: "all",
      operations: "default",
    };
    const clients = this.#options.clients?.({ ca, pair }) ?? [
      { ...client, ...this.#options.client },
    ];
    const tls = { certFile: "server.crt", keyFile: "server.key", clientCaFile: "ca.crt" };
    const api = { listen: "tcp://127.0.0.1:0", tls, clients, ...this.#options.api, ...changes };
    return apiConfigOf(api, this.#folder);
  }

  get api(): Api {
    invariant(this.#api !== null, "the listener runs");
    return this.#api;
  }

  get port(): number {
    const { address } = this.api;
    invariant(address.kind === "tcp", "a TCP listener");
    return address.port;
  }

  get serverCa(): string {
    return this.#serverCa.cert;
  }

  agent(pair: Pair | null = this.pair, options: { keepAlive?: boolean } = {}): Agent {
    return new Agent({
      ca: this.serverCa,
      ...(pair === null ? {} : { cert: pair.cert, key: pair.key }),
      maxSockets: 64,
      ...options,
    });
  }

  /** One request on a connection of its own, unless an agent is given. */
  call(path: string, options: CallOptions = {}): Promise<Answer> {
    const pair = options.pair === undefined ? this.pair : options.pair;
    const agent = options.agent ?? this.agent(pair);
    return new Promise((settle, reject) => {
      const outgoing = request({
        host: "127.0.0.1",
        port: this.port,
        path,
        method: options.method ?? "GET",
        headers: options.headers ?? {},
        agent,
      });
      outgoing.on("error", reject);
      outgoing.on("response", (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () => {
          const { statusCode, headers } = incoming;
          settle({ status: statusCode ?? 0, headers, text: Buffer.concat(chunks).toString() });
        });
      });
      outgoing.end(options.body);
    });
  }

  sign(options: CallOptions = {}): Promise<Answer> {
    return this.call(SIGN_PATH, { method: "POST", body: "{}", ...options });
  }

  /** A TLS connection without HTTP. */
  socket(pair: Pair | null = this.pair): Promise<TLSSocket> {
    return new Promise((settle, reject) => {
      const socket = connect(
        {
          host: "127.0.0.1",
          port: this.port,
          ca: this.serverCa,
          ...(pair === null ? {} : { cert: pair.cert, key: pair.key }),
        },
        () => settle(socket),
      );
      socket.on("error", reject);
    });
  }

  /** Sends bytes as they are, and answers all that comes back until the connection ends. */
  async raw(...pieces: readonly string[]): Promise<string> {
    const socket = await this.socket();
    for (const piece of pieces) socket.write(piece);
    return textUntilClosed(socket);
  }

  async close(): Promise<void> {
    await this.#api?.close(1000);
    await rm(this.#folder, { recursive: true });
  }
}

export function textUntilClosed(socket: TLSSocket): Promise<string> {
  return new Promise((settle) => {
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => settle(text));
  });
}

export function jsonOf(text: string): JsonObject {
  const body: unknown = JSON.parse(text);
  invariant(typeof body === "object" && body !== null, "a JSON object");
  return { ...body };
}

export function codeOf(answer: { readonly text: string }): unknown {
  return jsonOf(answer.text)["code"];
}
