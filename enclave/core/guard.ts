// The guard: what every key has signed, in memory, ahead of the store. `decideClaim` checks a claim
// and the caller raises the floor in the same turn, so nothing can come between check and use. Two
// records are kept per key: `raised` holds what was approved since boot, `durable` what the store
// is known to hold. Decisions are made against `raised` only, and only what is in `durable` leaves.
//
// Invariants: `durable` never falls, and never exchanges one root for another at one height, so two
// different answers for one height can't both be released since boot; what was signed before the
// key was loaded is below its floor. `raised` is never below `durable`. A key without a record,
// with a record that is not ours, with one older than ours, or with a tombstone signs nothing
// (docs/safety.md). The one exception is an order of the operators (`Ledger.override`).

import { type ErrorCode, type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import type { Rule } from "./rule.ts";

/** A record with its place in the key's chain of receipts. */
export type ChainedRecord<R> = {
  readonly record: R;
  /** A tombstone: it can't be undone, and nothing is signed on top of it. */
  readonly isRetired: boolean;
  readonly seq: number;
  readonly head: Uint8Array;
};

export class GuardEntry<R> {
  durable: ChainedRecord<R> | null = null;
  raised: ChainedRecord<R> | null = null;
  /** An outcome was unknown, or there is no record: the store is read before the next decision. */
  isStale = true;
  /** Why this key signs nothing until the enclave boots again. */
  fault: ErrorCode | null = null;
  /** Moves on when `raised` may have, so that writes that were built on it are not sent. */
  generation = 0;
}

export type GuardDecision<R> =
  | { readonly kind: "refuse"; readonly refusal: Refusal }
  /** Durable already: sign and release. */
  | { readonly kind: "release" }
  /** A repeat of what is on its way to the store: release when that is durable. */
  | { readonly kind: "await" }
  /** Make `record` durable as the version after `base`, then release. */
  | { readonly kind: "write"; readonly record: R; readonly base: ChainedRecord<R> };

/**
 * Decides on a claim. `isPending` tells whether a commit of the raised record is under way. After
 * "write" the caller must call `raise` with the new record before anything else happens.
 */
export function decideClaim<R, C, F>(
  rule: Rule<R, C, F>,
  entry: GuardEntry<R>,
  claim: C,
  signingRoot: Uint8Array,
  floor: F,
  isPending: boolean,
): GuardDecision<R> {
  if (entry.fault !== null) return { kind: "refuse", refusal: refusal(entry.fault) };
  const { raised, durable } = entry;
  if (raised === null || durable === null) {
    return { kind: "refuse", refusal: refusal("STATE_MISSING") };
  }
  if (raised.isRetired) return { kind: "refuse", refusal: refusal("KEY_RETIRED") };
  const verdict = rule.decide(raised.record, claim, signingRoot, floor);
  switch (verdict.kind) {
    case "refuse":
      return verdict;
    case "approve":
      return { kind: "write", record: verdict.record, base: isPending ? raised : durable };
    case "repeat":
      if (raised === durable) return { kind: "release" };
      if (isPending) return { kind: "await" };
      return { kind: "write", record: raised.record, base: durable };
  }
}

export function raise<R>(entry: GuardEntry<R>, chained: ChainedRecord<R>): void {
  entry.raised = chained;
}

/** The store has made `chained` durable. */
export function confirm<R>(entry: GuardEntry<R>, chained: ChainedRecord<R>): void {
  const isNext = chained.seq === (entry.durable?.seq ?? 0) + 1;
  invariant(isNext, "a write of this generation follows what is durable");
  entry.durable = chained;
  entry.isStale = false;
}

/**
 * Takes over what the store holds, after a read or a conflict. Anything but a successor of what we
 * know to be durable is a store that was rolled back or forked, and ends the key until reboot.
 */
export function adopt<R, C, F>(
  rule: Rule<R, C, F>,
  entry: GuardEntry<R>,
  stored: ChainedRecord<R> | null,
  cause: "read" | "conflict",
): void {
  // A key without a record stays so: another enclave, or an import there, may give it its first.
  entry.isStale = stored === null && entry.durable === null;
  // Whatever it says: what was built on `raised` as it was, and is under way, is decided again.
  entry.generation += 1;
  const { durable } = entry;
  if (stored === null) {
    if (durable !== null) entry.fault = "STATE_ROLLED_BACK";
    return;
  }
  if (durable !== null) {
    const isUndead = durable.isRetired && !stored.isRetired;
    const isNewer =
      stored.seq >= durable.seq && !isUndead && rule.isSuccessor(durable.record, stored.record);
    if (!isNewer) {
      entry.fault = "STATE_ROLLED_BACK";
      return;
    }
  }
  entry.durable = stored;
  if (entry.raised === null || cause === "conflict" || stored.isRetired) {
    // What was approved on top of an overtaken record was not written, and not released. Beside a
    // tombstone it never can be: the proof that was given of it states the last word.
    entry.raised = stored;
    return;
  }
  // After an unknown outcome the floor stays raised: the write may still arrive.
  const { isRetired } = entry.raised;
  const joined = rule.join(entry.raised.record, stored.record);
  const isStored = !isRetired && rule.isSuccessor(joined, stored.record);
  entry.raised = isStored ? stored : { ...stored, record: joined, isRetired };
}
