// What is left of a signing request once it has been understood: all that policy, clock, guard and
// signer need, and nothing of the JSON. It must never be built from anything but a parsed request.

import type { OperationKind } from "../../../../shared/operation.ts";

/** What the request would add to the key's record. Only these two kinds can be slashed. */
export type EthereumClaim =
  | { readonly kind: "block"; readonly slot: bigint }
  | { readonly kind: "attestation"; readonly source: bigint; readonly target: bigint };

/** The times that the request speaks of. Each that is not null is to be bounded by the clock. */
export type OperationTime = {
  readonly slot: bigint | null;
  readonly epoch: bigint | null;
  /** Unix time. */
  readonly seconds: bigint | null;
  /**
   * Whether honest clients ask for it an epoch or two ahead (selection proofs, preferences). What
   * bears on slashing never is, so the boot floor's lookahead does not have to cover it.
   */
  readonly isEarly: boolean;
};

const NO_TIME: OperationTime = { slot: null, epoch: null, seconds: null, isEarly: false };

export function timeOf(known: Partial<OperationTime>): OperationTime {
  return { ...NO_TIME, ...known };
}

export type EthereumOperation = {
  readonly kind: OperationKind;
  readonly signingRoot: Uint8Array;
  /** Null for the kinds that can't be slashed. */
  readonly claim: EthereumClaim | null;
  readonly time: OperationTime;
  /** Who is to be paid, in the kinds that say so: for the manifest's list. */
  readonly feeRecipient?: Uint8Array;
};
