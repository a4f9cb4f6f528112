// A chain with one validator whose key only our signer has, on a real node of one version: the
// chain stands still whenever a vote is not signed, so a height that is reached is a height that we
// signed. Everything is killed in turn, and each time the chain has to go on.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../scripts/local/free-ports.ts";
import { CometNode } from "./comet-node.ts";
import { type ExtensionParameter, makeNodeHome } from "./node-home.ts";
import { RealSigner } from "./real-signer.ts";
import type { Report } from "./report.ts";
import { verifyCommits } from "./signed-commits.ts";
import { startTestApp } from "./test-app.ts";

const HEIGHTS_PER_STAGE = 8;
/** Longer than a node waits for an answer (tendermint.md §1.5). */
const PAUSE_MS = 7000;

export type OneValidator = {
  readonly node: string;
  /** The application of the version's own tests, which demands extensions; null: kvstore. */
  readonly app: string | null;
  readonly extensions: ExtensionParameter;
};

export async function checkOneValidator(
  report: Report,
  { node: program, app: appProgram, extensions }: OneValidator,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-node-"));
  const home = makeNodeHome(program, join(folder, "home"), extensions);
  const [signerPort = 0, rpc = 0, peers = 0, appPort = 0] = await freePorts(4);
  const app = appProgram === null ? null : startTestApp(appProgram, folder, appPort);
  const appOption = `--proxy_app=${app === null ? "kvstore" : `tcp://127.0.0.1:${appPort}`}`;
  const tcp = `tcp://127.0.0.1:${signerPort}`;
  const unix = `unix://${join(folder, "privval.sock")}`;
  const node = new CometNode(program, home, { rpc, peers }, [appOption]);
  const signer = await RealSigner.start(home.keyFile, [tcp, unix]);

  /** What is done, and that the chain then grows. */
  const stage = (name: string, act: () => Promise<unknown>): Promise<void> =>
    report.check(name, async () => {
      const startMs = performance.now();
      await act();
      const before = await node.height();
      await node.awaitHeight(before + HEIGHTS_PER_STAGE);
      const seconds = (performance.now() - startMs) / 1000;
      return `heights ${before} to ${before + HEIGHTS_PER_STAGE}, ${seconds.toFixed(1)} s`;
    });

  try {
    await stage("the chain starts over tcp", () => node.start(tcp));
    await stage("goes on after kill -9 of the enclave", () => signer.killEnclave());
    await stage(`goes on after ${PAUSE_MS / 1000} s in which the enclave stood still`, () =>
      signer.pauseEnclave(PAUSE_MS),
    );
    await stage("goes on after kill -9 of the parent", () => signer.restartParent());
    await stage("goes on after kill -9 of the node", async () => {
      await node.kill();
      await node.start(tcp);
    });
    await stage("goes on over unix after a restart of the node", async () => {
      await node.stop();
      await node.start(unix);
    });
    await report.check("every commit is signed by our key alone, no evidence", async () => {
      const last = (await node.height()) - 1;
      if (last < HEIGHTS_PER_STAGE * 4) throw new Error(`only ${last} heights`);
      const { publicKey } = signer;
      const found = await verifyCommits(node, last, publicKey, home.validatorAddress);
      const rounds = `${found.laterRoundCount} in a later round`;
      return `${found.count} heights, ${rounds}, longest pause ${found.gapSeconds.toFixed(1)} s`;
    });
    if (app !== null) {
      await report.check("the application verified a vote extension of each height", async () => {
        const count = app.logCount("received and verified vote extension value");
        const height = await node.height();
        // Of height 1 the second block tells; each is verified by its proposer and as a proposal.
        if (count < height - 1) throw new Error(`${count} at height ${height}`);
        return `${count} verified up to height ${height}`;
      });
    }
    report.note(await figuresOf(signer));
  } finally {
    await node.stop();
    await app?.stop();
    await signer.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function figuresOf(signer: RealSigner): Promise<string> {
  const signed = await signer.metric("redoubt_privval_signed_total");
  const median = await signer.metric("redoubt_privval_latency_median_seconds");
  const refused = [...signer.refusals()].map(([code, count]) => `${code} ${count}`);
  return `signed ${signed} since the parent's last start, median ${(median * 1000).toFixed(1)} ms, \
refused: ${refused.length === 0 ? "nothing" : refused.join(", ")}`;
}
