// Two nodes of one chain that ask for everything at once: each its own block, or none, with its own
// time, at the same heights. What comes back is kept, and held against what a validator must never
// do, which knows nothing of our rule.

import assert from "node:assert/strict";
import { LOCAL_CHAIN_ID } from "../../scripts/local/consensus-setup.ts";
import type { PrivvalNode } from "../../scripts/local/privval-node.ts";
import {
  encodeSignVoteRequest,
  type NodeVote,
  readRemoteError,
  readSigned,
} from "../../scripts/local/privval-request.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import type { Random } from "../simulation/random.ts";

const FIRST_HEIGHT = 1000n;

export class ContendingNodes {
  readonly #nodes: readonly PrivvalNode[];
  readonly #random: Random;
  /** Of each step all signatures that were released. */
  readonly #signatures = new Map<string, Set<string>>();
  /** Refusals by what the node is told: the code of the catalogue and its text. */
  readonly refusals = new Map<string, number>();
  #running: Promise<unknown> = Promise.resolve();
  #isStopping = false;
  #height = FIRST_HEIGHT;
  askCount = 0;
  /** The longest that an ask took since it was last set to 0. */
  waitedMs = 0;

  constructor(nodes: readonly PrivvalNode[], random: Random) {
    this.#nodes = nodes;
    this.#random = random;
  }

  /** Heights with a precommit. */
  get heightCount(): number {
    return Number(this.#height - FIRST_HEIGHT);
  }

  get stepCount(): number {
    return this.#signatures.size;
  }

  /** Tries that nodes made in vain: a reset connection, an answer that did not come. */
  get failureCount(): number {
    return this.#nodes.reduce((sum, { failures }) => sum + failures.length, 0);
  }

  start(): void {
    this.#running = Promise.all(this.#nodes.map((node) => this.#ask(node)));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  /** No step has two signatures, whichever block, nil or time was asked for. */
  check(): void {
    for (const [step, signatures] of this.#signatures) assert.equal(signatures.size, 1, step);
  }

  async #ask(node: PrivvalNode): Promise<void> {
    while (!this.#isStopping) {
      const height = this.#height;
      await this.#vote(node, "prevote", height);
      const isSigned = await this.#vote(node, "precommit", height);
      if (isSigned && this.#height === height) this.#height = height + 1n;
    }
  }

  async #vote(node: PrivvalNode, type: NodeVote["type"], height: bigint): Promise<boolean> {
    const block = this.#random.between(0, 2);
    const hash = new Uint8Array(32).fill(block);
    const vote: NodeVote = {
      type,
      height,
      round: 0,
      block: block === 0 ? null : { hash, total: 1 },
      seconds: BigInt(this.#random.between(1, 1_000_000)),
    };
    const startMs = performance.now();
    const answer = await node.ask(encodeSignVoteRequest(LOCAL_CHAIN_ID, vote));
    this.askCount += 1;
    this.waitedMs = Math.max(this.waitedMs, performance.now() - startMs);
    const signed = readSigned("vote", answer);
    if (signed === null) {
      const code = readRemoteError("vote", answer)?.description.split(":")[0] ?? "";
      this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
      return false;
    }
    const step = `${type} ${height}`;
    const signatures = this.#signatures.get(step) ?? new Set<string>();
    signatures.add(encodeHex(signed.signature));
    this.#signatures.set(step, signatures);
    return true;
  }
}
