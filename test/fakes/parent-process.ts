// The parent as a process of its own, with everything that it needs in one folder, for tests that
// play the enclave and the validator.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestCa } from "./tls-pki.ts";
import { until } from "./until.ts";

type Line = Readonly<Record<string, unknown>>;

export class ParentProcess {
  readonly lines: Line[] = [];
  readonly #child: ChildProcess;
  #exitCode: number | null = null;

  constructor(args: readonly string[]) {
    const program = join(import.meta.dirname, "../../parent/main.ts");
    this.#child = spawn(process.execPath, ["--no-warnings", program, ...args], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    let rest = "";
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      const texts = (rest + chunk.toString()).split("\n");
      rest = texts.pop() ?? "";
      for (const text of texts) {
        const line: unknown = JSON.parse(text);
        if (typeof line === "object" && line !== null) this.lines.push({ ...line });
      }
    });
    this.#child.once("close", (code) => {
      this.#exitCode = code ?? -1;
    });
  }

  signal(name: "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGKILL"): void {
    this.#child.kill(name);
  }

  /** The first line of this event, once it is there. */
  async line(event: string): Promise<Line> {
    const find = (): Line | undefined => this.lines.find((line) => line["event"] === event);
    await until(() => find() !== undefined || this.#exitCode !== null);
    return find() ?? {};
  }

  async port(event: string): Promise<number> {
    const line = await this.line(event);
    return Number(new URL(String(line["address"])).port);
  }

  async exitCode(): Promise<number> {
    await until(() => this.#exitCode !== null);
    return this.#exitCode ?? -1;
  }
}

export class ParentFolder {
  readonly path = mkdtempSync(join(tmpdir(), "parent-"));
  readonly #serverCa = new TestCa("servers");
  readonly #clientCa = new TestCa("clients");
  readonly #client = this.#clientCa.leaf("lighthouse");

  constructor() {
    const server = this.#serverCa.leaf("signer", { isServer: true });
    mkdirSync(join(this.path, "bundles"));
    this.write("server.crt", server.cert);
    this.write("server.key", server.key);
    this.write("ca.crt", this.#clientCa.cert);
    this.write("manifest", "the manifest");
    this.write("credentials", JSON.stringify({ AccessKeyId: "id", SecretAccessKey: "secret" }));
    this.writeConfig();
  }

  get config(): string {
    return join(this.path, "parent.json");
  }

  unix(name: string): string {
    return join(this.path, name);
  }

  write(name: string, content: string | Uint8Array): void {
    writeFileSync(join(this.path, name), content);
  }

  /** `changes` replace sections. */
  writeConfig(changes: Readonly<Record<string, unknown>> = {}): void {
    const listen = "tcp://127.0.0.1:0";
    const socket = (name: string): string => `unix://${this.unix(name)}`;
    const { fingerprint } = this.#client;
    const config = {
      enclave: { address: socket("enclave.sock") },
      manifest: "manifest",
      bundles: [{ kind: "directory", path: "bundles" }],
      credentials: { kind: "file", path: "credentials" },
      store: { listen: socket("store.sock"), path: "state.db" },
      relay: { listen: socket("relay.sock"), allow: [] },
      admin: { listen: socket("admin.sock") },
      ops: { listen },
      api: {
        listen,
        tls: { certFile: "server.crt", keyFile: "server.key", clientCaFile: "ca.crt" },
        clients: [{ name: "lighthouse", fingerprint, keys: "all", operations: "default" }],
      },
      ...changes,
    };
    this.write("parent.json", JSON.stringify(config));
  }

  /** One request of the listed client. */
  post(port: number, path: string, body: string): Promise<{ status: number; text: string }> {
    const { cert, key } = this.#client;
    return new Promise((settle, reject) => {
      const outgoing = request({
        host: "127.0.0.1",
        port,
        path,
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json" },
        ca: this.#serverCa.cert,
        cert,
        key,
        agent: false,
      });
      outgoing.on("error", reject);
      outgoing.on("response", (incoming) => {
        let text = "";
        incoming.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        incoming.on("error", reject);
        incoming.on("end", () => settle({ status: incoming.statusCode ?? 0, text }));
      });
      outgoing.end(body);
    });
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}
