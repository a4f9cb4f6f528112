// The kinds of operations that can be asked for, as manifests, client lists, metrics and receipts
// name them. A kind's place in the list is its bit in an operation mask: append, never reorder.

export const OPERATION_KINDS = [
  "BLOCK",
  "ATTESTATION",
  "AGGREGATION_SLOT",
  "AGGREGATE_AND_PROOF",
  "RANDAO_REVEAL",
  "VOLUNTARY_EXIT",
  "DEPOSIT",
  "SYNC_COMMITTEE_MESSAGE",
  "SYNC_COMMITTEE_SELECTION_PROOF",
  "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF",
  "VALIDATOR_REGISTRATION",
  "EXECUTION_PAYLOAD_BID",
  "EXECUTION_PAYLOAD_ENVELOPE",
  "PAYLOAD_ATTESTATION_MESSAGE",
  "PROPOSER_PREFERENCES",
  "BUILDER_REQUEST_AUTH",
] as const;

export type OperationKind = (typeof OPERATION_KINDS)[number];

/** A set of kinds as bits; at most 32 kinds fit (checked in the tests). */
export type OperationMask = number;

export const OPERATION_MASK_MAX = 0xffff_ffff;

const BIT_BY_KIND: Readonly<Record<string, number>> = Object.fromEntries(
  OPERATION_KINDS.map((kind, index) => [kind, 2 ** index]),
);

export function operationMaskOf(kinds: Iterable<OperationKind>): OperationMask {
  let mask = 0;
  for (const kind of kinds) mask = (mask | (BIT_BY_KIND[kind] ?? 0)) >>> 0;
  return mask;
}

export function hasOperation(mask: OperationMask, kind: OperationKind): boolean {
  return (mask & (BIT_BY_KIND[kind] ?? 0)) !== 0;
}

/**
 * What may be asked for where neither a manifest's group nor a client's entry lists kinds. A table,
 * not a wildcard: a kind that is new to the code does not compile before somebody has decided about
 * it (Dirk's "All" once came to include exits).
 */
export const IS_DEFAULT_OPERATION: Readonly<Record<OperationKind, boolean>> = {
  BLOCK: true,
  ATTESTATION: true,
  AGGREGATION_SLOT: true,
  AGGREGATE_AND_PROOF: true,
  RANDAO_REVEAL: true,
  /** Moves a validator's stake: a decision of its owner, not of whoever reaches the signer. */
  VOLUNTARY_EXIT: false,
  /** Decides where stake can be withdrawn to. */
  DEPOSIT: false,
  SYNC_COMMITTEE_MESSAGE: true,
  SYNC_COMMITTEE_SELECTION_PROOF: true,
  SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF: true,
  VALIDATOR_REGISTRATION: true,
  EXECUTION_PAYLOAD_BID: true,
  EXECUTION_PAYLOAD_ENVELOPE: true,
  PAYLOAD_ATTESTATION_MESSAGE: true,
  PROPOSER_PREFERENCES: true,
  BUILDER_REQUEST_AUTH: true,
};

export const DEFAULT_OPERATIONS: OperationMask = operationMaskOf(
  OPERATION_KINDS.filter((kind) => IS_DEFAULT_OPERATION[kind]),
);
