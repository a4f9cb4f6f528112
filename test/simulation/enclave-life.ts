// One life of an enclave, whatever its chain: the real accounts, guard, ledger and records, loaded
// and opened as the service does it. Simulated are its surroundings: the clock, the store and KMS.

import type { StateStore } from "../../enclave/core/ports.ts";
import type { OpenedBundle } from "../../enclave/keys/bundle.ts";
import type { Accounts } from "../../enclave/service/accounts.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import type { Refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { ok, type Result } from "../../shared/result.ts";

export type Clock = { unixMs: number };

export type LifeParts<R, C, F, P> = {
  readonly accounts: Accounts<R, C, F, P>;
  /** A bundle of this key alone, whose id starts as the key does. */
  readonly openBundle: (key: BundleKey) => OpenedBundle;
  readonly chooseFloor: () => F;
};

export class EnclaveLife<R, C, F, P> {
  readonly #parts: LifeParts<R, C, F, P>;
  #store: StateStore | null = null;
  /** How far this enclave's time is ahead of the clock. */
  aheadMs = 0;
  isAlive = true;
  isReady = false;
  /** A change of the keys is under way; the real service does one at a time, too. */
  isBusy = false;

  constructor(parts: LifeParts<R, C, F, P>) {
    this.#parts = parts;
  }

  get accounts(): Accounts<R, C, F, P> {
    return this.#parts.accounts;
  }

  get keyCount(): number {
    return this.accounts.keyring.keyCount;
  }

  /** Of the open state. */
  get store(): StateStore {
    invariant(this.#store !== null, "acts are on an open state");
    return this.#store;
  }

  holds(key: BundleKey): boolean {
    return this.isAlive && this.accounts.find(key.publicKey) !== undefined;
  }

  /** Whether the key signs nothing until a reboot. */
  faultOf(key: BundleKey): boolean {
    const fault = this.accounts.find(key.publicKey)?.entry.fault ?? null;
    return fault !== null;
  }

  floorOf(key: BundleKey): F | null {
    return this.accounts.find(key.publicKey)?.floor ?? null;
  }

  async load(key: BundleKey): Promise<boolean> {
    const { openBundle, chooseFloor } = this.#parts;
    const choose: (() => Promise<Result<F, Refusal>>) | null = this.isReady
      ? () => Promise.resolve(ok(chooseFloor()))
      : null;
    return this.#busy(async () => (await this.accounts.add(openBundle(key), choose)).ok);
  }

  async openState(store: StateStore): Promise<boolean> {
    this.#store = store;
    return this.#busy(async () => {
      if (!(await store.verify()).ok) return false;
      const ledger = await this.accounts.readState(store);
      if (ledger.ok) this.accounts.openState(ledger.value, this.#parts.chooseFloor(), null);
      this.isReady = ledger.ok;
      return ledger.ok;
    });
  }

  async drop(key: BundleKey): Promise<void> {
    const kept = this.accounts.keyring.bundleIds().filter((id) => id[0] !== key.publicKey[0]);
    await this.#busy(() => this.accounts.retain(kept));
  }

  async #busy<T>(run: () => Promise<T>): Promise<T> {
    this.isBusy = true;
    const outcome = await run();
    this.isBusy = false;
    return outcome;
  }
}
