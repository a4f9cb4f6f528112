// One validator, two machines: each has a node, and an enclave with the key, and both enclaves have
// their records in one table. Both nodes vote and propose at every height. One machine's signer is
// killed for good, and the chain has to go on with the other.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../scripts/local/free-ports.ts";
import { CometNode } from "./comet-node.ts";
import { type ExtensionParameter, makeNodeHome, makeSecondHome, nodeIdOf } from "./node-home.ts";
import { RealSigner } from "./real-signer.ts";
import type { Report } from "./report.ts";
import { SecondSigner } from "./second-signer.ts";
import { verifyCommits } from "./signed-commits.ts";

const HEIGHTS_TOGETHER = 15;
const HEIGHTS_ALONE = 15;
/** The node's own word for votes of one validator that contradict each other. */
const CONFLICT = "onflicting vote";

export async function checkTwoSigners(
  report: Report,
  program: string,
  extensions: ExtensionParameter,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-node-"));
  const homeA = makeNodeHome(program, join(folder, "a"), extensions);
  const homeB = makeSecondHome(program, join(folder, "b"), homeA);
  const [portA = 0, portB = 0, rpcA = 0, peersA = 0, rpcB = 0, peersB = 0] = await freePorts(6);
  const [laddrA, laddrB] = [`tcp://127.0.0.1:${portA}`, `tcp://127.0.0.1:${portB}`];
  const app = "--proxy_app=kvstore";
  const peer = `${nodeIdOf(program, homeA)}@127.0.0.1:${peersA}`;
  const a = new CometNode(program, homeA, { rpc: rpcA, peers: peersA }, [app]);
  const b = new CometNode(program, homeB, { rpc: rpcB, peers: peersB }, [
    app,
    `--p2p.persistent_peers=${peer}`,
  ]);
  const first = await RealSigner.start(homeA.keyFile, [laddrA], "dynamodb");
  let second: SecondSigner | null = null;
  try {
    second = await SecondSigner.start(first, [laddrB]);
    await report.check("two signers on one table, a node each, go on together", async () => {
      const startMs = performance.now();
      await Promise.all([a.start(laddrA), b.start(laddrB)]);
      const before = await a.height();
      await a.awaitHeight(before + HEIGHTS_TOGETHER);
      await b.awaitHeight(before + HEIGHTS_TOGETHER);
      return `heights ${before} to ${before + HEIGHTS_TOGETHER}, ${secondsSince(startMs)}`;
    });
    await report.check("the chain goes on when one signer is killed for good", async () => {
      await first.killForGood();
      const startMs = performance.now();
      const before = await b.height();
      await b.awaitHeight(before + HEIGHTS_ALONE);
      return `heights ${before} to ${before + HEIGHTS_ALONE}, ${secondsSince(startMs)}`;
    });
    await report.check("each commit is signed by the key, no conflicts, no evidence", async () => {
      const last = (await b.height()) - 1;
      const found = await verifyCommits(b, last, first.publicKey, homeA.validatorAddress);
      const conflicts = a.logCount(CONFLICT) + b.logCount(CONFLICT);
      if (conflicts > 0) throw new Error(`${conflicts} conflicting votes in the logs`);
      const pause = `longest pause ${found.gapSeconds.toFixed(1)} s`;
      return `${found.count} heights, ${found.laterRoundCount} in a later round, ${pause}`;
    });
  } finally {
    await Promise.all([a.stop(), b.stop()]);
    await second?.stop();
    await first.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function secondsSince(startMs: number): string {
  return `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
}
