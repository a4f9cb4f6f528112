// One enclave and its parent among several that have the same keys, as processes of their own, in
// a folder of their own. The enclave is booted again by itself, the parent when the test says so.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openAdmin } from "../../scripts/cli/admin.ts";
import { type Layout, layoutOf } from "../../scripts/local/layout.ts";
import type { StartOptions } from "../../scripts/local/options.ts";
import type { Program } from "../../scripts/local/program.ts";
import { writeParentConfig } from "../../scripts/local/setup.ts";
import { type HttpAnswer, SignClient } from "../../scripts/local/sign-client.ts";
import { Enclave } from "../../scripts/local/stack.ts";
import { parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { invariant } from "../../shared/invariant.ts";
import { startParentProgram } from "../fakes/parent-program.ts";
import { until } from "../fakes/until.ts";
import { FaultProxy } from "./fault-proxy.ts";

const WAIT_MS_MAX = 60_000;
const POLL_MS = 25;

export class Site {
  readonly name: string;
  readonly layout: Layout;
  readonly stateFolder: string;
  readonly enclave: Enclave;
  /** On the way to the shared store. */
  readonly proxy = new FaultProxy();
  inFlightCount = 0;
  rebootCount = 0;
  #parent: Program | null = null;
  #parentStartCount = 0;
  #client: SignClient | null = null;
  #opsPort = 0;

  /** Keys, certificates, KMS and store are those of `shared`. */
  constructor(shared: Layout, name: string) {
    this.name = name;
    const own = layoutOf(join(shared.folder, name));
    this.stateFolder = join(own.folder, "state");
    mkdirSync(own.logFolder, { recursive: true, mode: 0o700 });
    mkdirSync(this.stateFolder, { mode: 0o700 });
    this.layout = {
      ...shared,
      folder: own.folder,
      parentConfig: own.parentConfig,
      logFolder: own.logFolder,
      stateFile: join(this.stateFolder, "state.sqlite"),
      enclaveSocket: own.enclaveSocket,
      nsmSocket: own.nsmSocket,
      storeSocket: own.storeSocket,
      relaySocket: own.relaySocket,
      adminSocket: own.adminSocket,
    };
    this.enclave = new Enclave(this.layout, () => {
      this.rebootCount += 1;
    });
  }

  async start(options: StartOptions, kmsPort: number): Promise<void> {
    await this.proxy.listen();
    const dynamoPort = options.state === "dynamodb" ? this.proxy.port : null;
    writeParentConfig(this.layout, options, kmsPort, dynamoPort);
    const text = readFileSync(this.layout.parentConfig, "utf8");
    const free = text.replace('"tcp://127.0.0.1:1"', '"tcp://127.0.0.1:0"');
    writeFileSync(this.layout.parentConfig, free);
    await Promise.all([this.enclave.start(), this.startParent()]);
    await this.awaitReady();
  }

  async stop(): Promise<void> {
    this.signalEnclave("SIGCONT");
    this.signalParent("SIGCONT");
    this.proxy.close();
    this.#client?.close();
    await this.#parent?.stop();
    await this.enclave.stop();
  }

  // Parent

  get parentPid(): number {
    return this.#parent?.pid ?? 0;
  }

  async startParent(): Promise<void> {
    this.#parentStartCount += 1;
    const name = `parent-${this.#parentStartCount}`;
    const { program: parent, portOf } = startParentProgram(this.layout, name);
    this.#parent = parent;
    await parent.ready;
    this.#opsPort = portOf("ops");
    const { caCertificate: ca, clientCertificate: certificate, clientKey: key } = this.layout;
    const url = `https://127.0.0.1:${portOf("api")}`;
    this.#client = new SignClient(url, { ca, certificate, key });
  }

  /** SIGKILL; answers when it is gone. */
  async killParent(): Promise<void> {
    const parent = this.#parent;
    this.#parent = null;
    parent?.kill();
    await parent?.exited;
    this.#client?.close();
    this.#client = null;
  }

  signalParent(signal: "SIGSTOP" | "SIGCONT"): void {
    if (this.parentPid > 0) process.kill(this.parentPid, signal);
  }

  // Enclave

  /** SIGKILL; answers when the next boot is up, which may not be provisioned then. */
  async killEnclave(): Promise<void> {
    const { pid } = this.enclave;
    if (pid > 0) process.kill(pid, "SIGKILL");
    await until(() => this.enclave.pid !== pid && this.enclave.pid > 0, WAIT_MS_MAX);
  }

  signalEnclave(signal: "SIGSTOP" | "SIGCONT"): void {
    if (this.enclave.pid > 0) process.kill(this.enclave.pid, signal);
  }

  // Requests

  /** Rejects when there is no answer: whether it was signed is unknown then. */
  async sign(publicKey: string, body: unknown): Promise<HttpAnswer> {
    const client = this.#client;
    if (client === null) throw new Error("the parent does not run");
    this.inFlightCount += 1;
    try {
      return await client.sign(publicKey, body);
    } finally {
      this.inFlightCount -= 1;
    }
  }

  async awaitReady(): Promise<void> {
    const deadlineMs = performance.now() + WAIT_MS_MAX;
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${this.#opsPort}/readyz`).catch(() => null);
      if (answer?.status === 200) return;
      const text = answer === null ? "no answer" : await answer.text();
      if (performance.now() > deadlineMs) throw new Error(`${this.name} is not ready: ${text}`);
      await new Promise((settle) => setTimeout(settle, POLL_MS));
    }
  }

  /** First records for all keys that have none. */
  async initState(publicKeys: readonly string[]): Promise<void> {
    const admin = await openAdmin(this.layout.adminSocket);
    invariant(admin.ok, "the admin socket is open");
    const keys = publicKeys.map((text) => {
      const bytes = parsePrefixedHex(text, 48);
      invariant(bytes.ok, "public keys are hex");
      return bytes.value;
    });
    const created = await admin.value.call("state.init", { keys });
    admin.value.close();
    invariant(created.ok, "first records are made");
  }
}
