// The whole signer as it runs: KMS, NSM, enclave and parent as processes of their own, in a folder
// that is removed afterwards, with few keys and short slots. Tests kill, stop and starve its parts;
// the enclave is booted again by itself, the parent only when the test, like systemd, says so.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EthereumNetwork } from "../../enclave/core/chains/ethereum/network.ts";
import { slotAt } from "../../enclave/core/chains/ethereum/time-bound.ts";
import { openAdmin } from "../../scripts/cli/admin.ts";
import { sealFreshKeys } from "../../scripts/local/fresh-bundle.ts";
import type { JsonObject } from "../../scripts/local/json-fields.ts";
import { type Layout, layoutOf, makeFolders } from "../../scripts/local/layout.ts";
import { localNetwork } from "../../scripts/local/network.ts";
import type { Program } from "../../scripts/local/program.ts";
import { requestNetworkOf } from "../../scripts/local/request-network.ts";
import type { RequestNetwork } from "../../scripts/local/requests.ts";
import {
  prepareIdentities,
  prepareManifest,
  writeParentConfig,
} from "../../scripts/local/setup.ts";
import { type HttpAnswer, SignClient, textOf } from "../../scripts/local/sign-client.ts";
import { Enclave, startKms } from "../../scripts/local/stack.ts";
import { parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { startParentProgram } from "./parent-program.ts";
import { moveBundlesToSecrets } from "./secret-bundles.ts";
import { StoreProxy } from "./store-proxy.ts";
import { until } from "./until.ts";

/** An epoch of the minimal preset is then 40 ms long. */
const SLOT_MS = 5;
/** How old a fresh block is: clocks of two processes, and the way of a request, differ by less. */
const FRESH_AGE_MS = 250;
const WAIT_MS_MAX = 60_000;
const POLL_MS = 25;

export type SignerWish = {
  readonly keyCount: number;
  /** Called with the folder of the state file before anything is in it; answers how to undo it. */
  readonly prepareState?: (folder: string) => () => void;
  /** The enclave reaches the store only through a proxy that may hold and cut. */
  readonly hasStoreProxy?: boolean;
  /** The bundle lies in the local Secrets Manager only, and in no folder. */
  readonly hasSecretBundles?: boolean;
  /** No key has a first record: it is for the test to make them. */
  readonly hasNoRecords?: boolean;
  /** How long a slot is; without it next to nothing, so that much happens in a test. */
  readonly slotMs?: number;
  /** What the manifest has besides: `override`, `retired`. */
  readonly manifest?: JsonObject;
};

export type Readiness = { readonly status: number; readonly code: string };
export type LogLine = Readonly<Record<string, unknown>>;

/** TCP to wherever the local KMS listens now: the parent's configuration names this port. */
class Forwarder {
  readonly #server: Server;
  target = 0;

  constructor() {
    this.#server = createServer((socket) => {
      const upstream = connect({ host: "127.0.0.1", port: this.target });
      for (const [one, other] of [
        [socket, upstream],
        [upstream, socket],
      ] as const) {
        one.on("error", () => other.destroy());
        one.on("close", () => other.destroy());
      }
      socket.pipe(upstream).pipe(socket);
    });
  }

  listen(): Promise<number> {
    return new Promise((settle) => {
      this.#server.listen({ host: "127.0.0.1", port: 0 }, () => {
        const bound = this.#server.address();
        settle(bound !== null && typeof bound === "object" ? bound.port : 0);
      });
    });
  }

  close(): void {
    this.#server.close();
  }
}

export class RunningSigner {
  readonly layout: Layout;
  readonly stateFolder: string;
  readonly stateFile: string;
  readonly network: EthereumNetwork;
  readonly kmsKeyArn: string;
  publicKeys: readonly string[] = [];
  readonly enclave: Enclave;
  bootCount = 1;
  readonly storeProxy = new StoreProxy();
  #parent: Program | null = null;
  #parentStartCount = 0;
  #client: SignClient | null = null;
  #apiPort = 0;
  #opsPort = 0;
  readonly #forwarder = new Forwarder();
  #kms: Program | null = null;
  #releaseState: () => void = () => {};
  readonly #slotMs: number;

