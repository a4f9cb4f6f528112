// A chain with four validators, of which one is ours and three have their key files: it goes on
// without us, so that it can be seen what becomes of a signer that is away for some heights, and
// the others would notice if it signed anything twice.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../scripts/local/free-ports.ts";
import { makeNetworkHomes } from "./network-homes.ts";
import type { ExtensionParameter } from "./node-home.ts";
import { checkNoConflict, makeMesh } from "./node-mesh.ts";
import { RealSigner } from "./real-signer.ts";
import type { Report } from "./report.ts";
import { awaitSigned, countSigned } from "./signed-commits.ts";

const VALIDATOR_COUNT = 4;
const HEIGHTS_PER_STAGE = 10;
/** Longer than a node waits for an answer (tendermint.md §1.5). */
const PAUSE_MS = 7000;

export async function checkFourValidators(
  report: Report,
  program: string,
  extensions: ExtensionParameter,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-node-"));
  const homes = makeNetworkHomes(program, folder, VALIDATOR_COUNT, extensions);
  const [signerPort = 0] = await freePorts(1);
  const laddr = `tcp://127.0.0.1:${signerPort}`;
  const nodes = await makeMesh(program, homes);
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
      const { signed, absent, nil } = await countSigned(other, 1, last, ours);
      checkNoConflict(nodes);
      return `${last} heights: ours in ${signed}, absent from ${absent}, for nil in ${nil}`;
    });
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await signer.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
