// What the operator's acts on records have in common, whichever chain the keys are of: what their
// receipts say, and first records. A first record is an explicit act, because a key without one may
// have signed elsewhere; it must never touch a record that is there.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { RAISE_REASONS, type RaiseReason } from "../../shared/wire/methods.ts";
import type { StateStore } from "../core/ports.ts";
import type { Act, Receipt } from "../state/record-codec.ts";
import type { Accounts } from "./accounts.ts";
import { inTurns } from "./act-turns.ts";

export type FirstRecordParts<R, C, F, P> = {
  readonly accounts: Accounts<R, C, F, P>;
  /** The record of a key that has signed nothing. */
  readonly empty: R;
  readonly store: Pick<StateStore, "verify">;
  /** Trusted time, null when it is too old. */
  readonly nowMs: () => number | null;
};

/** Answers how many were made. */
export async function createFirstRecords<R, C, F, P>(
  { accounts, empty, store, nowMs }: FirstRecordParts<R, C, F, P>,
  keys: readonly Uint8Array[],
): Promise<Result<number, Refusal>> {
  const timeMs = nowMs();
  if (timeMs === null) return err(refusal("TIME_STALE"));
  const verified = await store.verify();
  if (!verified.ok) return verified;
  const missing = accounts.findAll(keys).filter(({ entry }) => entry.durable === null);
  const acts = await inTurns(missing, (account) =>
    account.ledger.amend(account, receiptOf("init", timeMs), (record) =>
      record === null ? { record: empty, isRetired: false } : null,
    ),
  );
  const failed = firstRefusal(acts);
  if (failed !== null) return err(failed);
  // A store that had hidden a record gave it out instead: that one was not created.
  return ok(missing.filter(({ entry }) => entry.durable?.seq === 1).length);
}

/** Why floors are raised, as the wire numbers it. */
export function raiseReasonOf(number: number): RaiseReason | undefined {
  if (number === RAISE_REASONS.import) return "import";
  return number === RAISE_REASONS.floor ? "floor" : undefined;
}

export function receiptOf(kind: Act, timeMs: number): Receipt {
  return { kind, heights: [], signingRoot: null, timeMs };
}

export function firstRefusal(outcomes: readonly Result<unknown, Refusal>[]): Refusal | null {
  const failed = outcomes.find((outcome) => !outcome.ok);
  return failed === undefined || failed.ok ? null : failed.error;
}
