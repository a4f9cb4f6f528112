// Domains: what a signature is for, on which network and under which fork (consensus-specs
// compute_domain and compute_signing_root). A wrong domain here turns one kind of message into
// another, so all of them are in one table and are computed once per network and fork.

import { invariant } from "../../../../shared/invariant.ts";
import { CHUNK_BYTES, chunkOfBytes, hashPair, ZERO_CHUNK } from "./merkle.ts";
import { type EthereumFork, type EthereumNetwork, genesisFork } from "./network.ts";

/** The four bytes of each domain type, in order. */
export const DOMAIN_TYPES = {
  BEACON_PROPOSER: [0x00, 0, 0, 0],
  BEACON_ATTESTER: [0x01, 0, 0, 0],
  RANDAO: [0x02, 0, 0, 0],
  DEPOSIT: [0x03, 0, 0, 0],
  VOLUNTARY_EXIT: [0x04, 0, 0, 0],
  SELECTION_PROOF: [0x05, 0, 0, 0],
  AGGREGATE_AND_PROOF: [0x06, 0, 0, 0],
  SYNC_COMMITTEE: [0x07, 0, 0, 0],
  SYNC_COMMITTEE_SELECTION_PROOF: [0x08, 0, 0, 0],
  CONTRIBUTION_AND_PROOF: [0x09, 0, 0, 0],
  BEACON_BUILDER: [0x0b, 0, 0, 0],
  PTC_ATTESTER: [0x0c, 0, 0, 0],
  PROPOSER_PREFERENCES: [0x0d, 0, 0, 0],
  APPLICATION_BUILDER: [0x00, 0, 0, 1],
  BUILDER_REQUEST_AUTH: [0x0b, 0, 0, 1],
} as const;

export type DomainName = keyof typeof DOMAIN_TYPES;

type DomainTable = Map<EthereumFork | "genesis", Map<DomainName, Uint8Array>>;

/** At most domains × (forks + 1) entries per network, because both are closed sets. */
const CACHE = new WeakMap<EthereumNetwork, DomainTable>();

/** The domain of messages on this network under one of its forks. */
export function domainFor(
  network: EthereumNetwork,
  name: DomainName,
  fork: EthereumFork,
): Uint8Array {
  const cached = CACHE.get(network)?.get(fork)?.get(name);
  if (cached !== undefined) return cached;
  invariant(network.forks.includes(fork), "the fork is one of the network's");
  const domain = computeDomain(name, fork.version, network.genesisValidatorsRoot);
  remember(network, fork, name, domain);
  return domain;
}

/**
 * The domain of messages that hold on every fork and before genesis: deposits and the builder
 * API's. They bind the genesis version, and no genesis validators root.
 */
export function genesisDomainFor(network: EthereumNetwork, name: DomainName): Uint8Array {
  const cached = CACHE.get(network)?.get("genesis")?.get(name);
  if (cached !== undefined) return cached;
  const domain = computeDomain(name, genesisFork(network).version, ZERO_CHUNK);
  remember(network, "genesis", name, domain);
  return domain;
}

export function signingRootOf(objectRoot: Uint8Array, domain: Uint8Array): Uint8Array {
  return hashPair(objectRoot, domain);
}

function computeDomain(name: DomainName, version: Uint8Array, root: Uint8Array): Uint8Array {
  const forkDataRoot = hashPair(chunkOfBytes(version), root);
  const domain = new Uint8Array(CHUNK_BYTES);
  domain.set(DOMAIN_TYPES[name]);
  domain.set(forkDataRoot.subarray(0, CHUNK_BYTES - 4), 4);
  return domain;
}

function remember(
  network: EthereumNetwork,
  fork: EthereumFork | "genesis",
  name: DomainName,
  domain: Uint8Array,
): void {
  const table: DomainTable = CACHE.get(network) ?? new Map<never, never>();
  CACHE.set(network, table);
  const domains = table.get(fork) ?? new Map<DomainName, Uint8Array>();
  table.set(fork, domains);
  domains.set(name, domain);
}
