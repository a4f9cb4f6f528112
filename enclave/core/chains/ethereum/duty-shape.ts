// What validators sign besides blocks and attestations, until Fulu: aggregates, sync committee
// messages, deposits and builder registrations (consensus-specs phase0, altair and electra
// validator.md; builder-specs bellatrix/builder.md).

import { ATTESTATION_DATA, PHASE0_ATTESTATION } from "./block-shape.ts";
import { type ForkName, isFrom } from "./network.ts";
import {
  type PresetName,
  SYNC_COMMITTEE_SUBNET_COUNT,
  VALIDATORS_PER_COMMITTEE_MAX,
} from "./preset.ts";
import {
  ADDRESS,
  bitList,
  bitVector,
  container,
  PUBLIC_KEY,
  perPreset,
  progressiveBitList,
  progressiveContainer,
  ROOT,
  type Shape,
  SIGNATURE,
  U64,
} from "./shape.ts";

function aggregateAndProofOf(attestation: Shape): Shape {
  return container({ aggregator_index: U64, aggregate: attestation, selection_proof: SIGNATURE });
}

const PHASE0_AGGREGATE_AND_PROOF = aggregateAndProofOf(PHASE0_ATTESTATION);

const electraAggregateAndProof = perPreset(({ committeesPerSlotMax }) =>
  aggregateAndProofOf(
    container({
      aggregation_bits: bitList(VALIDATORS_PER_COMMITTEE_MAX * committeesPerSlotMax),
      data: ATTESTATION_DATA,
      signature: SIGNATURE,
      committee_bits: bitVector(committeesPerSlotMax),
    }),
  ),
);

const gloasAggregateAndProof = perPreset(({ committeesPerSlotMax }) =>
  aggregateAndProofOf(
    progressiveContainer({
      aggregation_bits: progressiveBitList(VALIDATORS_PER_COMMITTEE_MAX * committeesPerSlotMax),
      data: ATTESTATION_DATA,
      signature: SIGNATURE,
      committee_bits: bitVector(committeesPerSlotMax),
    }),
  ),
);

/**
 * Electra's and Gloas' aggregates have the same JSON and different roots (EIP-7688), so the shape
 * follows from the fork at the slot and never from the JSON.
 */
export function aggregateAndProof(preset: PresetName, fork: ForkName): Shape {
  if (isFrom(fork, "gloas")) return gloasAggregateAndProof(preset);
  if (isFrom(fork, "electra")) return electraAggregateAndProof(preset);
  return PHASE0_AGGREGATE_AND_PROOF;
}

export const SYNC_SELECTION_DATA = container({ slot: U64, subcommittee_index: U64 });

export const contributionAndProof = perPreset(({ syncCommitteeSize }) =>
  container({
    aggregator_index: U64,
    contribution: container({
      slot: U64,
      beacon_block_root: ROOT,
      subcommittee_index: U64,
      aggregation_bits: bitVector(syncCommitteeSize / SYNC_COMMITTEE_SUBNET_COUNT),
      signature: SIGNATURE,
    }),
    selection_proof: SIGNATURE,
  }),
);

export const DEPOSIT_MESSAGE = container({
  pubkey: PUBLIC_KEY,
  withdrawal_credentials: ROOT,
  amount: U64,
});

export const VALIDATOR_REGISTRATION = container({
  fee_recipient: ADDRESS,
  gas_limit: U64,
  timestamp: U64,
  pubkey: PUBLIC_KEY,
});
