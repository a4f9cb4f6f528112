// Makes claims of Tendermint chains durable, in the way that the manifest says for a key's chain:
// each before its signature, or by heights that were reserved before. It must never say that
// something may be signed which no durable record covers.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type TendermintClaim, timeToSign } from "../core/chains/tendermint/consensus-rule.ts";
import type { Timestamp } from "../core/chains/tendermint/timestamp.ts";
import type { Receipt } from "../state/record-codec.ts";
import { KeyReservation } from "./key-reservation.ts";
import type { TendermintAccount } from "./tendermint-accounts.ts";

export class ClaimRecorder {
  /** The boot's id: whom heights are reserved for. */
  readonly #holder: Uint8Array;
  /** Trusted time, null when it is too old. */
  readonly #nowMs: () => number | null;
  /** Of every key that was asked for since boot, as its account is. */
  readonly #reservations = new Map<TendermintAccount, KeyReservation>();

  constructor(holder: Uint8Array, nowMs: () => number | null) {
    this.#holder = holder;
    this.#nowMs = nowMs;
  }

  /**
   * Answers the time that the signature has to state. `onDecided`: the rule has allowed the claim,
   * whose record is on its way to the store; not told where there is nothing to wait for.
   */
  record(
    account: TendermintAccount,
    claim: TendermintClaim,
    root: Uint8Array,
    receipt: Receipt,
    onDecided: () => void,
  ): Promise<Result<Timestamp, Refusal>> {
    const reservation = this.#reservationOf(account);
    return reservation === null
      ? recordBefore(account, claim, root, receipt, onDecided)
      : reservation.record(claim, root, receipt);
  }

  /** Before the enclave ends: what is left of the reserved heights is free at once. */
  async giveBack(): Promise<void> {
    await Promise.all([...this.#reservations.values()].map((held) => held.giveBack()));
  }

  /** Before a key is retired: what it signed is written, and from now on it signs nothing. */
  async close(account: TendermintAccount): Promise<void> {
    await this.#reservations.get(account)?.giveBack();
  }

  /** Has an order of the operators on the key's record written (`KeyReservation.override`). */
  override(
    account: TendermintAccount,
    write: () => Promise<Result<null, Refusal>>,
  ): Promise<Result<null, Refusal>> {
    return this.#reservations.get(account)?.override(write) ?? write();
  }

  #reservationOf(account: TendermintAccount): KeyReservation | null {
    const { reservedCount } = account.policy;
    if (reservedCount === null) return null;
    const known = this.#reservations.get(account);
    if (known !== undefined) return known;
    const made = new KeyReservation(account, reservedCount, this.#holder, this.#nowMs);
    this.#reservations.set(account, made);
    return made;
  }
}

async function recordBefore(
  account: TendermintAccount,
  claim: TendermintClaim,
  root: Uint8Array,
  receipt: Receipt,
  onDecided: () => void,
): Promise<Result<Timestamp, Refusal>> {
  // A stale record is read first, and decided on after that.
  const wasStale = account.entry.isStale;
  const recording = account.ledger.record(account, claim, root, receipt);
  if (recording instanceof Promise && !wasStale) onDecided();
  const recorded = await recording;
  if (!recorded.ok) return recorded;
  const { durable } = account.entry;
  const time = durable === null ? null : timeToSign(durable.record.last, claim, root);
  // Something later is durable already: then the answer would come too late for its node, too.
  return time === null ? err(refusal("STATE_CONFLICT")) : ok(time);
}
