// The consensus presets: sizes that are fixed when a client is built, and that change hash tree
// roots. Only those that a signing request can touch are here; the tests compare them with
// @lodestar/params. Sources: presets/{mainnet,minimal} of ethereum/consensus-specs and
// consensus/preset/gnosis of gnosischain/specs.

export const PRESET_NAMES = ["mainnet", "minimal", "gnosis"] as const;

export type PresetName = (typeof PRESET_NAMES)[number];

export type Preset = {
  readonly slotsPerEpoch: bigint;
  readonly committeesPerSlotMax: number;
  readonly syncCommitteeSize: number;
  readonly withdrawalsPerPayloadMax: number;
};

export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  mainnet: {
    slotsPerEpoch: 32n,
    committeesPerSlotMax: 64,
    syncCommitteeSize: 512,
    withdrawalsPerPayloadMax: 16,
  },
  minimal: {
    slotsPerEpoch: 8n,
    committeesPerSlotMax: 4,
    syncCommitteeSize: 32,
    withdrawalsPerPayloadMax: 4,
  },
  gnosis: {
    slotsPerEpoch: 16n,
    committeesPerSlotMax: 64,
    syncCommitteeSize: 512,
    withdrawalsPerPayloadMax: 8,
  },
};

// The same in all presets.
export const VALIDATORS_PER_COMMITTEE_MAX = 2048;
export const SYNC_COMMITTEE_SUBNET_COUNT = 4;
export const PROPOSER_SLASHINGS_MAX = 16;
export const ATTESTER_SLASHINGS_MAX = 2;
export const ATTESTATIONS_MAX = 128;
export const DEPOSITS_MAX = 16;
export const VOLUNTARY_EXITS_MAX = 16;
export const DEPOSIT_CONTRACT_TREE_DEPTH = 32;
export const EXTRA_DATA_BYTES_MAX = 32;
export const LOGS_BLOOM_BYTES = 256;
export const TRANSACTION_BYTES_MAX = 2 ** 30;
export const TRANSACTIONS_PER_PAYLOAD_MAX = 2 ** 20;
export const BLOB_COMMITMENTS_PER_BLOCK_MAX = 4096;
export const WITHDRAWAL_REQUESTS_PER_PAYLOAD_MAX = 16;
export const CONSOLIDATION_REQUESTS_PER_PAYLOAD_MAX = 2;
export const BUILDER_DEPOSIT_REQUESTS_PER_PAYLOAD_MAX = 64;
export const BUILDER_EXIT_REQUESTS_PER_PAYLOAD_MAX = 16;
export const BUILDER_AUTH_DATA_BYTES_MAX = 4096;
export const INCLUSION_LIST_COMMITTEE_SIZE = 16;
