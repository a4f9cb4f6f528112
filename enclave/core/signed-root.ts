// What a record states of something that was signed, whatever the chain: its root, and whether the
// receipt is written too. It must never take an unknown root for equal to any.

import { isEqualBytes } from "../../shared/bytes/compare.ts";

export type SignedRoot = {
  /** Null when it is unknown, as after an import: then nothing at that place is repeated. */
  readonly root: Uint8Array | null;
  /**
   * The root's own write was not seen to be done, and that of something else brought it here: it is
   * written once more, with its receipt, before it is released.
   */
  readonly isUnreceipted?: true;
};

/** An unknown root is the same as none. */
export function isSameRoot(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a !== null && b !== null && isEqualBytes(a, b);
}

/** At one place a root may be forgotten, which refuses more; it may not become another. */
export function isRootSuccessor(earlier: Uint8Array | null, later: Uint8Array | null): boolean {
  return later === null || isSameRoot(earlier, later);
}

/** What the store does not state, at least not as its own write left it. */
export function unreceipted<T extends SignedRoot>(signed: T): T {
  return signed.root === null ? signed : { ...signed, isUnreceipted: true };
}
