// Everything that ever left an enclave, outside of all of them. It compares each new signature with
// every earlier one of its key, pair by pair.

import type { EthereumState } from "../../shared/wire/methods.ts";
import { describeSigned, isSlashablePair, type Signed } from "../fakes/slashable-pair.ts";

/** A slashable pair was released: what the whole repository is there to prevent. */
export class Slashed extends Error {
  override readonly name = "Slashed";
}

/** Something was released of which the store that was written to has no receipt. */
export class Unreceipted extends Error {
  override readonly name = "Unreceipted";
}

type LastRecord = Pick<EthereumState, "blockSlot" | "source" | "target">;

export class Recorder {
  readonly #signedByKey = new Map<string, Signed[]>();
  readonly #receiptsByKey = new Map<string, string[]>();
  #unreceipted: string | null = null;
  releaseCount = 0;

  /** A receipt, in hexadecimal digits, that was written with its record. */
  receipt(key: string, receipt: string): void {
    const earlier = this.#receiptsByKey.get(key) ?? [];
    this.#receiptsByKey.set(key, earlier);
    earlier.push(receipt);
  }

  release(key: string, signed: Signed): void {
    this.#keep(key, signed);
    const receipts = this.#receiptsByKey.get(key) ?? [];
    const hasReceipt = receipts.some((receipt) => receipt.includes(signed.root));
    if (!hasReceipt) this.#unreceipted ??= describeSigned(signed);
  }

  /** At the end, so that whoever is slashed for the same mistake is told first. */
  checkReceipts(): void {
    if (this.#unreceipted !== null) throw new Unreceipted(this.#unreceipted);
  }

  /** Another signer, that was told this last record of a key, signs as much above it as it may. */
  takeOver(key: string, last: LastRecord): void {
    const source = last.source ?? 0n;
    for (let above = 1n; above <= 4n; above++) {
      const block = { kind: "block", slot: (last.blockSlot ?? -1n) + above } as const;
      const vote = { kind: "attestation", source, target: (last.target ?? 0n) + above } as const;
      this.#keep(key, { claim: block, root: "another signer's" });
      this.#keep(key, { claim: vote, root: "another signer's" });
    }
  }

  #keep(key: string, signed: Signed): void {
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
