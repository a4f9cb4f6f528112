// Whether what a key has signed only ever went up, in the order of its versions: then no two
// signatures can be slashable together, and nobody has to keep all of them. It must never call a
// history steady that holds such a pair: it may only be too careful.

import { comparePositions, type Position } from "../../enclave/core/chains/tendermint/position.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { UNRECEIPTED_COUNT_MAX } from "../../shared/limits.ts";
import { placeOf, type SignedLine } from "./audit-receipt.ts";

type Signed = { readonly place: Position; readonly root: Uint8Array };

export class Rise {
  /** No height has failed to rise so far. */
  isSteady = true;
  #maxSlot = -1n;
  #maxSource = -1n;
  #maxTarget = -1n;
  /** The last ones that went up, oldest first. */
  readonly #places: Signed[] = [];

  add({ kind, heights, signingRoot, family }: SignedLine): void {
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

  /**
   * What a write left without a receipt is written once more, and so is all that a signer keeps in
   * memory, when the answer to its write was lost: each at its place with its root.
   */
  #addPlace(signed: Signed): void {
    const last = this.#places.at(-1);
    if (last === undefined || comparePositions(signed.place, last.place) > 0) {
      this.#places.push(signed);
      if (this.#places.length > UNRECEIPTED_COUNT_MAX) this.#places.shift();
    } else if (!this.#places.some((earlier) => isRepeat(earlier, signed))) {
      this.isSteady = false;
    }
  }
}

function isRepeat(earlier: Signed, { place, root }: Signed): boolean {
  return comparePositions(earlier.place, place) === 0 && isEqualBytes(earlier.root, root);
}
