// `fork_info`: under which fork of which network the client believes to be signing. It decides
// nothing. The network of the manifest does, and a request that resolves to another version is
// refused, so that a client (or the parent) can't get a signature for another chain or fork.

import { isEqualBytes } from "../../../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../../../shared/errors.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { member, readHex, readObject, readU64 } from "../../json.ts";
import {
  type EthereumFork,
  type EthereumNetwork,
  forkAt,
  forkNamed,
  isScheduled,
  ROOT_BYTES,
  VERSION_BYTES,
} from "./network.ts";

export type ForkInfo = {
  readonly previousVersion: Uint8Array;
  readonly currentVersion: Uint8Array;
  readonly epoch: bigint;
  readonly genesisValidatorsRoot: Uint8Array;
};

type ForkRefusal = Refusal<"NETWORK_MISMATCH" | "FORK_MISMATCH">;

/** Web3Signer: `fork_info: {fork, genesis_validators_root}`. */
export function readForkInfo(value: unknown, at: string): ForkInfo {
  const object = readObject(value, at);
  return readFork(
    member(object, "fork"),
    `${at}.fork`,
    member(object, "genesis_validators_root"),
    `${at}.genesis_validators_root`,
  );
}

/** EIP-3030: `fork` and `genesis_validators_root` side by side. */
export function readFork(fork: unknown, forkAt: string, root: unknown, rootAt: string): ForkInfo {
  const object = readObject(fork, forkAt);
  const previous = member(object, "previous_version");
  const current = member(object, "current_version");
  return {
    previousVersion: readHex(previous, `${forkAt}.previous_version`, VERSION_BYTES),
    currentVersion: readHex(current, `${forkAt}.current_version`, VERSION_BYTES),
    epoch: readU64(member(object, "epoch"), `${forkAt}.epoch`),
    genesisValidatorsRoot: readHex(root, rootAt, ROOT_BYTES),
  };
}

/**
 * The fork that counts at `epoch`, if `info` means the same. Its own epoch need not be the
 * network's: Lodestar states the epoch of the signing slot, and only the version goes into a
 * domain.
 */
export function decideFork(
  network: EthereumNetwork,
  info: ForkInfo,
  epoch: bigint,
): Result<EthereumFork, ForkRefusal> {
  const mismatch = mismatchOfNetwork(network, info);
  if (mismatch !== null) return err(mismatch);
  const fork = forkAt(network, epoch);
  const version = resolvedVersion(info, epoch);
  if (isEqualBytes(fork.version, version)) return ok(fork);
  return err(refusal("FORK_MISMATCH", fork.version, version));
}

/**
 * The fork whose version signs an exit. From Deneb on that is Capella's for good (EIP-7044), and
 * clients state anything from the present fork to Capella twice over; so any version of the network
 * will do. An exit may name an epoch of long ago, which doesn't say whether the chain has reached
 * Deneb: only when `fork_info` resolves to just the version of an epoch before Capella, the chain
 * must still be there, and the old rule holds.
 */
export function decideExitFork(
  network: EthereumNetwork,
  info: ForkInfo,
  epoch: bigint,
): Result<EthereumFork, ForkRefusal> {
  const capella = forkNamed(network, "capella");
  const deneb = forkNamed(network, "deneb");
  if (capella === undefined || deneb === undefined || !isScheduled(deneb)) {
    return decideFork(network, info, epoch);
  }
  const mismatch = mismatchOfNetwork(network, info);
  if (mismatch !== null) return err(mismatch);
  const version = resolvedVersion(info, epoch);
  const stated = network.forks.find((fork) => isEqualBytes(fork.version, version));
  if (stated === undefined) return err(refusal("FORK_MISMATCH", capella.version, version));
  const isBeforeCapella = epoch < capella.epoch && stated === forkAt(network, epoch);
  return ok(isBeforeCapella ? stated : capella);
}

function mismatchOfNetwork(
  network: EthereumNetwork,
  info: ForkInfo,
): Refusal<"NETWORK_MISMATCH"> | null {
  if (isEqualBytes(network.genesisValidatorsRoot, info.genesisValidatorsRoot)) return null;
  return refusal("NETWORK_MISMATCH", network.genesisValidatorsRoot, info.genesisValidatorsRoot);
}

/** consensus-specs get_domain: before the fork's epoch the previous version, then the current. */
function resolvedVersion(info: ForkInfo, epoch: bigint): Uint8Array {
  return epoch < info.epoch ? info.previousVersion : info.currentVersion;
}
