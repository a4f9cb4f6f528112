// The tombstone, whichever chain a key is of: its last record, and then the attested proof that
// another signer may take the key over. It must never have a proof made before the tombstone is
// durable, nor of a key of which nothing is known.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { ChainedRecord } from "../core/guard.ts";
import type { Nsm } from "../core/ports.ts";
import type { Accounts, KeyAccount } from "./accounts.ts";
import { firstRefusal, receiptOf, type Show } from "./record-act.ts";

export type Retired<S> = { readonly state: S; readonly document: Uint8Array };

export type RetireParts<R, C, F, P> = {
  readonly accounts: Accounts<R, C, F, P>;
  readonly nsm: Pick<Nsm, "attest">;
  readonly bootId: Uint8Array;
  /** Trusted time, null when it is too old. */
  readonly nowMs: () => number | null;
};

/** What a family of chains says of its tombstones. */
export type Tombstones<R, C, F, P, S> = {
  /** Before the tombstone: what was signed, and is not written yet. */
  readonly settle: (account: KeyAccount<R, C, F, P>) => Promise<void>;
  /**
   * The key's last record, at or above `record` (null: there is none): it forbids all that this
   * signer may have signed. Null when that is not known.
   */
  readonly lastRecord: (account: KeyAccount<R, C, F, P>, record: R | null) => R | null;
  /** The statement of it, for `user_data`. */
  readonly encodeProof: (
    account: KeyAccount<R, C, F, P>,
    tombstone: ChainedRecord<R>,
    bootId: Uint8Array,
  ) => Uint8Array;
  readonly show: Show<R, C, F, P, S>;
};

/** Tombstones first, all of them durable; only then the documents that say so. */
export async function retireAccounts<R, C, F, P, S>(
  parts: RetireParts<R, C, F, P>,
  tombstones: Tombstones<R, C, F, P, S>,
  keys: readonly Uint8Array[],
): Promise<Result<readonly Retired<S>[], Refusal>> {
  const found = parts.accounts.findAll(keys);
  if (found.length !== keys.length) return err(refusal("KEY_UNKNOWN"));
  const timeMs = parts.nowMs();
  if (timeMs === null) return err(refusal("TIME_STALE"));
  await Promise.all(found.map(tombstones.settle));
  const acts = found.map((account) =>
    account.ledger.amend(account, receiptOf("retire", timeMs), (record) => {
      const last = tombstones.lastRecord(account, record);
      return last === null ? null : { record: last, isRetired: true };
    }),
  );
  const failed = firstRefusal((await Promise.all(acts)).map(unlessRetired));
  if (failed !== null) return err(failed);
  const retired: Retired<S>[] = [];
  for (const account of found) {
    const proved = await prove(parts, tombstones, account);
    if (!proved.ok) return proved;
    retired.push(proved.value);
  }
  return ok(retired);
}

async function prove<R, C, F, P, S>(
  { nsm, bootId }: RetireParts<R, C, F, P>,
  { encodeProof, show }: Tombstones<R, C, F, P, S>,
  account: KeyAccount<R, C, F, P>,
): Promise<Result<Retired<S>, Refusal>> {
  const { durable } = account.entry;
  if (durable === null) return err(refusal("STATE_MISSING"));
  // Only the durable record counts: a tombstone that may be lost proves nothing.
  if (!durable.isRetired) return err(refusal("STATE_UNKNOWN"));
  const state = show(account);
  const userData = encodeProof(account, durable, bootId);
  const document = await nsm.attest({ userData, nonce: null, publicKey: null });
  return document.ok ? ok({ state, document: document.value }) : document;
}

/** What is retired already is as it should be. */
function unlessRetired(outcome: Result<null, Refusal>): Result<null, Refusal> {
  return !outcome.ok && outcome.error.code === "KEY_RETIRED" ? ok(null) : outcome;
}
