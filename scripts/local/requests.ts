// One request of each kind for a slot, as a validator client would send it: what `npm start` shows,
// and what the benchmark and the tests sign. The values mean nothing; the forms are exact.

import type { OperationKind } from "../../shared/operation.ts";

/** What a request needs to know of its network; as text, as requests carry it. */
export type RequestNetwork = {
  readonly slotsPerEpoch: number;
  readonly genesisValidatorsRoot: string;
  readonly genesisVersion: string;
  /** The fork that is in force: its name as in `version`, its version and its epoch. */
  readonly fork: { readonly name: string; readonly version: string; readonly epoch: string };
  /** Bytes of a sync subcommittee's bits, and of the committee bits of an Electra aggregate. */
  readonly syncBitsBytes: number;
  readonly committeeBitsBytes: number;
};

export type SampleRequest = {
  readonly kind: OperationKind;
  readonly body: Record<string, unknown>;
};

function hexOf(byte: number, byteCount: number): string {
  return `0x${byte.toString(16).padStart(2, "0").repeat(byteCount)}`;
}

const ROOT = (byte: number) => hexOf(byte, 32);
const SIGNATURE = hexOf(0x5a, 96);
const ADDRESS = hexOf(0xfe, 20);

/** `salt` makes otherwise equal requests differ, so that they have different roots. */
export function attestationRequest(network: RequestNetwork, slot: number, salt = 0) {
  const epoch = Math.floor(slot / network.slotsPerEpoch);
  return {
    type: "ATTESTATION",
    fork_info: forkInfo(network),
    attestation: attestationData(slot, epoch, salt),
  };
}

export function blockRequest(network: RequestNetwork, slot: number, salt = 0) {
  return {
    type: "BLOCK_V2",
    fork_info: forkInfo(network),
    beacon_block: {
      version: network.fork.name,
      block_header: {
        slot: String(slot),
        proposer_index: "7",
        parent_root: ROOT(0x11),
        state_root: ROOT(0x22),
        body_root: ROOT(salt),
      },
    },
  };
}

/** One request of every kind. */
export function sampleRequests(
  network: RequestNetwork,
  slot: number,
  publicKey: string,
): readonly SampleRequest[] {
  const epoch = Math.floor(slot / network.slotsPerEpoch);
  const fork_info = forkInfo(network);
  const version = network.fork.name;
  return [
    { kind: "BLOCK", body: blockRequest(network, slot) },
    { kind: "ATTESTATION", body: attestationRequest(network, slot) },
    {
      kind: "AGGREGATION_SLOT",
      body: { type: "AGGREGATION_SLOT", fork_info, aggregation_slot: { slot: String(slot) } },
    },
    {
      kind: "AGGREGATE_AND_PROOF",
      body: {
        type: "AGGREGATE_AND_PROOF_V2",
        fork_info,
        aggregate_and_proof: { version, data: aggregateAndProof(network, slot, epoch) },
      },
    },
    {
      kind: "RANDAO_REVEAL",
      body: { type: "RANDAO_REVEAL", fork_info, randao_reveal: { epoch: String(epoch) } },
    },
    ...syncCommitteeRequests(network, slot),
    ...lifecycleRequests(network, epoch, publicKey),
    ...gloasRequests(network, slot),
  ];
}

function syncCommitteeRequests(network: RequestNetwork, slot: number): readonly SampleRequest[] {
  const fork_info = forkInfo(network);
  return [
    {
      kind: "SYNC_COMMITTEE_MESSAGE",
      body: {
        type: "SYNC_COMMITTEE_MESSAGE",
        fork_info,
        sync_committee_message: { beacon_block_root: ROOT(0x33), slot: String(slot) },
      },
    },
    {
      kind: "SYNC_COMMITTEE_SELECTION_PROOF",
      body: {
        type: "SYNC_COMMITTEE_SELECTION_PROOF",
        fork_info,
        sync_aggregator_selection_data: { slot: String(slot), subcommittee_index: "1" },
      },
    },
    {
      kind: "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF",
      body: {
        type: "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF",
        fork_info,
        contribution_and_proof: {
          aggregator_index: "7",
          selection_proof: SIGNATURE,
          contribution: {
            slot: String(slot),
            beacon_block_root: ROOT(0x33),
            subcommittee_index: "1",
            aggregation_bits: hexOf(0x01, network.syncBitsBytes),
            signature: SIGNATURE,
          },
        },
      },
    },
  ];
}

