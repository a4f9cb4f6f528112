// A real node as a process, and what its RPC tells. Where it listens for our signer is decided at
// each start.

import { join } from "node:path";
import { z } from "zod";
import { LoggedProcess } from "../../../scripts/local/logged-process.ts";
import type { NodeHome } from "./node-home.ts";

const POLL_MS = 50;
const HEIGHT_DEADLINE_MS = 60_000;

const STATUS = z.object({
  result: z.object({ sync_info: z.object({ latest_block_height: z.coerce.number() }) }),
});

const PARTS = z.object({ total: z.number(), hash: z.string() });
const COMMIT = z.object({
  result: z.object({
    signed_header: z.object({
      header: z.object({ time: z.string() }),
      commit: z.object({
        height: z.coerce.bigint(),
        round: z.number(),
        block_id: z.object({ hash: z.string(), parts: PARTS }),
        signatures: z.array(
          z.object({
            block_id_flag: z.number(),
            validator_address: z.string(),
            timestamp: z.string(),
            /** Null of a validator that was absent. */
            signature: z.string().nullable(),
          }),
        ),
      }),
    }),
  }),
});
export type SignedHeader = z.infer<typeof COMMIT>["result"]["signed_header"];

const BLOCK = z.object({
  result: z.object({
    block: z.object({ evidence: z.object({ evidence: z.array(z.unknown()).nullable() }) }),
  }),
});

export type NodePorts = { readonly rpc: number; readonly peers: number };

export class CometNode {
  readonly #program: string;
  readonly #home: NodeHome;
  readonly #ports: NodePorts;
  readonly #log: string;
  readonly #more: readonly string[];
  #process: LoggedProcess | null = null;

  /** `more` is what its command line says besides. */
  constructor(program: string, home: NodeHome, ports: NodePorts, more: readonly string[]) {
    this.#program = program;
    this.#home = home;
    this.#ports = ports;
    this.#more = more;
    this.#log = join(home.folder, "node.log");
  }

  /**
   * Returns when its RPC answers. `signerAddress` is where it listens for the signer; null: it
   * signs with a key of its own.
   */
  async start(signerAddress: string | null): Promise<void> {
    this.launch(signerAddress);
    await this.awaitHeight(0);
  }

  /** Without a signer its RPC does not answer, and it ends after some seconds. */
  launch(signerAddress: string | null): void {
    const args = [
      "node",
      `--home=${this.#home.folder}`,
      ...(signerAddress === null ? [] : [`--priv_validator_laddr=${signerAddress}`]),
      `--rpc.laddr=tcp://127.0.0.1:${this.#ports.rpc}`,
      `--p2p.laddr=tcp://127.0.0.1:${this.#ports.peers}`,
      ...this.#more,
    ];
    this.#process = new LoggedProcess(this.#program, args, this.#log);
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async height(): Promise<number> {
    const status = STATUS.parse(await this.#ask("status"));
    return status.result.sync_info.latest_block_height;
  }

  async awaitHeight(height: number): Promise<void> {
    const deadlineMs = performance.now() + HEIGHT_DEADLINE_MS;
    for (;;) {
      const now = await this.height().catch(() => -1);
      if (now >= height) return;
      const logEnd = (): string => this.#process?.logEnd() ?? "";
      if (this.#process?.isOver !== false) throw new Error(`the node has ended:\n${logEnd()}`);
      if (performance.now() > deadlineMs) {
        throw new Error(`at height ${now} instead of ${height}:\n${logEnd()}`);
      }
      await new Promise((settle) => setTimeout(settle, POLL_MS));
    }
  }

  async signedHeader(height: number): Promise<SignedHeader> {
    return COMMIT.parse(await this.#ask(`commit?height=${height}`)).result.signed_header;
  }

  async evidenceCount(height: number): Promise<number> {
    const { block } = BLOCK.parse(await this.#ask(`block?height=${height}`)).result;
    return block.evidence.evidence?.length ?? 0;
  }

  /** Of the validators' parameters that hold at `height`. */
  async parameters(height: number): Promise<string> {
    return JSON.stringify(await this.#ask(`consensus_params?height=${height}`));
  }

  /** How often it logged the text, over all its starts. */
  logCount(text: string): number {
    return this.#process?.logCount(text) ?? 0;
  }

  async #ask(path: string): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${this.#ports.rpc}/${path}`);
    return answer.json();
  }
}
