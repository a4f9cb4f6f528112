// Several signers with the same keys as they run: KMS, store, and for each site an enclave and its
// parent, all processes, in a folder that is removed afterwards. Tests kill, stop and starve them.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EthereumNetwork } from "../../enclave/core/chains/ethereum/network.ts";
import { slotAt } from "../../enclave/core/chains/ethereum/time-bound.ts";
import type { StateKind } from "../../enclave/core/state-config.ts";
import {
  prepareStoreCredentials,
  prepareTable,
  sealStoreBundle,
} from "../../scripts/local/dynamo-setup.ts";
import { sealFreshKeys } from "../../scripts/local/fresh-bundle.ts";
import { type Layout, layoutOf, makeFolders } from "../../scripts/local/layout.ts";
import { localNetwork } from "../../scripts/local/network.ts";
import type { StartOptions } from "../../scripts/local/options.ts";
import { argumentsOf, Program } from "../../scripts/local/program.ts";
import { requestNetworkOf } from "../../scripts/local/request-network.ts";
import type { RequestNetwork } from "../../scripts/local/requests.ts";
import { prepareIdentities, prepareManifest } from "../../scripts/local/setup.ts";
import type { HttpAnswer } from "../../scripts/local/sign-client.ts";
import { startKms } from "../../scripts/local/stack.ts";
import type { LoadTarget } from "../fakes/hostile-load.ts";
import { Random } from "../simulation/random.ts";
import { Site } from "./site.ts";
import { NO_FAULTS, type StoreFaults, writeStoreFaults } from "./store-faults.ts";

/** Long enough for two signers to contend for one slot; the boot floor passes in two seconds. */
const SLOT_MS = 40;
/** How old a fresh block is: clocks of two processes, and the way of a request, differ by less. */
const FRESH_AGE_MS = 250;
/** A validator that has as many answers outstanding asks another signer, if there is one. */
const IN_FLIGHT_COUNT_MAX = 8;

export type ClusterWish = {
  readonly state: StateKind;
  readonly siteNames: readonly string[];
  readonly keyCount: number;
  readonly seed: number;
  /** Called with the folder of each site's state file; answers how to undo it. */
  readonly prepareState?: (folder: string) => () => void;
};

export class Cluster implements LoadTarget {
  readonly layout: Layout;
  readonly sites: readonly Site[];
  readonly storeKind: StateKind;
  publicKeys: readonly string[] = [];
  readonly #options: StartOptions;
  readonly #random: Random;
  readonly #seed: number;
  readonly #undo: (() => void)[] = [];
  #network: EthereumNetwork | null = null;
  #kmsKeyArn: string | null = null;
  #kms: Program | null = null;
  #store: Program | null = null;
  #storeStartCount = 0;

