// What a chain's slashing rule is to the guard: pure functions over a record (what was signed, as
// watermarks) and a claim (what a request would add). A rule must never forget: `join` and every
// approved record are at least as high as what they came from.

import type { Refusal } from "../../shared/errors.ts";

export type Verdict<R> =
  /** May be signed once `record` is durable. */
  | { readonly kind: "approve"; readonly record: R }
  /** The same was signed before: the same signature again adds nothing. */
  | { readonly kind: "repeat" }
  | { readonly kind: "refuse"; readonly refusal: Refusal };

export interface Rule<R, C, F> {
  /** The record of a key that has signed nothing. */
  readonly empty: R;
  /** `floor` is the least that may be signed since this boot, whatever the record says. */
  decide(record: R, claim: C, signingRoot: Uint8Array, floor: F): Verdict<R>;
  /** Whether `later` forbids everything that `earlier` forbids, and repeats no other root. */
  isSuccessor(earlier: R, later: R): boolean;
  /**
   * The least record that forbids everything that either forbids. What only `raised` states may
   * lack its receipt, and says so: it is no repeat before it has been approved again.
   */
  join(raised: R, stored: R): R;
  encode(record: R): Uint8Array;
  /** Undefined for anything that `encode` does not make. */
  parse(bytes: Uint8Array): R | undefined;
}