function lifecycleRequests(
  network: RequestNetwork,
  epoch: number,
  publicKey: string,
): readonly SampleRequest[] {
  return [
    {
      kind: "VOLUNTARY_EXIT",
      body: {
        type: "VOLUNTARY_EXIT",
        fork_info: forkInfo(network),
        voluntary_exit: { epoch: String(epoch), validator_index: "7" },
      },
    },
    {
      kind: "DEPOSIT",
      body: {
        type: "DEPOSIT",
        deposit: {
          pubkey: publicKey,
          withdrawal_credentials: ROOT(0x01),
          amount: "32000000000",
          genesis_fork_version: network.genesisVersion,
        },
      },
    },
    {
      kind: "VALIDATOR_REGISTRATION",
      body: {
        type: "VALIDATOR_REGISTRATION",
        validator_registration: {
          fee_recipient: ADDRESS,
          gas_limit: "36000000",
          timestamp: "1700000000",
          pubkey: publicKey,
        },
      },
    },
  ];
}

function gloasRequests(network: RequestNetwork, slot: number): readonly SampleRequest[] {
  const fork_info = forkInfo(network);
  const version = network.fork.name;
  return [
    {
      kind: "EXECUTION_PAYLOAD_BID",
      body: {
        type: "EXECUTION_PAYLOAD_BID",
        fork_info,
        execution_payload_bid: { version, data: executionPayloadBid(slot) },
      },
    },
    {
      kind: "EXECUTION_PAYLOAD_ENVELOPE",
      body: {
        type: "EXECUTION_PAYLOAD_ENVELOPE",
        fork_info,
        execution_payload_envelope: { version, data: executionPayloadEnvelope(slot) },
      },
    },
    {
      kind: "PAYLOAD_ATTESTATION_MESSAGE",
      body: {
        type: "PAYLOAD_ATTESTATION_MESSAGE",
        fork_info,
        payload_attestation_message: {
          version,
          data: {
            beacon_block_root: ROOT(0x33),
            slot: String(slot),
            payload_present: true,
            blob_data_available: true,
          },
        },
      },
    },
    {
      kind: "PROPOSER_PREFERENCES",
      body: {
        type: "PROPOSER_PREFERENCES",
        fork_info,
        proposer_preferences: {
          version,
          data: {
            dependent_root: ROOT(0x44),
            proposal_slot: String(slot),
            validator_index: "7",
            fee_recipient: ADDRESS,
            target_gas_limit: "60000000",
          },
        },
      },
    },
    {
      kind: "BUILDER_REQUEST_AUTH",
      body: {
        type: "BUILDER_REQUEST_AUTH",
        builder_request_auth: { version, data: { data: "0x0102", slot: String(slot) } },
      },
    },
  ];
}

function forkInfo(network: RequestNetwork) {
  const { version, epoch } = network.fork;
  return {
    fork: { previous_version: version, current_version: version, epoch },
    genesis_validators_root: network.genesisValidatorsRoot,
  };
}

function attestationData(slot: number, epoch: number, salt: number) {
  return {
    slot: String(slot),
    index: "0",
    beacon_block_root: ROOT(salt),
    source: { epoch: String(Math.max(0, epoch - 1)), root: ROOT(0x55) },
    target: { epoch: String(epoch), root: ROOT(0x66) },
  };
}

function aggregateAndProof(network: RequestNetwork, slot: number, epoch: number) {
  return {
    aggregator_index: "7",
    selection_proof: SIGNATURE,
    aggregate: {
      aggregation_bits: "0x07",
      committee_bits: hexOf(0x01, 1).padEnd(2 + 2 * network.committeeBitsBytes, "0"),
      data: attestationData(slot, epoch, 0),
      signature: SIGNATURE,
    },
  };
}

function executionPayloadBid(slot: number) {
  return {
    parent_block_hash: ROOT(0x71),
    parent_block_root: ROOT(0x72),
    block_hash: ROOT(0x73),
    prev_randao: ROOT(0x74),
    fee_recipient: ADDRESS,
    gas_limit: "60000000",
    builder_index: "3",
    slot: String(slot),
    value: "1000",
    execution_payment: "0",
    blob_kzg_commitments: [],
    execution_requests_root: ROOT(0x75),
  };
}

function executionPayloadEnvelope(slot: number) {
  return {
    payload: {
      parent_hash: ROOT(0x81),
      fee_recipient: ADDRESS,
      state_root: ROOT(0x82),
      receipts_root: ROOT(0x83),
      logs_bloom: hexOf(0, 256),
      prev_randao: ROOT(0x84),
      block_number: "1",
      gas_limit: "60000000",
      gas_used: "21000",
      timestamp: "1700000000",
      extra_data: "0x",
      base_fee_per_gas: "7",
      block_hash: ROOT(0x85),
      transactions: ["0x02f800"],
      withdrawals: [],
      blob_gas_used: "0",
      excess_blob_gas: "0",
      block_access_list: "0x",
      slot_number: String(slot),
    },
    execution_requests: {
      deposits: [],
      withdrawals: [],
      consolidations: [],
      builder_deposits: [],
      builder_exits: [],
    },
    builder_index: "3",
    beacon_block_root: ROOT(0x86),
    parent_beacon_block_root: ROOT(0x87),
  };
}
