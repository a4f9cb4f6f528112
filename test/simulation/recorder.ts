// Everything that ever left an enclave, outside of all of them. It compares each new signature with
// every earlier one of its key, pair by pair.

import { describeSigned, isSlashablePair, type Signed } from "../fakes/slashable-pair.ts";

/** A slashable pair was released: what the whole repository is there to prevent. */
export class Slashed extends Error {
  override readonly name = "Slashed";
}

export class Recorder {
  readonly #signedByKey = new Map<string, Signed[]>();
  releaseCount = 0;

  release(key: string, signed: Signed): void {
    this.releaseCount += 1;
    const earlier = this.#signedByKey.get(key) ?? [];
    this.#signedByKey.set(key, earlier);
    const conflict = earlier.find((one) => isSlashablePair(one, signed));
    if (conflict !== undefined) {
      throw new Slashed(`${describeSigned(conflict)} and then ${describeSigned(signed)}`);
    }
    earlier.push(signed);
  }
}
