// One validator of four, on two machines: each has a node, and an enclave with the key, and both
// enclaves have their records in one table. Both nodes vote and propose at every height. One
// machine's signer is killed for good, and the other has to go on with the validator's votes.
//
// Not a chain of one validator: there the last block may be known to the node of the dead signer
// alone, which tells nobody of it while it waits for its signer.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../scripts/local/free-ports.ts";
import { makeNetworkHomes } from "./network-homes.ts";
import { type ExtensionParameter, makeSecondHome } from "./node-home.ts";
import { checkNoConflict, makeMesh } from "./node-mesh.ts";
import { RealSigner } from "./real-signer.ts";
import type { Report } from "./report.ts";
import { SecondSigner } from "./second-signer.ts";
import { awaitSigned, countSigned } from "./signed-commits.ts";

const VALIDATOR_COUNT = 4;
const HEIGHTS_TOGETHER = 15;
const HEIGHTS_ALONE = 15;

export async function checkTwoSigners(
  report: Report,
  program: string,
  extensions: ExtensionParameter,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-node-"));
  const [homeA, ...others] = makeNetworkHomes(program, folder, VALIDATOR_COUNT, extensions);
  if (homeA === undefined) throw new Error("there are four");
  const homeB = makeSecondHome(program, join(folder, "second"), homeA);
  const [portA = 0, portB = 0] = await freePorts(2);
  const [laddrA, laddrB] = [`tcp://127.0.0.1:${portA}`, `tcp://127.0.0.1:${portB}`];
  const nodes = await makeMesh(program, [...others, homeA, homeB]);
  const signerAddresses = [...others.map(() => null), laddrA, laddrB];
  const [other] = nodes;
  if (other === undefined) throw new Error("there are five");
  const first = await RealSigner.start(homeA.keyFile, [laddrA], "dynamodb");
  const ours = { publicKey: first.publicKey, address: homeA.validatorAddress };
  let second: SecondSigner | null = null;
  let killedAt = 0;
  try {
    second = await SecondSigner.start(first, [laddrB]);
    await report.check("two signers on one table, a node each, of one validator", async () => {
      const startMs = performance.now();
      await Promise.all(nodes.map((node, at) => node.start(signerAddresses[at] ?? null)));
      await other.awaitHeight(HEIGHTS_TOGETHER);
      const height = await awaitSigned(other, ours);
      return `signed at height ${height}, ${secondsSince(startMs)}`;
    });
    await report.check("the other goes on when one signer is killed for good", async () => {
      await first.killForGood();
      const startMs = performance.now();
      killedAt = await other.height();
      const height = await awaitSigned(other, ours);
      await other.awaitHeight(killedAt + HEIGHTS_ALONE);
      return `killed at height ${killedAt}, signed at ${height}, ${secondsSince(startMs)} in all`;
    });
    await report.check("its signatures are right, no conflicts, no evidence", async () => {
      const last = (await other.height()) - 1;
      const all = await countSigned(other, 1, last, ours);
      const alone = await countSigned(other, killedAt + 1, last, ours);
      checkNoConflict(nodes);
      return `in ${all.signed} of ${last} commits, ${alone.signed} of ${last - killedAt} by one alone`;
    });
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await second?.stop();
    await first.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function secondsSince(startMs: number): string {
  return `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
}
