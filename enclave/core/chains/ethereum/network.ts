// What the signer knows of an Ethereum network: when it started, how long its slots are, and which
// fork version counts from which epoch on. It comes from the image (`public-network.ts`) or from
// the measured manifest (`custom-network.ts`), never from a request.

import { invariant } from "../../../../shared/invariant.ts";
import { U64_MAX } from "../../json.ts";
import { PRESETS, type PresetName } from "./preset.ts";

/** In the order in which they can only be activated. */
export const FORK_NAMES = [
  "phase0",
  "altair",
  "bellatrix",
  "capella",
  "deneb",
  "electra",
  "fulu",
  "gloas",
  "heze",
] as const;

export type ForkName = (typeof FORK_NAMES)[number];

/** The epoch of a fork that is not scheduled yet (consensus-specs: FAR_FUTURE_EPOCH). */
export const FAR_FUTURE_EPOCH = U64_MAX;

export const VERSION_BYTES = 4;
export const ROOT_BYTES = 32;

export type EthereumFork = {
  readonly name: ForkName;
  readonly version: Uint8Array;
  readonly epoch: bigint;
};

export type EthereumNetwork = {
  readonly name: string;
  readonly preset: PresetName;
  readonly genesisTimeMs: number;
  readonly slotDurationMs: number;
  readonly slotsPerEpoch: bigint;
  readonly genesisValidatorsRoot: Uint8Array;
  /** Without gaps from phase0 (at epoch 0) on, epochs never falling, versions all different. */
  readonly forks: readonly EthereumFork[];
};

export type NetworkFacts = Omit<EthereumNetwork, "slotsPerEpoch">;

/** Why the facts are no network: the name of the field; null when they are one. */
export function flawOfNetwork(facts: NetworkFacts): keyof NetworkFacts | null {
  if (facts.genesisValidatorsRoot.length !== ROOT_BYTES) return "genesisValidatorsRoot";
  if (facts.forks.length === 0 || facts.forks.length > FORK_NAMES.length) return "forks";
  const versions = new Set<string>();
  let epoch = 0n;
  for (const [index, fork] of facts.forks.entries()) {
    if (fork.name !== FORK_NAMES[index]) return "forks";
    if (fork.version.length !== VERSION_BYTES || fork.epoch < epoch) return "forks";
    if (index === 0 && fork.epoch !== 0n) return "forks";
    epoch = fork.epoch;
    versions.add(fork.version.join());
  }
  // A version that two forks share would make their signatures interchangeable.
  return versions.size === facts.forks.length ? null : "forks";
}

export function networkOf(facts: NetworkFacts): EthereumNetwork {
  invariant(flawOfNetwork(facts) === null, `${facts.name} is not a network`);
  return { ...facts, slotsPerEpoch: PRESETS[facts.preset].slotsPerEpoch };
}

export function epochOf(network: EthereumNetwork, slot: bigint): bigint {
  return slot / network.slotsPerEpoch;
}

export function isScheduled(fork: EthereumFork): boolean {
  return fork.epoch !== FAR_FUTURE_EPOCH;
}

/** The fork whose rules and version count at an epoch. */
export function forkAt(network: EthereumNetwork, epoch: bigint): EthereumFork {
  for (let index = network.forks.length - 1; index >= 0; index--) {
    const fork = network.forks[index];
    if (fork !== undefined && isScheduled(fork) && fork.epoch <= epoch) return fork;
  }
  return genesisFork(network);
}

export function forkAtSlot(network: EthereumNetwork, slot: bigint): EthereumFork {
  return forkAt(network, epochOf(network, slot));
}

export function genesisFork(network: EthereumNetwork): EthereumFork {
  const genesis = network.forks[0];
  invariant(genesis !== undefined, "a network has at least phase0");
  return genesis;
}

export function forkNamed(network: EthereumNetwork, name: ForkName): EthereumFork | undefined {
  return network.forks.find((fork) => fork.name === name);
}

/** Whether a fork is `other` or a later one. */
export function isFrom(fork: ForkName, other: ForkName): boolean {
  return FORK_NAMES.indexOf(fork) >= FORK_NAMES.indexOf(other);
}