  private constructor({ slotMs = SLOT_MS, manifest: more = {} }: SignerWish) {
    this.#slotMs = slotMs;
    this.layout = layoutOf(mkdtempSync(join(tmpdir(), "redoubt-run-")));
    makeFolders(this.layout);
    this.stateFolder = join(this.layout.folder, "state");
    this.stateFile = join(this.stateFolder, "state.sqlite");
    mkdirSync(this.stateFolder, { mode: 0o700 });
    prepareIdentities(this.layout);
    const manifest = prepareManifest(this.layout, this.#options(), { kind: "parent" }, more);
    this.network = manifest.ethereum.network;
    this.kmsKeyArn = manifest.kmsKeyArn;
    this.enclave = new Enclave(this.layout, () => {
      this.bootCount += 1;
    });
  }

  static async start(wish: SignerWish): Promise<RunningSigner> {
    const signer = new RunningSigner(wish);
    if (wish.prepareState !== undefined) {
      signer.#releaseState = wish.prepareState(signer.stateFolder);
    }
    try {
      await signer.startKms();
      await signer.#seal(wish.keyCount);
      const kmsPort = await signer.#forwarder.listen();
      signer.#writeConfig(kmsPort);
      if (wish.hasSecretBundles === true) await moveBundlesToSecrets(signer.layout, kmsPort);
      if (wish.hasStoreProxy === true) await signer.#interpose();
      await Promise.all([signer.enclave.start(), signer.startParent()]);
      await signer.awaitReady();
      if (wish.hasNoRecords !== true) await signer.initState();
      return signer;
    } catch (error) {
      await signer.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.stopParent();
    await this.enclave.stop();
    await this.stopKms();
    this.#forwarder.close();
    this.storeProxy.close();
    this.#releaseState();
    rmSync(this.layout.folder, { recursive: true, force: true });
  }

  // Parts

  async startKms(): Promise<void> {
    const { program, port } = await startKms(this.layout);
    this.#kms = program;
    this.#forwarder.target = port;
  }

  async stopKms(): Promise<void> {
    await this.#kms?.stop();
    this.#kms = null;
  }

  /** The exit code when it ends before it listens, else null. */
  async startParent(): Promise<number | null> {
    this.#parentStartCount += 1;
    const name = `parent-${this.#parentStartCount}`;
    const { program: parent, portOf } = startParentProgram(this.layout, name);
    this.#parent = parent;
    const exitCode = await Promise.race([parent.ready.then(() => null), parent.exited]).catch(
      () => parent.exited,
    );
    if (exitCode !== null) {
      this.#parent = null;
      return exitCode;
    }
    this.#apiPort = portOf("api");
    this.#opsPort = portOf("ops");
    const { caCertificate: ca, clientCertificate: certificate, clientKey: key } = this.layout;
    this.#client = new SignClient(`https://127.0.0.1:${this.#apiPort}`, { ca, certificate, key });
    return null;
  }

  get parentPid(): number {
    return this.#parent?.pid ?? 0;
  }

  get apiPort(): number {
    return this.#apiPort;
  }

  get opsPort(): number {
    return this.#opsPort;
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

  async stopParent(): Promise<void> {
    const parent = this.#parent;
    this.#parent = null;
    this.#client?.close();
    this.#client = null;
    await parent?.stop();
  }

  signalParent(signal: "SIGSTOP" | "SIGCONT"): void {
    if (this.parentPid > 0) process.kill(this.parentPid, signal);
  }

  /** SIGKILL, and waits for the next boot to be up; it may not be provisioned then. */
  async killEnclave(): Promise<void> {
    const pid = this.enclave.pid;
    if (pid > 0) process.kill(pid, "SIGKILL");
    await until(() => this.enclave.pid !== pid && this.enclave.pid > 0, WAIT_MS_MAX);
  }

  /** The lines of the parent that runs, or of the last one that ran. */
  parentLines(): readonly LogLine[] {
    const path = join(this.layout.logFolder, `parent-${this.#parentStartCount}.log`);
    const lines = readFileSync(path, "utf8").split("\n");
    return lines.flatMap((line) => {
      if (!line.startsWith("{")) return [];
      const parsed: unknown = JSON.parse(line);
      return typeof parsed === "object" && parsed !== null ? [{ ...parsed }] : [];
    });
  }

  // Requests

  /** Rejects when there is no answer: whether it was signed is unknown then. */
  sign(publicKey: string, body: unknown): Promise<HttpAnswer> {
    const client = this.#client;
    if (client === null) return Promise.reject(new Error("the parent does not run"));
    return client.sign(publicKey, body);
  }

  async readiness(): Promise<Readiness> {
    const answer = await fetch(`http://127.0.0.1:${this.#opsPort}/readyz`).catch(() => null);
    if (answer === null) return { status: 0, code: "" };
    return { status: answer.status, code: textOf(await answer.json(), "code") };
  }

  requestNetwork(slot: number): RequestNetwork {
    return requestNetworkOf(this.network, slot);
  }

  /** A slot of the recent past, which no clock takes for the future. */
  freshSlot(): number {
    return Number(slotAt(this.network, Date.now() - FRESH_AGE_MS));
  }

  async awaitReady(): Promise<void> {
    await this.#await(async () => (await this.readiness()).status === 200, "not ready");
  }

  async awaitReadyCode(code: string): Promise<void> {
    await this.#await(async () => (await this.readiness()).code === code, `/readyz never ${code}`);
  }

  /** First records for all keys that have none. */
  async initState(): Promise<void> {
    const admin = await openAdmin(this.layout.adminSocket);
    if (!admin.ok) throw new Error(admin.error.code);
    const keys = this.publicKeys.map((text) => bytesOf(text));
    const created = await admin.value.call("state.init", { keys });
    admin.value.close();
    if (!created.ok) throw new Error(created.error.code);
  }

  async #await(isTrue: () => Promise<boolean>, otherwise: string): Promise<void> {
    const deadlineMs = performance.now() + WAIT_MS_MAX;
    while (!(await isTrue())) {
      if (performance.now() > deadlineMs) throw new Error(`${otherwise}: ${this.#lastLines()}`);
      await new Promise((settle) => setTimeout(settle, POLL_MS));
    }
  }

  #lastLines(): string {
    return this.parentLines()
      .slice(-5)
      .map((line) => JSON.stringify(line))
      .join("\n");
  }

  // Setup

  #options() {
    return {
      isOnce: false,
      chain: "ethereum" as const,
      network: { ...localNetwork(Date.now()), slotDurationMs: this.#slotMs },
      keystores: null,
      freshKeyCount: 0,
      state: "parent" as const,
      port: 0,
      folder: this.layout.folder,
    };
  }

  /** As the local setup writes it, with ports that the system chooses. */
  #writeConfig(kmsPort: number): void {
    writeParentConfig(this.layout, this.#options(), kmsPort);
    const text = readFileSync(this.layout.parentConfig, "utf8")
      .replace('"tcp://127.0.0.1:1"', '"tcp://127.0.0.1:0"')
      .replace(JSON.stringify(this.layout.stateFile), JSON.stringify(this.stateFile));
    writeFileSync(this.layout.parentConfig, text);
  }

  async #interpose(): Promise<void> {
    const { parentConfig, storeSocket } = this.layout;
    const behind = `${storeSocket}.parent`;
    const text = readFileSync(parentConfig, "utf8");
    writeFileSync(parentConfig, text.replace(`unix://${storeSocket}`, `unix://${behind}`));
    await this.storeProxy.listen(storeSocket, behind);
  }

  async #seal(keyCount: number): Promise<void> {
    const wish = { kmsKeyArn: this.kmsKeyArn, kmsPort: this.#forwarder.target, keyCount };
    this.publicKeys = await sealFreshKeys(this.layout, wish);
  }
}

function bytesOf(text: string): Uint8Array {
  const bytes = parsePrefixedHex(text, 48);
  if (!bytes.ok) throw new Error("no public key");
  return bytes.value;
}
