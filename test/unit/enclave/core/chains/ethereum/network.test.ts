import assert from "node:assert/strict";
import { test } from "node:test";
import { createForkConfig } from "@lodestar/config";
import { genesisData, networksChainConfig } from "@lodestar/config/networks";
import { gnosisPreset } from "@lodestar/params/presets/gnosis";
import { mainnetPreset } from "@lodestar/params/presets/mainnet";
import { minimalPreset } from "@lodestar/params/presets/minimal";
import {
  type EthereumNetwork,
  epochOf,
  FAR_FUTURE_EPOCH,
  FORK_NAMES,
  forkAt,
  forkAtSlot,
  isFrom,
} from "../../../../../../enclave/core/chains/ethereum/network.ts";
import {
  ATTESTATIONS_MAX,
  ATTESTER_SLASHINGS_MAX,
  BLOB_COMMITMENTS_PER_BLOCK_MAX,
  BUILDER_DEPOSIT_REQUESTS_PER_PAYLOAD_MAX,
  BUILDER_EXIT_REQUESTS_PER_PAYLOAD_MAX,
  CONSOLIDATION_REQUESTS_PER_PAYLOAD_MAX,
  DEPOSITS_MAX,
  EXTRA_DATA_BYTES_MAX,
  INCLUSION_LIST_COMMITTEE_SIZE,
  LOGS_BLOOM_BYTES,
  PRESETS,
  PROPOSER_SLASHINGS_MAX,
  TRANSACTION_BYTES_MAX,
  TRANSACTIONS_PER_PAYLOAD_MAX,
  VALIDATORS_PER_COMMITTEE_MAX,
  VOLUNTARY_EXITS_MAX,
  WITHDRAWAL_REQUESTS_PER_PAYLOAD_MAX,
} from "../../../../../../enclave/core/chains/ethereum/preset.ts";
import {
  PUBLIC_NETWORKS,
  publicNetwork,
} from "../../../../../../enclave/core/chains/ethereum/public-network.ts";
import { encodePrefixedHex } from "../../../../../../shared/bytes/hex.ts";

const NAMES = ["mainnet", "hoodi", "sepolia", "gnosis", "chiado"] as const;
const PRESET_OF = { mainnet: "mainnet", hoodi: "mainnet", sepolia: "mainnet" } as const;

function network(name: string): EthereumNetwork {
  const found = publicNetwork(name);
  assert(found !== undefined);
  return found;
}

test("the public networks are those of @lodestar/config", () => {
  assert.deepEqual(
    PUBLIC_NETWORKS.map(({ name }) => name),
    NAMES,
  );
  assert.equal(publicNetwork("Mainnet"), undefined);
  for (const name of NAMES) {
    const ours = network(name);
    const theirs = networksChainConfig[name];
    assert.equal(ours.genesisTimeMs, genesisData[name].genesisTime * 1000, name);
    assert.equal(
      encodePrefixedHex(ours.genesisValidatorsRoot),
      genesisData[name].genesisValidatorsRoot,
    );
    assert.equal(ours.slotDurationMs, theirs.SLOT_DURATION_MS, name);
    assert.equal(ours.slotDurationMs, theirs.SECONDS_PER_SLOT * 1000, name);
    const isGnosis = name === "gnosis" || name === "chiado";
    assert.equal(ours.preset, isGnosis ? "gnosis" : PRESET_OF[name]);
    const { forks } = createForkConfig(theirs);
    for (const fork of ours.forks) {
      const their = forks[fork.name];
      const epoch = their.epoch === Infinity ? FAR_FUTURE_EPOCH : BigInt(their.epoch);
      assert.equal(fork.epoch, epoch, `${name} ${fork.name}`);
      assert.deepEqual(Buffer.from(fork.version), Buffer.from(their.version));
    }
    assert.deepEqual(
      ours.forks.map((fork) => fork.name),
      FORK_NAMES.slice(0, 8),
    );
  }
});

