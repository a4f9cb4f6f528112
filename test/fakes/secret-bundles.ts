// Bundles of a local run, moved from their folder into the local Secrets Manager with `redoubt seal
// --send`, and the parent's configuration pointed there.

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { BundleSource } from "../../parent/ops/config.ts";
import { PARTIAL_COST } from "../../scripts/cli/partial-file.ts";
import { runSeal } from "../../scripts/cli/seal.ts";
import type { Layout } from "../../scripts/local/layout.ts";
import { REGION } from "../../scripts/local/setup.ts";

const PREFIX = "redoubt/bundles";

export async function moveBundlesToSecrets(layout: Layout, awsPort: number): Promise<void> {
  for (const name of readdirSync(layout.bundleFolder)) {
    const file = join(layout.bundleFolder, name);
    await sendBundle(layout, awsPort, file);
    rmSync(file);
  }
  const source: BundleSource = {
    kind: "secrets-manager",
    region: REGION,
    prefix: PREFIX,
    endpoint: `https://127.0.0.1:${awsPort}`,
    caFile: layout.caCertificate,
  };
  const config = z.looseObject({}).parse(JSON.parse(readFileSync(layout.parentConfig, "utf8")));
  writeFileSync(layout.parentConfig, JSON.stringify({ ...config, bundles: [source] }));
}

async function sendBundle(layout: Layout, awsPort: number, file: string): Promise<void> {
  let stderr = "";
  const args = [
    ["--send", file],
    ["--to-secrets-manager", PREFIX],
    ["--secrets-endpoint", `https://127.0.0.1:${awsPort}`],
    ["--kms-ca", layout.caCertificate],
    ["--credentials", layout.sealingCredentials],
  ].flat();
  const exitCode = await runSeal(args, {
    stdout: { write: () => true },
    stderr: { write: (text) => (stderr += text) },
    signal: new AbortController().signal,
    nowMs: Date.now,
    generateDataKey: null,
    secrets: null,
    partialCost: PARTIAL_COST,
  });
  if (exitCode !== 0) throw new Error(`redoubt seal --send: ${stderr}`);
}
