// One more signer with the keys and the table of another: its own enclave and parent, as on another
// machine, which dials nodes of its own. KMS, bundles, manifest and table are those of the first.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LOCAL_CHAIN_ID } from "../../../scripts/local/consensus-setup.ts";
import { freePortPair } from "../../../scripts/local/free-ports.ts";
import { isJsonObject, type JsonObject } from "../../../scripts/local/json-fields.ts";
import { type Layout, layoutOf } from "../../../scripts/local/layout.ts";
import type { Program } from "../../../scripts/local/program.ts";
import { Enclave, startParent } from "../../../scripts/local/stack.ts";
import type { RealSigner } from "./real-signer.ts";

const READY_DEADLINE_MS = 60_000;
const POLL_MS = 50;

export class SecondSigner {
  readonly #layout: Layout;
  readonly #enclave: Enclave;
  #parent: Program | null = null;

  private constructor(shared: Layout) {
    const own = layoutOf(join(shared.folder, "second"));
    mkdirSync(own.logFolder, { recursive: true, mode: 0o700 });
    const { folder, parentConfig, logFolder, stateFile } = own;
    const { enclaveSocket, nsmSocket, storeSocket, relaySocket, adminSocket } = own;
    const sockets = { enclaveSocket, nsmSocket, storeSocket, relaySocket, adminSocket };
    this.#layout = { ...shared, folder, parentConfig, logFolder, stateFile, ...sockets };
    this.#enclave = new Enclave(this.#layout, () => {});
  }

  static async start(first: RealSigner, addresses: readonly string[]): Promise<SecondSigner> {
    const signer = new SecondSigner(first.layout);
    try {
      await signer.#start(first.layout, addresses);
      return signer;
    } catch (error) {
      await signer.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#parent?.stop();
    await this.#enclave.stop();
  }

  async #start(shared: Layout, addresses: readonly string[]): Promise<void> {
    const port = await freePortPair();
    this.#writeConfig(shared, addresses, port);
    await this.#enclave.start();
    this.#parent = startParent(this.#layout);
    await this.#parent.ready;
    await awaitReady(port + 1);
  }

  #writeConfig(shared: Layout, addresses: readonly string[], port: number): void {
    const { storeSocket, relaySocket, adminSocket, enclaveSocket, stateFile } = this.#layout;
    const first = objectIn(JSON.parse(readFileSync(shared.parentConfig, "utf8")));
    const nodes = addresses.map((address) => ({ chain: LOCAL_CHAIN_ID, address }));
    const config = {
      ...first,
      enclave: { address: `unix://${enclaveSocket}` },
      store: { listen: `unix://${storeSocket}`, path: stateFile },
      relay: { ...objectIn(first["relay"]), listen: `unix://${relaySocket}` },
      api: { ...objectIn(first["api"]), listen: `tcp://127.0.0.1:${port}` },
      ops: { listen: `tcp://127.0.0.1:${port + 1}` },
      admin: { listen: `unix://${adminSocket}` },
      privval: { ...objectIn(first["privval"]), nodes },
    };
    writeFileSync(this.#layout.parentConfig, JSON.stringify(config));
  }
}

function objectIn(value: unknown): JsonObject {
  if (!isJsonObject(value)) throw new Error("the first signer's configuration is an object");
  return value;
}

async function awaitReady(opsPort: number): Promise<void> {
  const deadlineMs = performance.now() + READY_DEADLINE_MS;
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${opsPort}/readyz`).catch(() => null);
    if (answer?.ok === true) return;
    if (performance.now() > deadlineMs) throw new Error("the second signer is not ready");
    await new Promise((settle) => setTimeout(settle, POLL_MS));
  }
}
