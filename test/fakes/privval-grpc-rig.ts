// A listener for Tendermint nodes that call over gRPC, over real TLS with a scripted signer behind
// it, and nodes to call it.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { type CallOptions, Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { z } from "zod";
import {
  type PrivvalGrpc,
  type PrivvalGrpcParts,
  startPrivvalGrpc,
} from "../../parent/grpc/privval-listener.ts";
import { type PrivvalGrpcConfig, privvalGrpcSchema } from "../../parent/ops/privval-grpc-config.ts";
import { invariant } from "../../shared/invariant.ts";
import { ScriptedPrivval } from "./scripted-privval.ts";
import { SilentLog } from "./silent-log.ts";
import { type Pair, TestCa } from "./tls-pki.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** What a node gets: the answer, or the status's number and text. */
export type Reply =
  | { readonly ok: true; readonly answer: Uint8Array }
  | { readonly ok: false; readonly status: number; readonly text: string };

const asItIs = (bytes: Buffer): Buffer => bytes;

export class PrivvalGrpcRig {
  readonly signer = new ScriptedPrivval();
  readonly log = new SilentLog();
  readonly tlsReasons: string[] = [];
  readonly observed: (readonly [chainId: string, code: string])[] = [];
  readonly ca = new TestCa("nodes");
  readonly pair = this.ca.leaf("node-1");
  readonly #serverCa = new TestCa("signers");
  readonly #folder: string;
  readonly #clients: Client[] = [];
  #listener: PrivvalGrpc | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** `grpc` replaces parts of the section; without it every certificate may ask for `sei-1`. */
  static async start(
    grpc: (rig: PrivvalGrpcRig) => JsonObject = () => ({}),
    more: Pick<PrivvalGrpcParts, "room" | "timers"> = {},
  ) {
    const rig = new PrivvalGrpcRig(await mkdtemp(join(tmpdir(), "redoubt-grpc-")));
    await rig.writeServer();
    await rig.write("ca.crt", rig.ca.cert);
    const { signer, log } = rig;
    const started = await startPrivvalGrpc({
      config: rig.config(grpc(rig)),
      signerOf: () => signer,
      log,
      observe: (chainId, { code }) => rig.observed.push([chainId, code]),
      tlsRefused: (reason) => rig.tlsReasons.push(reason),
      ...more,
    });
    invariant(started.ok, "the listener starts");
    rig.#listener = started.value;
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

  config(changes: JsonObject = {}): PrivvalGrpcConfig {
    const schema = privvalGrpcSchema(z.string().transform((name) => join(this.#folder, name)));
    const who = "clients" in changes ? {} : { chains: [{ chain: "sei-1" }] };
    return schema.parse({
      listen: "tcp://127.0.0.1:0",
      tls: { certFile: "server.crt", keyFile: "server.key", clientCaFile: "ca.crt" },
      ...who,
      ...changes,
    });
  }

  get listener(): PrivvalGrpc {
    invariant(this.#listener !== null, "the listener runs");
    return this.#listener;
  }

  get port(): number {
    const { address } = this.listener;
    invariant(address.kind === "tcp", "a TCP listener");
    return address.port;
  }

  /** A node with a connection of its own. */
  node(pair: Pair | null = this.pair): Client {
    const root = Buffer.from(this.#serverCa.cert);
    const client = new Client(
      `127.0.0.1:${this.port}`,
      pair === null
        ? credentials.createSsl(root)
        : credentials.createSsl(root, Buffer.from(pair.key), Buffer.from(pair.cert)),
      {
        "grpc.use_local_subchannel_pool": 1,
        // grpc-js asks for a server name, and for an address there is none.
        "grpc.ssl_target_name_override": "signer",
      },
    );
    this.#clients.push(client);
    return client;
  }

  call(
    method: string,
    request: Uint8Array,
    node: Client = this.node(),
    options: CallOptions = {},
  ): Promise<Reply> {
    const path = method.startsWith("/") ? method : `/tendermint.privval.PrivValidatorAPI/${method}`;
    return new Promise((settle) => {
      node.makeUnaryRequest(
        path,
        asItIs,
        asItIs,
        Buffer.from(request),
        new Metadata(),
        options,
        (error: ServiceError | null, answer?: Buffer) => {
          if (error === null) settle({ ok: true, answer: new Uint8Array(answer ?? []) });
          else settle({ ok: false, status: error.code, text: error.details });
        },
      );
    });
  }

  /** A TLS connection without gRPC. */
  socket(options: { readonly pair?: Pair | null; readonly maxVersion?: "TLSv1.2" }): TLSSocket {
    const { pair = this.pair, ...rest } = options;
    const socket = connect({
      host: "127.0.0.1",
      port: this.port,
      ca: this.#serverCa.cert,
      ALPNProtocols: ["h2"],
      ...(pair === null ? {} : { cert: pair.cert, key: pair.key }),
      ...rest,
    });
    socket.on("error", () => {});
    return socket;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#listener?.close();
    await rm(this.#folder, { recursive: true });
  }
}
