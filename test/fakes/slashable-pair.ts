// What is slashable, written from the consensus specification (phase0,
// `is_slashable_attestation_data` and `process_proposer_slashing`) and not from our rule: it knows
// no watermarks, no floors and no records, only pairs of what was signed.

import type { EthereumClaim } from "../../enclave/core/chains/ethereum/operation.ts";

export type Signed = { readonly claim: EthereumClaim; readonly root: string };

export function isSlashablePair(first: Signed, second: Signed): boolean {
  const a = first.claim;
  const b = second.claim;
  if (a.kind === "block" || b.kind === "block") {
    return (
      a.kind === "block" && b.kind === "block" && a.slot === b.slot && first.root !== second.root
    );
  }
  const isDoubleVote = first.root !== second.root && a.target === b.target;
  return isDoubleVote || surrounds(a, b) || surrounds(b, a);
}

type Vote = { readonly source: bigint; readonly target: bigint };

function surrounds(outer: Vote, inner: Vote): boolean {
  return outer.source < inner.source && inner.target < outer.target;
}

export function describeSigned({ claim, root }: Signed): string {
  const heights =
    claim.kind === "block" ? `slot ${claim.slot}` : `${claim.source} -> ${claim.target}`;
  return `${claim.kind} ${heights} ${root.slice(0, 8)}`;
}
