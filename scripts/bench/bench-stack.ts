// The signer under the benchmark: the same programs as `npm start`, in a folder that is removed
// afterwards, with any number of keys, sealed directly instead of through keystores.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TIME_SKEW_MS_MAX } from "../../shared/limits.ts";
import { command as stateCommand } from "../cli/state.ts";
import { prepareStoreCredentials, sealStoreBundle } from "../local/dynamo-setup.ts";
import { sealFreshKeys } from "../local/fresh-bundle.ts";
import { parseJsonObject } from "../local/json-fields.ts";
import { type Layout, layoutOf, makeFolders } from "../local/layout.ts";
import type { LocalNetwork } from "../local/network.ts";
import type { StartOptions } from "../local/options.ts";
import { type Program } from "../local/program.ts";
import { prepareIdentities, prepareManifest, writeParentConfig } from "../local/setup.ts";
import { Enclave, startKms, startParent } from "../local/stack.ts";
import { BENCH_SLOT_MARGIN, benchNetwork } from "./bench-network.ts";
import { BENCH_TABLE, startTable } from "./bench-table.ts";

const POLL_MS = 5;
const READY_DEADLINE_MS = 120_000;
export type BenchWish = {
  readonly keyCount: number;
  readonly port: number;
  /** Of the table that state lies in (`bench-table.ts`); null: the parent's store. */
  readonly tableDelayMs?: number | null;
};

/** What several signers with the same keys share. */
type Shared = {
  readonly layout: Layout;
  readonly network: LocalNetwork;
  readonly kms: Program;
  readonly kmsPort: number;
  readonly table: { readonly program: Program; readonly port: number } | null;
};

type Site = {
  readonly layout: Layout;
  readonly port: number;
  readonly enclave: Enclave;
  readonly parent: Program;
  readonly bootMs: number;
};

export class BenchStack {
  readonly layout: Layout;
  readonly network: LocalNetwork;
  readonly port: number;
  readonly enclave: Enclave;
  readonly parent: Program;
  /** From the start of the enclave's process to Ready, with the parent running already. */
  readonly bootMs: number;
  readonly #shared: Shared;
  readonly #sites: Site[];

  private constructor(shared: Shared, first: Site) {
    this.layout = shared.layout;
    this.network = shared.network;
    this.port = first.port;
    this.enclave = first.enclave;
    this.parent = first.parent;
    this.bootMs = first.bootMs;
    this.#shared = shared;
    this.#sites = [first];
  }

  static async start({ keyCount, port, tableDelayMs = null }: BenchWish): Promise<BenchStack> {
    const layout = layoutOf(mkdtempSync(join(tmpdir(), "redoubt-bench-")));
    makeFolders(layout);
    const network = benchNetwork(Date.now());
    prepareIdentities(layout);
    const options = optionsOf(layout, network, port, tableDelayMs !== null);
    const manifest = prepareManifest(
      layout,
      options,
      tableDelayMs === null ? undefined : BENCH_TABLE,
    );
    const kms = await startKms(layout);
    const wish = { kmsKeyArn: manifest.kmsKeyArn, kmsPort: kms.port, keyCount };
    writeFileSync(layout.publicKeys, JSON.stringify(await sealFreshKeys(layout, wish)));
    const table = tableDelayMs === null ? null : await startTable(layout, tableDelayMs);
    if (table !== null) {
      prepareStoreCredentials(layout);
      await quietly(() => sealStoreBundle(layout, manifest.kmsKeyArn, kms.port));
    }
    const shared = { layout, network, kms: kms.program, kmsPort: kms.port, table };
    const site = await startSite(shared, layout, port);
    await initState(layout);
    // Until the boot floor has passed, and the slots that votes are old on top of it.
    await new Promise((resolve) => {
      setTimeout(resolve, TIME_SKEW_MS_MAX + 2 * BENCH_SLOT_MARGIN * network.slotDurationMs);
    });
    return new BenchStack(shared, site);
  }

  /** Another signer with the same keys, on the same table. */
  async startAnother(port: number): Promise<void> {
    const { layout } = this.#shared;
    const own = layoutOf(join(layout.folder, `site-${port}`));
    makeFolders(own);
    const { enclaveSocket, nsmSocket, storeSocket, relaySocket, adminSocket } = own;
    const sockets = { enclaveSocket, nsmSocket, storeSocket, relaySocket, adminSocket };
    const { logFolder, stateFile, parentConfig } = own;
    const site = { ...layout, ...sockets, logFolder, stateFile, parentConfig };
    this.#sites.push(await startSite(this.#shared, site, port));
  }

  /** Conditional writes that the table made, and that it refused. */
  async tableCounts(): Promise<{ readonly written: number; readonly refused: number }> {
    const { table, layout } = this.#shared;
    const ca = readFileSync(layout.caCertificate);
    return new Promise((settle, fail) => {
      const options = { host: "127.0.0.1", port: table?.port, ca, servername: "localhost" };
      get(options, (answer) => {
        let text = "";
        answer.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
        answer.on("end", () => {
          const counts = parseJsonObject(text);
          settle({ written: Number(counts["written"]), refused: Number(counts["refused"]) });
        });
      }).on("error", fail);
    });
  }

  async stop(): Promise<void> {
    for (const { parent, enclave } of this.#sites) {
      await parent.stop();
      await enclave.stop();
    }
    await this.#shared.kms.stop();
    await this.#shared.table?.program.stop();
    rmSync(this.layout.folder, { recursive: true, force: true });
  }
}

function optionsOf(
  layout: Layout,
  network: LocalNetwork,
  port: number,
  hasTable: boolean,
): StartOptions {
  return {
    isOnce: false,
    chain: "ethereum" as const,
    network,
    keystores: null,
    freshKeyCount: 0,
    state: hasTable ? "dynamodb" : "parent",
    port,
    folder: layout.folder,
  };
}

async function startSite(shared: Shared, layout: Layout, port: number): Promise<Site> {
  const { network, table, kmsPort } = shared;
  const options = optionsOf(layout, network, port, table !== null);
  writeParentConfig(layout, options, kmsPort, table?.port ?? null);
  const parent = startParent(layout);
  const enclave = new Enclave(layout, () => {});
  await parent.ready;
  const startMs = performance.now();
  await enclave.start();
  await awaitReady(port + 1);
  return { layout, port, enclave, parent, bootMs: performance.now() - startMs };
}

async function awaitReady(opsPort: number): Promise<void> {
  const deadlineMs = Date.now() + READY_DEADLINE_MS;
  while (Date.now() < deadlineMs) {
    const answer = await fetch(`http://127.0.0.1:${opsPort}/readyz`).catch(() => null);
    if (answer?.ok === true) return;
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
  throw new Error("the signer under the benchmark is not ready");
}

async function initState(layout: Layout): Promise<void> {
  const args = ["init", "--all", "--admin", `unix://${layout.adminSocket}`];
  const exitCode = await quietly(() => stateCommand.run(args));
  if (exitCode !== 0) throw new Error("`redoubt state init` failed");
}

/** Commands of ours print; here only what they do counts. */
async function quietly<T>(run: () => Promise<T>): Promise<T> {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = () => true;
  return run().finally(() => {
    process.stdout.write = write;
  });
}