test("the presets are those of @lodestar/params", () => {
  const theirs = { mainnet: mainnetPreset, minimal: minimalPreset, gnosis: gnosisPreset };
  for (const [name, their] of Object.entries(theirs)) {
    const preset = Object.entries(PRESETS).find(([ours]) => ours === name)?.[1];
    assert.deepEqual(preset, {
      slotsPerEpoch: BigInt(their.SLOTS_PER_EPOCH),
      committeesPerSlotMax: their.MAX_COMMITTEES_PER_SLOT,
      syncCommitteeSize: their.SYNC_COMMITTEE_SIZE,
      withdrawalsPerPayloadMax: their.MAX_WITHDRAWALS_PER_PAYLOAD,
    });
    for (const [ours, constant] of [
      [VALIDATORS_PER_COMMITTEE_MAX, their.MAX_VALIDATORS_PER_COMMITTEE],
      [PROPOSER_SLASHINGS_MAX, their.MAX_PROPOSER_SLASHINGS],
      [ATTESTER_SLASHINGS_MAX, their.MAX_ATTESTER_SLASHINGS],
      [ATTESTATIONS_MAX, their.MAX_ATTESTATIONS],
      [DEPOSITS_MAX, their.MAX_DEPOSITS],
      [VOLUNTARY_EXITS_MAX, their.MAX_VOLUNTARY_EXITS],
      [EXTRA_DATA_BYTES_MAX, their.MAX_EXTRA_DATA_BYTES],
      [LOGS_BLOOM_BYTES, their.BYTES_PER_LOGS_BLOOM],
      [TRANSACTION_BYTES_MAX, their.MAX_BYTES_PER_TRANSACTION],
      [TRANSACTIONS_PER_PAYLOAD_MAX, their.MAX_TRANSACTIONS_PER_PAYLOAD],
      [BLOB_COMMITMENTS_PER_BLOCK_MAX, their.MAX_BLOB_COMMITMENTS_PER_BLOCK],
      [WITHDRAWAL_REQUESTS_PER_PAYLOAD_MAX, their.MAX_WITHDRAWAL_REQUESTS_PER_PAYLOAD],
      [CONSOLIDATION_REQUESTS_PER_PAYLOAD_MAX, their.MAX_CONSOLIDATION_REQUESTS_PER_PAYLOAD],
      [BUILDER_DEPOSIT_REQUESTS_PER_PAYLOAD_MAX, their.MAX_BUILDER_DEPOSIT_REQUESTS_PER_PAYLOAD],
      [BUILDER_EXIT_REQUESTS_PER_PAYLOAD_MAX, their.MAX_BUILDER_EXIT_REQUESTS_PER_PAYLOAD],
      [INCLUSION_LIST_COMMITTEE_SIZE, their.INCLUSION_LIST_COMMITTEE_SIZE],
    ] as const) {
      assert.equal(ours, constant, name);
    }
  }
});

test("forkAt changes at a fork's epoch and not one before", () => {
  const mainnet = network("mainnet");
  assert.equal(forkAt(mainnet, 0n).name, "phase0");
  assert.equal(forkAt(mainnet, 74_239n).name, "phase0");
  assert.equal(forkAt(mainnet, 74_240n).name, "altair");
  assert.equal(forkAt(mainnet, 411_391n).name, "electra");
  assert.equal(forkAt(mainnet, 411_392n).name, "fulu");
  assert.equal(forkAtSlot(mainnet, 411_392n * 32n - 1n).name, "electra");
  assert.equal(forkAtSlot(mainnet, 411_392n * 32n).name, "fulu");
});

test("forkAt never takes a fork that is not scheduled, not even at its nominal epoch", () => {
  assert.equal(forkAt(network("mainnet"), FAR_FUTURE_EPOCH).name, "fulu");
});

test("forkAt takes the last of several forks at one epoch", () => {
  assert.equal(forkAt(network("hoodi"), 0n).name, "deneb");
});

test("epochOf divides by the preset's slots", () => {
  assert.equal(epochOf(network("mainnet"), 63n), 1n);
  assert.equal(epochOf(network("gnosis"), 63n), 3n);
});

test("isFrom orders the forks", () => {
  assert(isFrom("gloas", "gloas") && isFrom("heze", "gloas") && !isFrom("fulu", "gloas"));
});
