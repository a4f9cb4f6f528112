// What the manifest allows each key to be asked for. Two tables, no wildcards: a kind that is new
// to the code is denied until each of them has an answer for it (Dirk's "All" once came to include
// exits). It must never look at who asks: the enclave can't know, the parent only says so.

import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import {
  type OperationKind,
  type OperationMask,
  hasOperation,
  operationMaskOf,
} from "../../shared/operation.ts";
import type { KeyGroup } from "./manifest.ts";

/** What a group may be asked for when its manifest entry has no `allow`. */
const ALLOWED_BY_DEFAULT: Readonly<Record<OperationKind, boolean>> = {
  BLOCK: true,
  ATTESTATION: true,
  AGGREGATION_SLOT: true,
  AGGREGATE_AND_PROOF: true,
  RANDAO_REVEAL: true,
  SYNC_COMMITTEE_MESSAGE: true,
  SYNC_COMMITTEE_SELECTION_PROOF: true,
  SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF: true,
  VALIDATOR_REGISTRATION: true,
  PAYLOAD_ATTESTATION_MESSAGE: true,
  PROPOSER_PREFERENCES: true,
  EXECUTION_PAYLOAD_BID: true,
  EXECUTION_PAYLOAD_ENVELOPE: true,
  BUILDER_REQUEST_AUTH: true,
  /** Moves a validator's stake: a decision of its owner, not of whoever reaches the signer. */
  VOLUNTARY_EXIT: false,
  /** Decides where stake can be withdrawn to. */
  DEPOSIT: false,
};

export function defaultOperationMask(): OperationMask {
  const kinds = Object.entries(ALLOWED_BY_DEFAULT).filter(([, isAllowed]) => isAllowed);
  // The keys of a Record<OperationKind, …> literal are kinds.
  return operationMaskOf(kinds.map(([kind]) => kind as OperationKind)); // oxlint-disable-line typescript/no-unsafe-type-assertion -- see above
}

/** What a policy looks at. */
export type PolicySubject = {
  readonly kind: OperationKind;
  /** Where the operation directs fees, if it does. */
  readonly feeRecipient?: Uint8Array;
};

/** Null when the manifest allows it. */
export function decidePolicy(group: KeyGroup, subject: PolicySubject): Refusal | null {
  if (!hasOperation(group.operations, subject.kind)) return refusal("POLICY_KIND_DENIED");
  const { feeRecipient } = subject;
  if (feeRecipient === undefined || group.feeRecipients === null) return null;
  const isListed = group.feeRecipients.some((listed) => isEqualBytes(listed, feeRecipient));
  return isListed ? null : refusal("POLICY_FEE_RECIPIENT");
}
