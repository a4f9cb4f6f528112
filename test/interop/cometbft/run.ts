// `npm run test:cometbft`: nodes of CometBFT as they are released, compiled here with Go, against
// our signer as processes; a node of ours has no key but the signer's. By default the versions that
// most chains run; `REDOUBT_COMETBFT=all` takes every line. Fails without Go. The last line is
// `N passed, N failed`.

import { basename, join, resolve } from "node:path";
import { buildGo, type GoProgram, goVersion } from "../../../scripts/local/go-program.ts";
import { print, Results } from "../results.ts";
import { checkFourValidators } from "./four-validators.ts";
import type { ExtensionParameter } from "./node-home.ts";
import { checkOneValidator } from "./one-validator.ts";
import { checkOverNoise } from "./over-noise.ts";
import { Report } from "./report.ts";
import { checkSignerHarness } from "./signer-harness.ts";
import { checkTwoSentries } from "./two-sentries.ts";
import { checkTwoSigners } from "./two-signers.ts";

const FOLDER = resolve(import.meta.dirname, "../../..", ".redoubt/interop/cometbft");

const LOCK_FOLDER = join(import.meta.dirname, "tendermint");

type NodeVersion = {
  readonly node: GoProgram;
  /** Where extensions are demanded, the application of the version's own tests. */
  readonly app: GoProgram | null;
  readonly extensions: ExtensionParameter;
};

const USUAL_VERSION = cometbft("v0.38.26", "abci");
const ALWAYS: readonly NodeVersion[] = [USUAL_VERSION, cometbft("v1.0.1", "feature")];
/** The first that has Noise. */
const NOISE_VERSION = cometbft("v0.40.0", "abci");
const OTHERS: readonly NodeVersion[] = [
  { node: tendermint("cmd/tendermint"), app: null, extensions: null },
  cometbft("v0.37.18", null),
  cometbft("v0.39.4", "abci"),
  NOISE_VERSION,
  // Its application gives each vote an extension without a height too, which is not signed.
  { ...cometbft("v2.0.0-rc1", "feature"), app: null },
];
const HARNESS = tendermint("tools/tm-signer-harness");

function cometbft(version: string, extensions: ExtensionParameter): NodeVersion {
  // From v2 on a module's path names its major version.
  const major = /^v([2-9]|\d\d+)\./.exec(version)?.[1];
  const module = `github.com/cometbft/cometbft${major === undefined ? "" : `/v${major}`}`;
  const at = (path: string): GoProgram => ({
    path: `${module}/${path}`,
    version,
    lockFolder: null,
  });
  const app = extensions === null ? null : at("test/e2e/node");
  return { node: at("cmd/cometbft"), app, extensions };
}

/** Its last version; without a lock its modules are not found any more. */
function tendermint(path: string): GoProgram {
  const module = "github.com/tendermint/tendermint";
  return { path: `${module}/${path}`, version: "v0.34.24", lockFolder: LOCK_FOLDER };
}

function nameOf({ path, version }: GoProgram): string {
  return `${basename(path)} ${version}`;
}

/** Null when it can't be had, which counts as failed. */
async function build(report: Report, program: GoProgram): Promise<string | null> {
  let file: string | null = null;
  await report.check(`${basename(program.path)} compiled`, () => {
    const built = buildGo(program, FOLDER);
    file = built.file;
    const took = built.seconds === 0 ? "by an earlier run" : `${built.seconds.toFixed(0)} s`;
    return Promise.resolve(took);
  });
  return file;
}

async function checkVersion(report: Report, version: NodeVersion): Promise<void> {
  const node = await build(report, version.node);
  const app = version.app === null ? null : await build(report, version.app);
  if (node === null || (app === null && version.app !== null)) return;
  await checkOneValidator(report, { node, app, extensions: version.extensions });
  if (version === NOISE_VERSION) await checkOverNoise(report, node);
  if (version === USUAL_VERSION) await checkSeveralNodes(report, node, version.extensions);
}

async function checkSeveralNodes(
  report: Report,
  node: string,
  extensions: ExtensionParameter,
): Promise<void> {
  await checkTwoSentries(report, node, extensions);
  await checkTwoSigners(report, node, extensions);
  await checkFourValidators(report, node, extensions);
}

/** What fails outside of a check, as setting up does, counts too. */
async function guarded(report: Report, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    await report.check("setting up", () => Promise.reject(error));
  }
}

async function main(): Promise<number> {
  const results = new Results();
  const go = goVersion();
  if (go === null) {
    results.fail("real nodes", "Go is not installed, so none could be compiled");
    return results.close();
  }
  const isAll = process.env["REDOUBT_COMETBFT"] === "all";
  const versions = isAll ? [...ALWAYS, ...OTHERS] : ALWAYS;
  print(`# ${go}; ${versions.map(({ node }) => nameOf(node)).join(", ")}`);
  if (!isAll) {
    const others = OTHERS.map(({ node }) => nameOf(node)).join(", ");
    print(`# not run: ${others} (REDOUBT_COMETBFT=all runs them too)`);
  }
  for (const version of versions) {
    const report = new Report(results, nameOf(version.node));
    await guarded(report, () => checkVersion(report, version));
  }
  const report = new Report(results, nameOf(HARNESS));
  await guarded(report, async () => {
    const harness = await build(report, HARNESS);
    const node = await build(report, USUAL_VERSION.node);
    if (harness !== null && node !== null) await checkSignerHarness(report, harness, node);
  });
  return results.close();
}

process.exitCode = await main();
// Children are stopped by now; whatever still holds the event loop is not waited for.
process.exit();
