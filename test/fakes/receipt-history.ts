// A key's history as an enclave writes it: receipts in a chain, one for each version. For tests of
// what an audit makes of it.

import {
  type Act,
  encodeReceipt,
  type HeldReceipt,
  headAfter,
  NO_HEAD,
  type Receipt,
} from "../../enclave/state/record-codec.ts";
import { encodeLine, type LogHead, type LogReceipt } from "../../scripts/cli/audit-log.ts";
import { rootOf } from "./ledger-rig.ts";

export const AUDIT_SCOPE = new Uint8Array(32).fill(0x5c);

export function blockReceipt(slot: number, root = "a"): Receipt {
  return { kind: "BLOCK", heights: [BigInt(slot)], signingRoot: rootOf(root), timeMs: slot };
}

export function voteReceipt(source: number, target: number, root = "a"): Receipt {
  const heights = [BigInt(source), BigInt(target)];
  return { kind: "ATTESTATION", heights, signingRoot: rootOf(root), timeMs: target };
}

/** Of a Tendermint chain: what a prevote, a precommit or a proposal leaves. */
export function placeReceipt(kind: string, height: number, round: number, root = "a"): Receipt {
  const heights = [BigInt(height), BigInt(round)];
  return { kind, heights, signingRoot: rootOf(`${kind} ${root}`), timeMs: height };
}

export function actReceipt(kind: string): Receipt {
  return { kind, heights: [], signingRoot: null, timeMs: 1 };
}

/** As the enclave writes it: the heights of the order, and its digest. */
export function overrideReceipt(...heights: readonly number[]): Receipt {
  return { ...voteReceipt(0, 0), kind: "override", heights: heights.map(BigInt) };
}

/** Of what a signer of a Tendermint chain has signed from memory. */
export function heldReceipt(kind: Act, ...signed: readonly Receipt[]): HeldReceipt {
  return { kind, signed, timeMs: 1 };
}

export class ReceiptHistory {
  readonly key: Uint8Array;
  readonly lines: LogReceipt[] = [];
  #head = NO_HEAD;

  constructor(number = 1) {
    this.key = new Uint8Array(48).fill(number);
  }

  add(...receipts: readonly (Receipt | HeldReceipt)[]): this {
    for (const receipt of receipts) {
      this.addBytes((seq, previous) => encodeReceipt(receipt, seq, previous));
    }
    return this;
  }

  /** Bytes that no enclave writes, in the place of a receipt. */
  addBytes(encode: (seq: number, previous: Uint8Array) => Uint8Array): this {
    const seq = this.lines.length + 1;
    const bytes = encode(seq, this.#head);
    this.#head = headAfter({ scope: AUDIT_SCOPE, publicKey: this.key }, bytes);
    this.lines.push({ kind: "receipt", scope: AUDIT_SCOPE, key: this.key, seq, receipt: bytes });
    return this;
  }

  head(): LogHead {
    const seq = this.lines.length;
    return { kind: "head", scope: AUDIT_SCOPE, key: this.key, seq, head: this.#head };
  }
}

/** A whole file of these lines. */
export function logOf(heads: readonly LogHead[], lines: readonly LogReceipt[]): string {
  const end = { kind: "end", headCount: heads.length, count: lines.length } as const;
  const start = { kind: "start", madeMs: 1, source: "parent" } as const;
  return [start, ...heads, ...lines, end].map(encodeLine).join("");
}
