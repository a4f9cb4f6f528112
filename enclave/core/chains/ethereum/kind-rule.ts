// Everything that differs between the kinds of operations, in one table: a new kind does not
// compile until it has its domain, its version rule and its reader here.

import { OPERATION_KINDS, type OperationKind } from "../../../../shared/operation.ts";
import { readAttestation, readBlock, readBlockV2 } from "./block-payload.ts";
import type { DomainName } from "./domain.ts";
import {
  readAggregateAndProof,
  readAggregationSlot,
  readContribution,
  readDeposit,
  readRandaoReveal,
  readRegistration,
  readSyncMessage,
  readSyncSelection,
  readVoluntaryExit,
} from "./duty-payload.ts";
import {
  readBid,
  readEnvelope,
  readLighthousePayloadAttestation,
  readPayloadAttestation,
  readPreferences,
  readRequestAuth,
} from "./gloas-payload.ts";
import type { PayloadReader } from "./payload.ts";

export type KindRule = {
  readonly domain: DomainName;
  /** The fork at the message's epoch; EIP-7044's; or genesis, which needs no `fork_info`. */
  readonly version: "fork" | "exit" | "genesis";
  /** The names under which Web3Signer's clients ask for it. */
  readonly readers: Readonly<Record<string, PayloadReader>>;
};

export const KIND_RULES: Readonly<Record<OperationKind, KindRule>> = {
  BLOCK: {
    domain: "BEACON_PROPOSER",
    version: "fork",
    readers: { BLOCK: readBlock, BLOCK_V2: readBlockV2 },
  },
  ATTESTATION: {
    domain: "BEACON_ATTESTER",
    version: "fork",
    readers: { ATTESTATION: readAttestation },
  },
  AGGREGATION_SLOT: {
    domain: "SELECTION_PROOF",
    version: "fork",
    readers: { AGGREGATION_SLOT: readAggregationSlot },
  },
  AGGREGATE_AND_PROOF: {
    domain: "AGGREGATE_AND_PROOF",
    version: "fork",
    readers: {
      AGGREGATE_AND_PROOF: readAggregateAndProof,
      AGGREGATE_AND_PROOF_V2: readAggregateAndProof,
    },
  },
  RANDAO_REVEAL: {
    domain: "RANDAO",
    version: "fork",
    readers: { RANDAO_REVEAL: readRandaoReveal },
  },
  VOLUNTARY_EXIT: {
    domain: "VOLUNTARY_EXIT",
    version: "exit",
    readers: { VOLUNTARY_EXIT: readVoluntaryExit },
  },
  DEPOSIT: { domain: "DEPOSIT", version: "genesis", readers: { DEPOSIT: readDeposit } },
  SYNC_COMMITTEE_MESSAGE: {
    domain: "SYNC_COMMITTEE",
    version: "fork",
    readers: { SYNC_COMMITTEE_MESSAGE: readSyncMessage },
  },
  SYNC_COMMITTEE_SELECTION_PROOF: {
    domain: "SYNC_COMMITTEE_SELECTION_PROOF",
    version: "fork",
    readers: { SYNC_COMMITTEE_SELECTION_PROOF: readSyncSelection },
  },
  SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF: {
    domain: "CONTRIBUTION_AND_PROOF",
    version: "fork",
    readers: { SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF: readContribution },
  },
  VALIDATOR_REGISTRATION: {
    domain: "APPLICATION_BUILDER",
    version: "genesis",
    readers: { VALIDATOR_REGISTRATION: readRegistration },
  },
  EXECUTION_PAYLOAD_BID: {
    domain: "BEACON_BUILDER",
    version: "fork",
    readers: { EXECUTION_PAYLOAD_BID: readBid },
  },
  EXECUTION_PAYLOAD_ENVELOPE: {
    domain: "BEACON_BUILDER",
    version: "fork",
    readers: { EXECUTION_PAYLOAD_ENVELOPE: readEnvelope },
  },
  PAYLOAD_ATTESTATION_MESSAGE: {
    domain: "PTC_ATTESTER",
    version: "fork",
    readers: {
      PAYLOAD_ATTESTATION_MESSAGE: readPayloadAttestation,
      PAYLOAD_ATTESTATION: readLighthousePayloadAttestation,
    },
  },
  PROPOSER_PREFERENCES: {
    domain: "PROPOSER_PREFERENCES",
    version: "fork",
    readers: { PROPOSER_PREFERENCES: readPreferences },
  },
  BUILDER_REQUEST_AUTH: {
    domain: "BUILDER_REQUEST_AUTH",
    version: "genesis",
    readers: { BUILDER_REQUEST_AUTH: readRequestAuth },
  },
};

export type RequestType = { readonly kind: OperationKind; readonly read: PayloadReader };

/** By Web3Signer's `type`, in capitals. */
export const REQUEST_TYPES: ReadonlyMap<string, RequestType> = new Map(
  OPERATION_KINDS.flatMap((kind) =>
    Object.entries(KIND_RULES[kind].readers).map(([type, read]) => [type, { kind, read }] as const),
  ),
);
