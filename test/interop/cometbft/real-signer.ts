// Our signer as `npm start -- --chain tendermint` runs it, on a folder of its own: KMS, enclave and
// parent as processes, which a test kills. It must never sign with a key that another signer has.

import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StateKind } from "../../../enclave/core/state-config.ts";
import { peerIdOfEd25519 } from "../../../parent/privval/peer-id.ts";
import { quietly, type Stops } from "../../../scripts/local/bring-up.ts";
import { bringUpConsensus } from "../../../scripts/local/consensus-bring-up.ts";
import { prepareIdentityFile } from "../../../scripts/local/consensus-setup.ts";
import { freePortPair } from "../../../scripts/local/free-ports.ts";
import { type Layout, layoutOf, makeFolders } from "../../../scripts/local/layout.ts";
import type { Program } from "../../../scripts/local/program.ts";
import { type Enclave, logFileOf, startParent } from "../../../scripts/local/stack.ts";
import { until } from "../../fakes/until.ts";

const REBOOT_DEADLINE_MS = 30_000;

export class RealSigner {
  readonly #layout: Layout;
  readonly #stops: Stops = [];
  #opsPort = 0;
  #enclave: Enclave | null = null;
  #parent: Program | null = null;
  publicKey: Uint8Array = new Uint8Array(0);
  /** The libp2p name that a node has to admit over Noise. */
  noiseId = "";

  private constructor() {
    // Short: unix sockets lie in it.
    this.#layout = layoutOf(mkdtempSync(join(tmpdir(), "redoubt-comet-")));
    makeFolders(this.#layout);
  }

  /** `keyFile` as a node's `init` wrote it; `addresses` are where nodes listen, or will. */
  static async start(
    keyFile: string,
    addresses: readonly string[],
    state: StateKind = "parent",
  ): Promise<RealSigner> {
    const signer = new RealSigner();
    try {
      await signer.#start(keyFile, addresses, state);
      return signer;
    } catch (error) {
      await signer.stop();
      throw error;
    }
  }

  /** Of its files, for another signer that has the same keys and table. */
  get layout(): Layout {
    return this.#layout;
  }

  /** SIGKILL of enclave and parent, and nobody boots them again. */
  async killForGood(): Promise<void> {
    const pid = this.#enclave?.pid ?? 0;
    if (pid !== 0) process.kill(pid, "SIGKILL");
    this.#parent?.kill();
    await this.#enclave?.stop();
  }

  async stop(): Promise<void> {
    await this.#parent?.stop();
    for (const each of this.#stops.toReversed()) await each();
    rmSync(this.#layout.folder, { recursive: true, force: true });
  }

  /** SIGKILL; returns when another has been booted in its place. */
  async killEnclave(): Promise<void> {
    const enclave = this.#enclave;
    const before = enclave?.pid ?? 0;
    if (enclave === null || before === 0) throw new Error("no enclave runs");
    process.kill(before, "SIGKILL");
    await until(() => enclave.pid !== before && enclave.pid !== 0, REBOOT_DEADLINE_MS);
  }

  /** SIGSTOP, and SIGCONT after as long: what is asked meanwhile is answered late or never. */
  async pauseEnclave(ms: number): Promise<void> {
    const pid = this.#enclave?.pid ?? 0;
    if (pid === 0) throw new Error("no enclave runs");
    process.kill(pid, "SIGSTOP");
    await new Promise((settle) => setTimeout(settle, ms));
    process.kill(pid, "SIGCONT");
  }

  /** SIGKILL, and another in its place. */
  async restartParent(): Promise<void> {
    this.#parent?.kill();
    await this.#parent?.exited;
    this.#parent = startParent(this.#layout);
    await this.#parent.ready;
  }

  /** The sum of a metric's values over all labels that contain `label`. */
  async metric(name: string, label = ""): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.#opsPort}/metrics`);
    const lines = (await answer.text()).split("\n");
    return lines
      .filter((line) => line.startsWith(`${name}{`) && line.includes(label))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }

  /** The refusals that the parent logged, by code, over all its starts. */
  refusals(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const line of readFileSync(logFileOf(this.#layout, "parent"), "utf8").split("\n")) {
      const code = line.includes('"privval.refused"') ? /"code":"(\w+)"/.exec(line)?.[1] : null;
      if (code !== null && code !== undefined) counts.set(code, (counts.get(code) ?? 0) + 1);
    }
    return counts;
  }

  async #start(keyFile: string, addresses: readonly string[], state: StateKind): Promise<void> {
    copyFileSync(keyFile, this.#layout.validatorKey);
    const port = await freePortPair();
    this.#opsPort = port + 1;
    const options = {
      isOnce: false,
      chain: "tendermint" as const,
      network: null,
      keystores: null,
      freshKeyCount: 0,
      state,
      port,
      folder: this.#layout.folder,
    };
    const signer = await quietly(() =>
      bringUpConsensus(this.#layout, options, addresses, this.#stops),
    );
    this.publicKey = signer.publicKey;
    this.noiseId = peerIdOfEd25519((await prepareIdentityFile(this.#layout)).publicKey);
    this.#enclave = signer.enclave;
    this.#parent = signer.parent;
  }
}
