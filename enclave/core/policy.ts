// What the manifest allows each key to be asked for: kinds of operations by group, and where fees
// may go. It must never look at who asks: the enclave can't know, the parent only says so.

import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { hasOperation, type OperationKind } from "../../shared/operation.ts";
import type { KeyGroup } from "./chains/ethereum/manifest-part.ts";

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
