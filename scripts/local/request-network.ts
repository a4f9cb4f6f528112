// What sample requests need to know of a network, from what the enclave knows of it.

import {
  type EthereumNetwork,
  epochOf,
  forkAt,
  genesisFork,
} from "../../enclave/core/chains/ethereum/network.ts";
import { PRESETS } from "../../enclave/core/chains/ethereum/preset.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { RequestNetwork } from "./requests.ts";

export function requestNetworkOf(network: EthereumNetwork, slot: number): RequestNetwork {
  const fork = forkAt(network, epochOf(network, BigInt(Math.max(0, slot))));
  const preset = PRESETS[network.preset];
  return {
    slotsPerEpoch: Number(network.slotsPerEpoch),
    genesisValidatorsRoot: encodePrefixedHex(network.genesisValidatorsRoot),
    genesisVersion: encodePrefixedHex(genesisFork(network).version),
    fork: {
      name: fork.name.toUpperCase(),
      version: encodePrefixedHex(fork.version),
      epoch: String(fork.epoch),
    },
    syncBitsBytes: preset.syncCommitteeSize / 4 / 8,
    committeeBitsBytes: Math.ceil(preset.committeesPerSlotMax / 8),
  };
}
