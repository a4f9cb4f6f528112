// What a tmkms.toml becomes here: chains with one key each, and the nodes to dial. It must never
// drop anything in silence: what is not carried over is in `leftOut` when a key or a chain is lost
// by it, in `notes` when only a setting is.

import { resolve } from "node:path";
import { encodeAddress } from "../../shared/address.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { KeyFormat, TmkmsConfig, TmkmsValidator } from "./config-schema.ts";
import { listForeignKeys, listSettings } from "./left-behind.ts";
import { type NodeAddress, parseNodeAddress } from "./node-address.ts";

/** Where a chain's key lies, and in which of the forms that `redoubt seal` opens. */
export type KeyFile = { readonly kind: "tmkms" | "json"; readonly path: string };

export type PlannedChain = {
  readonly chainId: string;
  readonly format: KeyFormat;
  /** `providers.softsign[0]`, for problems with the file. */
  readonly keyPlace: string;
  readonly keyFile: KeyFile;
  readonly stateFile: string;
  readonly maxHeight: bigint | null;
};

export type PlannedNode = { readonly chainId: string; readonly address: string };

export type MigrationPlan = {
  readonly chains: readonly PlannedChain[];
  readonly nodes: readonly PlannedNode[];
  readonly identityFile: string | null;
  /** Keys and chains that tmkms had and the new signer will not have. */
  readonly leftOut: readonly string[];
  /** Settings that are not carried over, and what is the case instead. */
  readonly notes: readonly string[];
};

type Entry<T> = T & { readonly at: string };

/** `folder` is where tmkms is started: its relative paths begin there. `only`: null for all. */
export function planMigration(
  config: TmkmsConfig,
  folder: string,
  only: ReadonlySet<string> | null,
): Result<MigrationPlan, readonly string[]> {
  const isMeant = (chainId: string): boolean => only?.has(chainId) ?? true;
  const all = placed(config.chain, "chain").filter(({ id }) => isMeant(id));
  const validators = placed(config.validator, "validator")
    .filter((v) => isMeant(v.chain_id))
    .map((v) => ({ ...v, address: parseNodeAddress(v.addr, folder) }));
  const problems = [...chainProblems(all), ...nodeProblems(validators, all)];
  const keys = keysByChain(config, folder, isMeant);
  problems.push(...keys.problems);
  const chains = all.flatMap(({ id, key_format: format, state_file: stateFile }) => {
    const key = keys.byChain.get(id);
    if (key === undefined) return [];
    const maxHeight = lowestHeight(validators.filter((v) => v.chain_id === id));
    const state = resolve(folder, stateFile ?? `${id}_priv_validator_state.json`);
    return [{ ...key, chainId: id, format, stateFile: state, maxHeight }];
  });
  if (problems.length > 0) return err(problems);
  if (chains.length === 0) return err(["no chain has a consensus key of softsign"]);
  const kept = validators.filter((v) => keys.byChain.has(v.chain_id));
  const left = all.filter(({ id }) => !keys.byChain.has(id));
  return ok({
    chains,
    nodes: kept.flatMap(({ address, chain_id: chainId }) =>
      address.ok ? [{ chainId, address: address.value }] : [],
    ),
    identityFile: identityOf(kept, folder),
    leftOut: [
      ...left.map(({ at, id }) => `${at} (${id}): softsign has no consensus key for it`),
      ...validators
        .filter((v) => !keys.byChain.has(v.chain_id))
        .map((v) => `${v.at} (${v.chain_id}): left out with its chain`),
      ...listForeignKeys(config, isMeant),
    ],
    notes: [...listSettings(config, isMeant), ...differences(kept, chains, folder)],
  });
}

function placed<T extends object>(items: readonly T[], name: string): readonly Entry<T>[] {
  return items.map((item, index) => ({ ...item, at: `${name}[${index}]` }));
}

function chainProblems(chains: readonly Entry<{ readonly id: string }>[]): readonly string[] {
  return chains
    .filter(({ id }, index) => chains.findIndex((other) => other.id === id) !== index)
    .map(({ at, id }) => `${at}.id: ${id} is listed twice`);
}

