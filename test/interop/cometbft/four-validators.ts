// A chain with four validators, of which one is ours and three have their key files: it goes on
// without us, so that it can be seen what becomes of a signer that is away for some heights, and
// the others would notice if it signed anything twice.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../scripts/local/free-ports.ts";
import { CometNode } from "./comet-node.ts";
import { makeNetworkHomes } from "./network-homes.ts";
import { type ExtensionParameter, nodeIdOf } from "./node-home.ts";
import { RealSigner } from "./real-signer.ts";
import type { Report } from "./report.ts";
import { countSigned, isSignedAt } from "./signed-commits.ts";

const VALIDATOR_COUNT = 4;
const HEIGHTS_PER_STAGE = 10;
/** Longer than a node waits for an answer (tendermint.md §1.5). */
const PAUSE_MS = 7000;
const RETURN_DEADLINE_MS = 60_000;
const POLL_MS = 100;
/** The node's own word for votes of one validator that contradict each other. */
const CONFLICT = "onflicting vote";

export async function checkFourValidators(
  report: Report,
  program: string,
  extensions: ExtensionParameter,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-node-"));
  const homes = makeNetworkHomes(program, folder, VALIDATOR_COUNT, extensions);
  const [signerPort = 0, ...ports] = await freePorts(1 + 2 * VALIDATOR_COUNT);
  const laddr = `tcp://127.0.0.1:${signerPort}`;
  const ids = homes.map((home) => nodeIdOf(program, home));
  const peersOf = (index: number): number => ports[2 * index + 1] ?? 0;
  const nodes = homes.map((home, index) => {
    const earlier = ids.slice(0, index).map((id, at) => `${id}@127.0.0.1:${peersOf(at)}`);
    const own = { rpc: ports[2 * index] ?? 0, peers: peersOf(index) };
    const peers = `--p2p.persistent_peers=${earlier.join(",")}`;
    return new CometNode(program, home, own, ["--proxy_app=kvstore", peers]);
  });
  const [home] = homes;
  const [, other] = nodes;
  if (home === undefined || other === undefined) throw new Error("there are four");
  const signer = await RealSigner.start(home.keyFile, [laddr]);
  const ours = { publicKey: signer.publicKey, address: home.validatorAddress };

  /** What is done while the others go on, and that our vote is in a commit again. */
  const stage = (name: string, act: () => Promise<unknown>): Promise<void> =>
    report.check(name, async () => {
      const startMs = performance.now();
      const before = Math.max(0, await other.height().catch(() => 0));
      await act();
      const meanwhile = (await other.height()) - before;
      await other.awaitHeight(before + HEIGHTS_PER_STAGE);
      const height = await awaitSigned(other, ours);
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      return `${meanwhile} heights meanwhile, signed again at ${height}, ${seconds} s in all`;
    });

  try {
    await stage("four validators, one of them ours, start", () =>
      Promise.all(nodes.map((node, index) => node.start(index === 0 ? laddr : null))),
    );
    await stage("the chain goes on over kill -9 of the enclave", () => signer.killEnclave());
    await stage(`and while the enclave stands still for ${PAUSE_MS / 1000} s`, async () => {
      const before = await other.height();
      await signer.pauseEnclave(PAUSE_MS);
      if ((await other.height()) === before) throw new Error("the chain stood still");
    });
    await stage("and over kill -9 of the parent", () => signer.restartParent());
    await report.check("our signatures are right, no conflicts, no evidence", async () => {
      const last = (await other.height()) - 1;
      const { signed, absent, nil } = await countSigned(other, last, ours);
      const conflicts = nodes.reduce((sum, node) => sum + node.logCount(CONFLICT), 0);
      if (conflicts > 0) throw new Error(`${conflicts} conflicting votes in the logs`);
      return `${last} heights: ours in ${signed}, absent from ${absent}, for nil in ${nil}`;
    });
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await signer.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of a commit that is made from now on. */
async function awaitSigned(
  node: CometNode,
  ours: { readonly publicKey: Uint8Array; readonly address: string },
): Promise<number> {
  const deadlineMs = performance.now() + RETURN_DEADLINE_MS;
  let height = await node.height();
  while (performance.now() < deadlineMs) {
    // The commit of the last height is not final before the next one.
    await node.awaitHeight(height + 1);
    if (await isSignedAt(node, height, ours)) return height;
    height += 1;
    await new Promise((settle) => setTimeout(settle, POLL_MS));
  }
  throw new Error(`our vote is not in the commits up to ${height}`);
}
