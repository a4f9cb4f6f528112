// All signatures of one Ethereum key against each other, for keys whose heights did not always
// rise: the slashing conditions of the consensus specification (phase0: proposer slashing, double
// vote, surround vote), and no rule of ours.

import { encodeHex } from "../../shared/bytes/hex.ts";
import type { Finding } from "./audit-key.ts";
import type { SignedLine } from "./audit-receipt.ts";

type Vote = { readonly seq: number; readonly source: bigint; readonly target: bigint };

export class SignedPairs {
  /** By height, the root that was first signed for it. */
  readonly #blocks = new Map<bigint, string>();
  readonly #votes = new Map<bigint, string>();
  readonly #all: Vote[] = [];
  readonly #findings: Finding[] = [];

  add({ seq, heights, signingRoot }: SignedLine): void {
    const [first, target] = heights;
    if (first === undefined) return;
    const root = encodeHex(signingRoot);
    if (target === undefined) return this.#compare(this.#blocks, first, root, seq, "slot");
    this.#compare(this.#votes, target, root, seq, "target");
    this.#all.push({ seq, source: first, target });
  }

  end(): readonly Finding[] {
    const votes = this.#all.toSorted((a, b) => compare(a.source, b.source));
    let widest: Vote | null = null;
    let at = 0;
    for (const vote of votes) {
      // Those with a smaller source, and no others: `widest` reaches furthest of them.
      for (let other = votes[at]; other !== undefined && other.source < vote.source; ) {
        if (widest === null || other.target > widest.target) widest = other;
        at += 1;
        other = votes[at];
      }
      if (widest === null || widest.target <= vote.target) continue;
      const detail = `the vote ${widest.source} -> ${widest.target} of version ${widest.seq} surrounds ${vote.source} -> ${vote.target}`;
      this.#findings.push({ code: "SLASHABLE_PAIR", seq: vote.seq, detail });
    }
    return this.#findings;
  }

  #compare(
    known: Map<bigint, string>,
    height: bigint,
    root: string,
    seq: number,
    what: string,
  ): void {
    const before = known.get(height);
    if (before === undefined) known.set(height, root);
    else if (before !== root) {
      const detail = `two roots for ${what} ${height}`;
      this.#findings.push({ code: "SLASHABLE_PAIR", seq, detail });
    }
  }
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
