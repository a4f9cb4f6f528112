// What the operator's acts on records have in common, whichever chain the keys are of: what their
// receipts say, first records, and records that are raised. A first record is an explicit act,
// because a key without one may have signed elsewhere; it must never touch a record that is there.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { RAISE_REASONS, type RaiseReason } from "../../shared/wire/methods.ts";
import type { StateStore } from "../core/ports.ts";
import type { Act, Receipt } from "../state/record-codec.ts";
import type { Accounts, KeyAccount } from "./accounts.ts";
import { inTurns } from "./act-turns.ts";

export type RecordActParts<R, C, F, P> = {
  readonly accounts: Accounts<R, C, F, P>;
  readonly store: Pick<StateStore, "verify">;
  /** Trusted time, null when it is too old. */
  readonly nowMs: () => number | null;
};

/** What an operator sees of a key, with `record` in the place of the durable one for a dry run. */
export type Show<R, C, F, P, S> = (account: KeyAccount<R, C, F, P>, record?: R) => S;

/** Answers how many were made. */
export async function createFirstRecords<R, C, F, P>(
  { accounts, store, nowMs }: RecordActParts<R, C, F, P>,
  keys: readonly Uint8Array[],
): Promise<Result<number, Refusal>> {
  const timeMs = nowMs();
  if (timeMs === null) return err(refusal("TIME_STALE"));
  const verified = await store.verify();
  if (!verified.ok) return verified;
  const { empty } = accounts.rule;
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

export type Raise<R, C, F, P> = {
  readonly account: KeyAccount<R, C, F, P>;
  /** The least record that forbids what either forbids. */
  readonly raise: (record: R) => R;
};

export type RaiseHow = {
  readonly reason: RaiseReason;
  /** Trusted time of the decision. */
  readonly timeMs: number;
  readonly isDryRun: boolean;
};

/** Answers the states afterwards; a dry run what they would be. */
export async function raiseAccounts<R, C, F, P, S>(
  { accounts, store }: RecordActParts<R, C, F, P>,
  raises: readonly Raise<R, C, F, P>[],
  { reason, timeMs, isDryRun }: RaiseHow,
  show: Show<R, C, F, P, S>,
): Promise<Result<readonly S[], Refusal>> {
  const { rule } = accounts;
  if (isDryRun) {
    return ok(
      raises.map(({ account, raise }) =>
        show(account, raise(account.entry.raised?.record ?? rule.empty)),
      ),
    );
  }
  const verified = await store.verify();
  if (!verified.ok) return verified;
  const acts = await inTurns(raises, ({ account, raise }) =>
    account.ledger.amend(account, receiptOf(reason, timeMs), (record) => {
      const raised = raise(record ?? rule.empty);
      const isSame = record !== null && rule.isSuccessor(raised, record);
      return isSame ? null : { record: raised, isRetired: false };
    }),
  );
  const failed = firstRefusal(acts);
  return failed === null ? ok(raises.map(({ account }) => show(account))) : err(failed);
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
