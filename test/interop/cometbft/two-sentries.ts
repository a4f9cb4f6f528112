// Two nodes with one validator's key, both of which vote and propose at every height, and one
// signer between them: with a key file each they would sign against each other within seconds. The
// signer has to give both the same vote, and refuse the second proposal of a height.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../scripts/local/free-ports.ts";
import { CometNode } from "./comet-node.ts";
import { type ExtensionParameter, makeNodeHome, makeSecondHome, nodeIdOf } from "./node-home.ts";
import { RealSigner } from "./real-signer.ts";
import type { Report } from "./report.ts";
import { verifyCommits } from "./signed-commits.ts";

const HEIGHT_COUNT = 30;
/** The node's own word for votes of one validator that contradict each other. */
const CONFLICT = "onflicting vote";

export async function checkTwoSentries(
  report: Report,
  program: string,
  extensions: ExtensionParameter,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-node-"));
  const first = makeNodeHome(program, join(folder, "a"), extensions);
  const second = makeSecondHome(program, join(folder, "b"), first);
  const [signerPort = 0, rpcA = 0, peersA = 0, rpcB = 0, peersB = 0] = await freePorts(5);
  const tcp = `tcp://127.0.0.1:${signerPort}`;
  const unix = `unix://${join(folder, "privval.sock")}`;
  const app = "--proxy_app=kvstore";
  const a = new CometNode(program, first, { rpc: rpcA, peers: peersA }, [app]);
  const peer = `${nodeIdOf(program, first)}@127.0.0.1:${peersA}`;
  const b = new CometNode(program, second, { rpc: rpcB, peers: peersB }, [
    app,
    `--p2p.persistent_peers=${peer}`,
  ]);
  const signer = await RealSigner.start(first.keyFile, [tcp, unix]);
  try {
    await report.check("two nodes with one key, over tcp and unix, go on together", async () => {
      const startMs = performance.now();
      await Promise.all([a.start(tcp), b.start(unix)]);
      const before = await a.height();
      await a.awaitHeight(before + HEIGHT_COUNT);
      await b.awaitHeight(before + HEIGHT_COUNT);
      const seconds = (performance.now() - startMs) / 1000;
      return `heights ${before} to ${before + HEIGHT_COUNT}, ${seconds.toFixed(1)} s`;
    });
    await report.check("they agree on every block, no conflicting votes, no evidence", async () => {
      const last = Math.min(await a.height(), await b.height()) - 1;
      const found = await verifyCommits(a, last, signer.publicKey, first.validatorAddress);
      await verifyCommits(b, last, signer.publicKey, first.validatorAddress);
      const hashes = await Promise.all([a, b].map((node) => blockHash(node, last)));
      if (hashes[0] !== hashes[1]) throw new Error(`height ${last}: ${hashes.join(" and ")}`);
      const conflicts = a.logCount(CONFLICT) + b.logCount(CONFLICT);
      if (conflicts > 0) throw new Error(`${conflicts} conflicting votes in the logs`);
      return `${found.count} heights, ${found.laterRoundCount} in a later round`;
    });
    const refused = [...signer.refusals()].map(([code, count]) => `${code} ${count}`);
    report.note(`two nodes: refused ${refused.length === 0 ? "nothing" : refused.join(", ")}`);
  } finally {
    await Promise.all([a.stop(), b.stop()]);
    await signer.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function blockHash(node: CometNode, height: number): Promise<string> {
  return (await node.signedHeader(height)).commit.block_id.hash;
}
