// What Gloas (EIP-7732) and Heze (EIP-7805) add: bids and envelopes of execution payloads, payload
// attestations, proposer preferences, and the builder API's authentication.

import { type ForkName, isFrom } from "./network.ts";
import {
  BLOB_COMMITMENTS_PER_BLOCK_MAX,
  BUILDER_AUTH_DATA_BYTES_MAX,
  BUILDER_DEPOSIT_REQUESTS_PER_PAYLOAD_MAX,
  BUILDER_EXIT_REQUESTS_PER_PAYLOAD_MAX,
  CONSOLIDATION_REQUESTS_PER_PAYLOAD_MAX,
  EXTRA_DATA_BYTES_MAX,
  INCLUSION_LIST_COMMITTEE_SIZE,
  LOGS_BLOOM_BYTES,
  TRANSACTION_BYTES_MAX,
  TRANSACTIONS_PER_PAYLOAD_MAX,
  WITHDRAWAL_REQUESTS_PER_PAYLOAD_MAX,
} from "./preset.ts";
import {
  ADDRESS,
  BOOLEAN,
  bitVector,
  byteList,
  byteVector,
  container,
  type Fields,
  KZG_COMMITMENT,
  PUBLIC_KEY,
  perPreset,
  progressiveByteList,
  progressiveContainer,
  progressiveList,
  ROOT,
  type Shape,
  SIGNATURE,
  U64,
  U256,
} from "./shape.ts";

/** The specification gives no limit; the body's does. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;

const BID_FIELDS: Fields = {
  parent_block_hash: ROOT,
  parent_block_root: ROOT,
  block_hash: ROOT,
  prev_randao: ROOT,
  fee_recipient: ADDRESS,
  gas_limit: U64,
  builder_index: U64,
  slot: U64,
  value: U64,
  execution_payment: U64,
  blob_kzg_commitments: progressiveList(KZG_COMMITMENT, BLOB_COMMITMENTS_PER_BLOCK_MAX),
  execution_requests_root: ROOT,
};

const GLOAS_BID = progressiveContainer(BID_FIELDS);

const HEZE_BID = progressiveContainer({
  ...BID_FIELDS,
  inclusion_list_bits: bitVector(INCLUSION_LIST_COMMITTEE_SIZE),
});

export function executionPayloadBid(fork: ForkName): Shape {
  return isFrom(fork, "heze") ? HEZE_BID : GLOAS_BID;
}

const WITHDRAWAL = container({ index: U64, validator_index: U64, address: ADDRESS, amount: U64 });

const DEPOSIT_REQUEST = container({
  pubkey: PUBLIC_KEY,
  withdrawal_credentials: ROOT,
  amount: U64,
  signature: SIGNATURE,
  index: U64,
});

const WITHDRAWAL_REQUEST = container({
  source_address: ADDRESS,
  validator_pubkey: PUBLIC_KEY,
  amount: U64,
});

const CONSOLIDATION_REQUEST = container({
  source_address: ADDRESS,
  source_pubkey: PUBLIC_KEY,
  target_pubkey: PUBLIC_KEY,
});

/** EIP-8282. */
const BUILDER_DEPOSIT_REQUEST = container({
  pubkey: PUBLIC_KEY,
  withdrawal_credentials: ROOT,
  amount: U64,
  signature: SIGNATURE,
});

/** EIP-8282. */
const BUILDER_EXIT_REQUEST = container({ source_address: ADDRESS, pubkey: PUBLIC_KEY });

const EXECUTION_REQUESTS = progressiveContainer({
  deposits: progressiveList(DEPOSIT_REQUEST, UNLIMITED),
  withdrawals: progressiveList(WITHDRAWAL_REQUEST, WITHDRAWAL_REQUESTS_PER_PAYLOAD_MAX),
  consolidations: progressiveList(CONSOLIDATION_REQUEST, CONSOLIDATION_REQUESTS_PER_PAYLOAD_MAX),
  builder_deposits: progressiveList(
    BUILDER_DEPOSIT_REQUEST,
    BUILDER_DEPOSIT_REQUESTS_PER_PAYLOAD_MAX,
  ),
  builder_exits: progressiveList(BUILDER_EXIT_REQUEST, BUILDER_EXIT_REQUESTS_PER_PAYLOAD_MAX),
});

export const executionPayloadEnvelope = perPreset(({ withdrawalsPerPayloadMax }) =>
  progressiveContainer({
    payload: progressiveContainer({
      parent_hash: ROOT,
      fee_recipient: ADDRESS,
      state_root: ROOT,
      receipts_root: ROOT,
      logs_bloom: byteVector(LOGS_BLOOM_BYTES),
      prev_randao: ROOT,
      block_number: U64,
      gas_limit: U64,
      gas_used: U64,
      timestamp: U64,
      extra_data: byteList(EXTRA_DATA_BYTES_MAX),
      base_fee_per_gas: U256,
      block_hash: ROOT,
      transactions: progressiveList(
        progressiveByteList(TRANSACTION_BYTES_MAX),
        TRANSACTIONS_PER_PAYLOAD_MAX,
      ),
      withdrawals: progressiveList(WITHDRAWAL, withdrawalsPerPayloadMax),
      blob_gas_used: U64,
      excess_blob_gas: U64,
      block_access_list: progressiveByteList(UNLIMITED),
      slot_number: U64,
    }),
    execution_requests: EXECUTION_REQUESTS,
    builder_index: U64,
    beacon_block_root: ROOT,
    parent_beacon_block_root: ROOT,
  }),
);

export const PAYLOAD_ATTESTATION_DATA = container({
  beacon_block_root: ROOT,
  slot: U64,
  payload_present: BOOLEAN,
  blob_data_available: BOOLEAN,
});

export const PROPOSER_PREFERENCES = container({
  dependent_root: ROOT,
  proposal_slot: U64,
  validator_index: U64,
  fee_recipient: ADDRESS,
  target_gas_limit: U64,
});

export const BUILDER_REQUEST_AUTH = container({
  data: byteList(BUILDER_AUTH_DATA_BYTES_MAX),
  slot: U64,
});
