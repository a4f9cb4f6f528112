// Beacon blocks: the header, which is what is signed from Bellatrix on, and the full blocks of
// phase0 and Altair (consensus-specs phase0/beacon-chain.md, altair/beacon-chain.md).

import {
  ATTESTATIONS_MAX,
  ATTESTER_SLASHINGS_MAX,
  DEPOSIT_CONTRACT_TREE_DEPTH,
  DEPOSITS_MAX,
  PROPOSER_SLASHINGS_MAX,
  VALIDATORS_PER_COMMITTEE_MAX,
  VOLUNTARY_EXITS_MAX,
} from "./preset.ts";
import {
  bitList,
  bitVector,
  container,
  type Fields,
  list,
  PUBLIC_KEY,
  perPreset,
  ROOT,
  type Shape,
  SIGNATURE,
  U64,
  u64List,
  vector,
} from "./shape.ts";

const CHECKPOINT = container({ epoch: U64, root: ROOT });

export const ATTESTATION_DATA = container({
  slot: U64,
  index: U64,
  beacon_block_root: ROOT,
  source: CHECKPOINT,
  target: CHECKPOINT,
});

/** Until Deneb; Electra moved the committee out of the data (EIP-7549). */
export const PHASE0_ATTESTATION = container({
  aggregation_bits: bitList(VALIDATORS_PER_COMMITTEE_MAX),
  data: ATTESTATION_DATA,
  signature: SIGNATURE,
});

export const BLOCK_HEADER = container({
  slot: U64,
  proposer_index: U64,
  parent_root: ROOT,
  state_root: ROOT,
  body_root: ROOT,
});

export const VOLUNTARY_EXIT = container({ epoch: U64, validator_index: U64 });

const SIGNED_BLOCK_HEADER = container({ message: BLOCK_HEADER, signature: SIGNATURE });

const INDEXED_ATTESTATION = container({
  attesting_indices: u64List(VALIDATORS_PER_COMMITTEE_MAX),
  data: ATTESTATION_DATA,
  signature: SIGNATURE,
});

const DEPOSIT = container({
  proof: vector(ROOT, DEPOSIT_CONTRACT_TREE_DEPTH + 1),
  data: container({
    pubkey: PUBLIC_KEY,
    withdrawal_credentials: ROOT,
    amount: U64,
    signature: SIGNATURE,
  }),
});

const PHASE0_BODY_FIELDS: Fields = {
  randao_reveal: SIGNATURE,
  eth1_data: container({ deposit_root: ROOT, deposit_count: U64, block_hash: ROOT }),
  graffiti: ROOT,
  proposer_slashings: list(
    container({ signed_header_1: SIGNED_BLOCK_HEADER, signed_header_2: SIGNED_BLOCK_HEADER }),
    PROPOSER_SLASHINGS_MAX,
  ),
  attester_slashings: list(
    container({ attestation_1: INDEXED_ATTESTATION, attestation_2: INDEXED_ATTESTATION }),
    ATTESTER_SLASHINGS_MAX,
  ),
  attestations: list(PHASE0_ATTESTATION, ATTESTATIONS_MAX),
  deposits: list(DEPOSIT, DEPOSITS_MAX),
  voluntary_exits: list(
    container({ message: VOLUNTARY_EXIT, signature: SIGNATURE }),
    VOLUNTARY_EXITS_MAX,
  ),
};

function blockOf(body: Fields): Shape {
  return container({
    slot: U64,
    proposer_index: U64,
    parent_root: ROOT,
    state_root: ROOT,
    body: container(body),
  });
}

export const PHASE0_BLOCK = blockOf(PHASE0_BODY_FIELDS);

export const altairBlock = perPreset((preset) =>
  blockOf({
    ...PHASE0_BODY_FIELDS,
    sync_aggregate: container({
      sync_committee_bits: bitVector(preset.syncCommitteeSize),
      sync_committee_signature: SIGNATURE,
    }),
  }),
);
