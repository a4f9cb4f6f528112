// All signatures of one key of a Tendermint chain against each other, for keys whose heights did
// not always rise: `DuplicateVoteEvidence` (tendermint.md §4.3), and no rule of ours. Proposals are
// no evidence, but two for one round are a fault all the same. Roots say nothing of times: two
// votes that differ in those alone are not told apart.

import { encodeHex } from "../../shared/bytes/hex.ts";
import type { Finding } from "./audit-key.ts";
import { placeOf, type SignedLine } from "./audit-receipt.ts";

export class SignedPlaces {
  /** By place, the root that was first signed for it. */
  readonly #roots = new Map<string, string>();
  readonly #findings: Finding[] = [];

  add(line: SignedLine): void {
    const place = placeOf(line);
    const { seq, signingRoot } = line;
    if (place === undefined) return;
    const { height, round, step } = place;
    const name = `${step} ${height}/${round}`;
    const root = encodeHex(signingRoot);
    const before = this.#roots.get(name);
    if (before === undefined) this.#roots.set(name, root);
    else if (before !== root) {
      const code = step === "proposal" ? "DOUBLE_PROPOSAL" : "SLASHABLE_PAIR";
      this.#findings.push({ code, seq, detail: `two roots for ${name}` });
    }
  }

  end(): readonly Finding[] {
    return this.#findings;
  }
}