  private constructor(wish: ClusterWish) {
    this.#random = new Random(wish.seed);
    this.#seed = wish.seed;
    this.storeKind = wish.state;
    this.layout = layoutOf(mkdtempSync(join(tmpdir(), "redoubt-chaos-")));
    makeFolders(this.layout);
    this.#options = {
      isOnce: false,
      chain: "ethereum" as const,
      network: { ...localNetwork(Date.now()), slotDurationMs: SLOT_MS },
      keystores: null,
      freshKeyCount: 0,
      state: wish.state,
      port: 0,
      folder: this.layout.folder,
    };
    this.sites = wish.siteNames.map((name) => new Site(this.layout, name));
    for (const { stateFolder } of this.sites) {
      if (wish.prepareState !== undefined) this.#undo.push(wish.prepareState(stateFolder));
    }
  }

  static async start(wish: ClusterWish): Promise<Cluster> {
    const cluster = new Cluster(wish);
    try {
      await cluster.#start(wish.keyCount);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.signalStore("SIGCONT");
    await Promise.all(this.sites.map((site) => site.stop()));
    await this.#store?.stop();
    await this.#kms?.stop();
    for (const undo of this.#undo) undo();
    rmSync(this.layout.folder, { recursive: true, force: true });
  }

  // Requests

  get kmsKeyArn(): string {
    if (this.#kmsKeyArn === null) throw new Error("not started");
    return this.#kmsKeyArn;
  }

  get network(): EthereumNetwork {
    if (this.#network === null) throw new Error("not started");
    return this.#network;
  }

  requestNetwork(slot: number): RequestNetwork {
    return requestNetworkOf(this.network, slot);
  }

  freshSlot(): number {
    return Number(slotAt(this.network, Date.now() - FRESH_AGE_MS));
  }

  /** At any of the signers that has answered the last requests. */
  sign(publicKey: string, body: unknown): Promise<HttpAnswer> {
    const free = this.sites.filter(({ inFlightCount }) => inFlightCount < IN_FLIGHT_COUNT_MAX);
    const site = this.#random.pick(free) ?? this.#random.pick(this.sites);
    if (site === undefined) return Promise.reject(new Error("no sites"));
    return site.sign(publicKey, body);
  }

  // Store

  async startStore(): Promise<number> {
    this.#storeStartCount += 1;
    const store = new Program({
      name: `store-${this.#storeStartCount}`,
      file: "test/chaos/store-program.ts",
      args: argumentsOf({
        dir: this.layout.dynamoTables,
        "ca-dir": this.layout.caFolder,
        credentials: this.layout.storeCredentials,
        faults: this.#faultsFile,
        seed: String(this.#seed + this.#storeStartCount),
      }),
      logFolder: this.layout.logFolder,
      readReady: (line) => /^\{"port":(\d+)\}$/.exec(line)?.[1] ?? null,
    });
    this.#store = store;
    const port = Number(await store.ready);
    for (const { proxy } of this.sites) proxy.target = port;
    return port;
  }

  async killStore(): Promise<void> {
    this.#store?.kill();
    await this.#store?.exited;
    this.#store = null;
  }

  signalStore(signal: "SIGSTOP" | "SIGCONT"): void {
    const pid = this.#store?.pid ?? 0;
    if (pid > 0) process.kill(pid, signal);
  }

  setStoreFaults(faults: StoreFaults): void {
    writeStoreFaults(this.#faultsFile, faults);
  }

  /** Conditional writes that the table made, and that it refused. */
  storeCounts(): { readonly written: number; readonly refused: number } {
    const counts = { written: 0, refused: 0 };
    for (let start = 1; start <= this.#storeStartCount; start++) {
      const text = readFileSync(join(this.layout.logFolder, `store-${start}.log`), "utf8");
      for (const line of text.split("\n")) {
        if (line === "written" || line === "refused") counts[line] += 1;
      }
    }
    return counts;
  }

  get #faultsFile(): string {
    return join(this.layout.dynamoFolder, "faults.json");
  }

  async #start(keyCount: number): Promise<void> {
    prepareIdentities(this.layout);
    const table = this.storeKind === "dynamodb" ? await this.#prepareTable() : undefined;
    const manifest = prepareManifest(this.layout, this.#options, table);
    this.#network = manifest.ethereum.network;
    this.#kmsKeyArn = manifest.kmsKeyArn;
    const { program, port } = await startKms(this.layout);
    this.#kms = program;
    const wish = { kmsKeyArn: manifest.kmsKeyArn, kmsPort: port, keyCount };
    this.publicKeys = await sealFreshKeys(this.layout, wish);
    if (table !== undefined) await sealStoreBundle(this.layout, manifest.kmsKeyArn, port);
    await Promise.all(this.sites.map((site) => site.start(this.#options, port)));
    // On a shared table the second finds what the first has made.
    for (const site of this.sites) await site.initState(this.publicKeys);
  }

  async #prepareTable() {
    prepareStoreCredentials(this.layout);
    this.setStoreFaults(NO_FAULTS);
    return prepareTable(this.layout, await this.startStore());
  }
}
