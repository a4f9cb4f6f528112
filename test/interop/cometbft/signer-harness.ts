// Tendermint's own check of remote signers, `tm-signer-harness`, which CometBFT does not have any
// more: it listens as a node does, has the key file itself, and asks for the public key, a proposal
// and two votes. Its exit code says which answer was wrong.

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { freePorts } from "../../../scripts/local/free-ports.ts";
import { LoggedProcess } from "../../../scripts/local/logged-process.ts";
import { makeNodeHome } from "./node-home.ts";
import { RealSigner } from "./real-signer.ts";
import type { Report } from "./report.ts";

const OLD_GENESIS = z.looseObject({
  consensus_params: z.looseObject({ block: z.looseObject({}) }),
});

/** Tries of 10 ms each: the parent dials once a second. */
const ACCEPT_RETRIES = 1000;

/** `node` makes key and genesis; the harness has no command for it. */
export async function checkSignerHarness(
  report: Report,
  harness: string,
  node: string,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-node-"));
  const home = makeNodeHome(node, join(folder, "home"), null);
  const stateFile = join(home.folder, "data/priv_validator_state.json");
  mkdirSync(dirname(stateFile), { recursive: true });
  writeFileSync(stateFile, JSON.stringify({ height: "0", round: 0, step: 0 }));
  copyFileSync(home.keyFile, join(home.folder, "config/priv_validator_key.json"));
  writeOldGenesis(home.genesisFile);
  const [port = 0] = await freePorts(1);
  const addresses = [`tcp://127.0.0.1:${port}`, `unix://${join(folder, "privval.sock")}`];
  try {
    // What it asks for is below what it asked for before: each run has a signer of its own.
    for (const address of addresses) {
      const kind = address.slice(0, address.indexOf(":"));
      await report.check(`key, proposal and votes over ${kind}`, async () => {
        const signer = await RealSigner.start(home.keyFile, [address]);
        const startMs = performance.now();
        const args = ["run", "-accept-retries", `${ACCEPT_RETRIES}`, "-addr", address];
        const log = join(folder, `harness-${kind}.log`);
        const run = new LoggedProcess(harness, [...args, "-tmhome", home.folder], log);
        try {
          const code = await run.exited;
          if (code !== 0) throw new Error(`exit code ${code ?? "none"}:\n${run.logEnd()}`);
          return `exit code 0 after ${((performance.now() - startMs) / 1000).toFixed(1)} s`;
        } finally {
          await run.kill();
          await signer.stop();
        }
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** v0.34 demands a parameter that later versions do not write. */
function writeOldGenesis(file: string): void {
  const genesis = OLD_GENESIS.parse(JSON.parse(readFileSync(file, "utf8")));
  const { consensus_params: parameters } = genesis;
  const block = { ...parameters.block, time_iota_ms: "1" };
  const old = { ...genesis, consensus_params: { ...parameters, block } };
  writeFileSync(file, JSON.stringify(old, null, 2));
}
