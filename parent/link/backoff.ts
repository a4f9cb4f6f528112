// How long to wait before trying again: twice as long each time, with jitter, so that many parents
// that lost one service don't come back to it in the same moment (T14).

export type BackoffBounds = { readonly minMs: number; readonly maxMs: number };

export class Backoff {
  readonly #bounds: BackoffBounds;
  readonly #random: () => number;
  #failureCount = 0;

  constructor(bounds: BackoffBounds, random: () => number = Math.random) {
    this.#bounds = bounds;
    this.#random = random;
  }

  /** Between half and the whole of a delay that doubles up to its maximum. */
  nextMs(): number {
    const { minMs, maxMs } = this.#bounds;
    const delayMs = Math.min(maxMs, minMs * 2 ** Math.min(this.#failureCount, 30));
    this.#failureCount += 1;
    return delayMs * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#failureCount = 0;
  }
}