function nodeProblems(
  validators: readonly Entry<TmkmsValidator & { readonly address: NodeAddress }>[],
  chains: readonly { readonly id: string }[],
): readonly string[] {
  const seen = new Set<string>();
  return validators.flatMap(({ at, address, chain_id: chainId, secret_key: secretKey }) => {
    if (!chains.some(({ id }) => id === chainId)) {
      return [`${at}.chain_id: there is no [[chain]] ${chainId}`];
    }
    if (!address.ok) return [`${at}.addr: expected tcp://[peerid@]host:port or unix://path`];
    // One signer is served at a time: two dialers would take the node from each other for ever.
    const place = encodeAddress(address.place);
    const isTwice = seen.has(place);
    seen.add(place);
    const isTcp = address.place.kind === "tcp";
    return [
      ...(isTwice ? [`${at}.addr: listed twice`] : []),
      ...(isTcp && secretKey === undefined
        ? [`${at}.secret_key: required for a node over tcp`]
        : []),
    ];
  });
}

type ChainKey = Pick<PlannedChain, "keyPlace" | "keyFile">;

/** A key signs for one chain here: its record is that chain's (docs/decisions/0014). */
function keysByChain(
  config: TmkmsConfig,
  folder: string,
  isMeant: (chainId: string) => boolean,
): { readonly byChain: ReadonlyMap<string, ChainKey>; readonly problems: readonly string[] } {
  const byChain = new Map<string, ChainKey>();
  const problems: string[] = [];
  const known = new Set(config.chain.map(({ id }) => id));
  for (const [index, entry] of config.providers.softsign.entries()) {
    if (entry.key_type === "account") continue;
    const keyPlace = `providers.softsign[${index}]`;
    const ids = [...new Set(entry.chain_ids)].filter(isMeant);
    for (const id of ids) {
      if (!known.has(id)) problems.push(`${keyPlace}.chain_ids: there is no [[chain]] ${id}`);
      if (byChain.has(id)) problems.push(`${keyPlace}.chain_ids: ${id} has another key already`);
      const kind = entry.key_format === "json" ? "json" : "tmkms";
      byChain.set(id, { keyPlace, keyFile: { kind, path: resolve(folder, entry.path) } });
    }
    if (ids.length > 1) problems.push(`${keyPlace}.chain_ids: ${sharedKeyText(ids)}`);
  }
  return { byChain, problems };
}

export function sharedKeyText(chainIds: readonly string[]): string {
  return (
    `one key for ${chainIds.join(" and ")}, and a key has one chain here: an enclave for each, ` +
    "by --chain and a folder of its own"
  );
}

/** tmkms has a limit for each node. The lowest is never wider than any of them. */
function lowestHeight(validators: readonly TmkmsValidator[]): bigint | null {
  const heights = validators.flatMap(({ max_height: height }) => height ?? []);
  return heights.reduce<bigint | null>(
    (lowest, height) => (lowest === null || height < lowest ? height : lowest),
    null,
  );
}

function identityOf(validators: readonly TmkmsValidator[], folder: string): string | null {
  const file = validators.find((v) => v.secret_key !== undefined)?.secret_key;
  return file === undefined ? null : resolve(folder, file);
}

function differences(
  validators: readonly Entry<TmkmsValidator>[],
  chains: readonly PlannedChain[],
  folder: string,
): readonly string[] {
  const identity = identityOf(validators, folder);
  const others = validators.flatMap(({ at, secret_key: file }) =>
    file === undefined || resolve(folder, file) === identity
      ? []
      : [`${at}.secret_key: the parent shows one identity to all nodes, that of ${identity}`],
  );
  const heights = chains.flatMap(({ chainId, maxHeight }) => {
    const own = validators.filter((v) => v.chain_id === chainId);
    if (own.length === 0) return [`${chainId}: no [[validator]] has it, so no node is dialled`];
    return own
      .filter(({ max_height: height }) => (height ?? null) !== maxHeight)
      .map(({ at }) => `${at}.max_height: a chain has one limit here, the lowest: ${maxHeight}`);
  });
  return [...others, ...heights];
}
