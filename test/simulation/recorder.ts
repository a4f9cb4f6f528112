// Everything that ever left an enclave, outside of all of them. It compares each new signature with
// every earlier one of its key, pair by pair, by what the chain itself calls a fault, and never by
// a rule of ours.

/** A slashable pair was released: what the whole repository is there to prevent. */
export class Slashed extends Error {
  override readonly name = "Slashed";
}

/** Something was released of which the store that was written to has no receipt. */
export class Unreceipted extends Error {
  override readonly name = "Unreceipted";
}

/** What was signed, with the root that its receipt states, in hexadecimal digits. */
type Rooted = { readonly root: string };

/** What a chain says of two signatures of one key. */
export type Pairs<S extends Rooted> = {
  /** What a history ends with that releases both; null: they go together. */
  readonly harmOf: (first: S, second: S) => Error | null;
  readonly describe: (signed: S) => string;
};

export type ReceiptSink = Pick<Recorder<Rooted>, "receipt">;

export class Recorder<S extends Rooted> {
  readonly #pairs: Pairs<S>;
  readonly #signedByKey = new Map<string, S[]>();
  readonly #receiptsByKey = new Map<string, string[]>();
  #unreceipted: string | null = null;
  releaseCount = 0;

  constructor(pairs: Pairs<S>) {
    this.#pairs = pairs;
  }

  /** A receipt, in hexadecimal digits, that was written with its record. */
  receipt(key: string, receipt: string): void {
    const earlier = this.#receiptsByKey.get(key) ?? [];
    this.#receiptsByKey.set(key, earlier);
    earlier.push(receipt);
  }

  release(key: string, signed: S): void {
    this.keep(key, signed);
    const receipts = this.#receiptsByKey.get(key) ?? [];
    const hasReceipt = receipts.some((receipt) => receipt.includes(signed.root));
    if (!hasReceipt) this.#unreceipted ??= this.#pairs.describe(signed);
  }

  /** At the end, so that whoever is slashed for the same mistake is told first. */
  checkReceipts(): void {
    if (this.#unreceipted !== null) throw new Unreceipted(this.#unreceipted);
  }

  /** Signed by whomever, with a receipt that is none of ours. */
  keep(key: string, signed: S): void {
    this.releaseCount += 1;
    const earlier = this.#signedByKey.get(key) ?? [];
    this.#signedByKey.set(key, earlier);
    for (const one of earlier) {
      const harm = this.#pairs.harmOf(one, signed);
      if (harm !== null) throw harm;
    }
    earlier.push(signed);
  }
}
