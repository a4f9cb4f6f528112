// Whether what a key has signed only ever went up, in the order of its versions: then no two
// signatures can be slashable together, and nobody has to keep all of them. It must never call a
// history steady that holds such a pair: it may only be too careful.

import { comparePositions, type Position } from "../../enclave/core/chains/tendermint/position.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type ParsedReceipt, placeOf } from "./audit-receipt.ts";

type Signed = { readonly place: Position; readonly root: Uint8Array };

export class Rise {
  /** No height has failed to rise so far. */
  isSteady = true;
  #maxSlot = -1n;
  #maxSource = -1n;
  #maxTarget = -1n;
  #last: Signed | null = null;

  add({ kind, heights, signingRoot, family }: ParsedReceipt): void {
    if (signingRoot === null) return;
    const place = placeOf({ kind, heights });
    if (place !== undefined) return this.#addPlace({ place, root: signingRoot });
    if (family === "ethereum") this.#addHeights(heights);
  }

  #addHeights([first = 0n, target]: readonly bigint[]): void {
    if (target === undefined) {
      if (first <= this.#maxSlot) this.isSteady = false;
      else this.#maxSlot = first;
      return;
    }
    if (target <= this.#maxTarget || first < this.#maxSource) this.isSteady = false;
    if (first > this.#maxSource) this.#maxSource = first;
    if (target > this.#maxTarget) this.#maxTarget = target;
  }

  /** What a write left without a receipt is written once more: at one place with one root. */
  #addPlace(signed: Signed): void {
    const last = this.#last;
    const order = last === null ? 1 : comparePositions(signed.place, last.place);
    if (order > 0) this.#last = signed;
    else if (order < 0 || last === null || !isEqualBytes(signed.root, last.root)) {
      this.isSteady = false;
    }
  }
}
