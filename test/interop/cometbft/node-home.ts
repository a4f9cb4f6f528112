// The home folder of a real node: made by the node's own `init`, then with fast blocks, the chain
// that our local signer knows, and vote extensions from the first height where the version has
// them. Its key is moved out: the node must have no key by which it could sign without us.

import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { LOCAL_CHAIN_ID } from "../../../scripts/local/consensus-setup.ts";

const INIT_DEADLINE_MS = 60_000;

/** Where the genesis says from which height on precommits carry extensions; null: never. */
export type ExtensionParameter = "abci" | "feature" | null;

const GENESIS = z.looseObject({
  consensus_params: z
    .object({ block: z.looseObject({ time_iota_ms: z.string().optional() }) })
    .catchall(z.unknown()),
  validators: z.tuple([z.looseObject({ address: z.string() })]),
});

/** Milliseconds: a height takes about as long as the commit, a lost proposal as long as propose. */
const TIMEOUTS: Readonly<Record<string, number>> = {
  timeout_propose: 1000,
  timeout_prevote: 300,
  timeout_precommit: 300,
  timeout_vote: 300,
  timeout_commit: 150,
};

export type NodeHome = {
  readonly folder: string;
  /** `priv_validator_key.json`, for the signer alone. */
  readonly keyFile: string;
  readonly genesisFile: string;
  /** The only validator, upper-case hex. */
  readonly validatorAddress: string;
};

export function makeNodeHome(
  program: string,
  folder: string,
  extensions: ExtensionParameter,
): NodeHome {
  const done = spawnSync(program, ["init", "--home", folder], {
    encoding: "utf8",
    timeout: INIT_DEADLINE_MS,
  });
  if (done.status !== 0) throw new Error(`init failed: ${done.stderr.slice(-500)}`);
  const genesisFile = join(folder, "config/genesis.json");
  const genesis = GENESIS.parse(JSON.parse(readFileSync(genesisFile, "utf8")));
  const parameters: Record<string, unknown> = { ...genesis.consensus_params };
  const { block } = genesis.consensus_params;
  // v0.34 alone: by as much two blocks differ at least, however fast they come.
  if (block.time_iota_ms !== undefined) parameters["block"] = { ...block, time_iota_ms: "1" };
  if (extensions !== null) {
    const before = parameters[extensions];
    const height = { vote_extensions_enable_height: "1" };
    parameters[extensions] = { ...Object(before), ...height };
  }
  const changed = { ...genesis, chain_id: LOCAL_CHAIN_ID, consensus_params: parameters };
  writeFileSync(genesisFile, JSON.stringify(changed, null, 2));
  writeConfig(folder);
  const keyFile = join(folder, "validator-key.json");
  renameSync(join(folder, "config/priv_validator_key.json"), keyFile);
  rmSync(join(folder, "data/priv_validator_state.json"));
  return { folder, keyFile, genesisFile, validatorAddress: genesis.validators[0].address };
}

/** Of another node of the same chain, with the same validator. */
export function makeSecondHome(program: string, folder: string, first: NodeHome): NodeHome {
  const home = makeNodeHome(program, folder, null);
  copyFileSync(first.genesisFile, home.genesisFile);
  return { ...home, keyFile: first.keyFile, validatorAddress: first.validatorAddress };
}

/** By which its peers know a node. */
export function nodeIdOf(program: string, home: NodeHome): string {
  return shownId(program, home, [], /^[0-9a-f]{40}$/);
}

/** The same key by its libp2p name, which a signer over Noise has to pin. From v0.40 on. */
export function noiseIdOf(program: string, home: NodeHome): string {
  return shownId(program, home, ["--libp2p"], /^12D3Koo[1-9A-Za-z]+$/);
}

function shownId(
  program: string,
  { folder }: NodeHome,
  more: readonly string[],
  pattern: RegExp,
): string {
  const done = spawnSync(program, ["show-node-id", "--home", folder, ...more], {
    encoding: "utf8",
    timeout: INIT_DEADLINE_MS,
  });
  const id = done.stdout.trim();
  if (!pattern.test(id)) throw new Error(`no node id: ${id} ${done.stderr.slice(-500)}`);
  return id;
}

function writeConfig(folder: string): void {
  const path = join(folder, "config/config.toml");
  let text = readFileSync(path, "utf8");
  for (const [name, ms] of Object.entries(TIMEOUTS)) {
    text = text.replace(new RegExp(`^${name} = .*$`, "m"), `${name} = "${ms}ms"`);
  }
  // Peers on the loopback address are no routable ones.
  text = text.replace(/^addr_book_strict = .*$/m, "addr_book_strict = false");
  text = text.replace(/^allow_duplicate_ip = .*$/m, "allow_duplicate_ip = true");
  text = text.replace(/^pprof_laddr = .*$/m, 'pprof_laddr = ""');
  writeFileSync(path, text);
}
