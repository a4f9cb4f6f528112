// One life of an enclave: the real accounts, guard, ledger, records, request parser and signing
// path. Simulated are its surroundings: the clock, the store, KMS, and the sign pool, whose
// "signature" is the root itself, so that a recorder can see what was signed.

import type {
  EthereumFloor,
  ImportedFloor,
} from "../../enclave/core/chains/ethereum/slashing-rule.ts";
import { bootFloorAt } from "../../enclave/core/chains/ethereum/time-bound.ts";
import type { SignPool, StateStore } from "../../enclave/core/ports.ts";
import type { OpenedBundle } from "../../enclave/keys/bundle.ts";
import { KeyMaterial } from "../../enclave/keys/key-material.ts";
import { RootKey } from "../../enclave/keys/signing-key.ts";
import {
  createEthereumAccounts,
  type EthereumAccounts,
} from "../../enclave/service/ethereum-accounts.ts";
import { sign } from "../../enclave/service/signing.ts";
import {
  type ActParts,
  initRecords,
  type Retired,
  raiseRecords,
  retireKeys,
} from "../../enclave/service/state-acts.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import type { Refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { TIME_SKEW_MS_MAX } from "../../shared/limits.ts";
import { OPERATION_MASK_MAX } from "../../shared/operation.ts";
import { ok, type Result } from "../../shared/result.ts";
import { DIALECTS, RAISE_REASONS } from "../../shared/wire/methods.ts";
import { bundleKeyOf } from "../fakes/sealed-keys.ts";
import type { Random } from "./random.ts";
import { manifest, type Request } from "./validator.ts";

export const KEYS: readonly BundleKey[] = [bundleKeyOf(1), bundleKeyOf(2)];

export type Clock = { unixMs: number };

/** What a test of the tests breaks. */
export type Sabotage = {
  /** How far an enclave may believe that time has gone on. */
  readonly aheadMsMax?: number;
  readonly floorAt?: (nowMs: number, bootMs: number) => EthereumFloor;
};

export class SimulatedEnclave {
  readonly accounts: EthereumAccounts;
  readonly #clock: Clock;
  readonly #bootMs: number;
  readonly #sabotage: Sabotage;
  #store: StateStore | null = null;
  /** How far this enclave's time is ahead of the clock. */
  aheadMs: number;
  isAlive = true;
  isReady = false;
  /** A change of the keys is under way; the real service does one at a time, too. */
  isBusy = false;

  constructor(clock: Clock, random: Random, sabotage: Sabotage) {
    this.#clock = clock;
    this.#bootMs = clock.unixMs;
    this.#sabotage = sabotage;
    const aheadMsMax = sabotage.aheadMsMax ?? TIME_SKEW_MS_MAX;
    this.aheadMs = random.chance(0.5) ? random.between(-6000, aheadMsMax) : aheadMsMax;
    this.accounts = createEthereumAccounts(manifest, new RootPool());
  }

  holds(key: BundleKey): boolean {
    return this.isAlive && this.accounts.find(key.publicKey) !== undefined;
  }

  /** Whether the key signs nothing until a reboot. */
  faultOf(key: BundleKey): boolean {
    const fault = this.accounts.find(key.publicKey)?.entry.fault ?? null;
    return fault !== null;
  }

  floorOf(key: BundleKey): EthereumFloor | null {
    return this.accounts.find(key.publicKey)?.floor ?? null;
  }

  async load(key: BundleKey): Promise<boolean> {
    const chooseFloor = this.isReady ? () => Promise.resolve(ok(this.#chooseFloor())) : null;
    return this.#busy(async () => (await this.accounts.add(openedBundle(key), chooseFloor)).ok);
  }

  async openState(store: StateStore): Promise<boolean> {
    this.#store = store;
    return this.#busy(async () => {
      if (!(await store.verify()).ok) return false;
      const ledger = await this.accounts.readState(store);
      if (ledger.ok) this.accounts.openState(ledger.value, this.#chooseFloor(), null);
      this.isReady = ledger.ok;
      return ledger.ok;
    });
  }

  async drop(key: BundleKey): Promise<void> {
    const kept = this.accounts.keyring.bundleIds().filter((id) => id[0] !== key.publicKey[0]);
    await this.#busy(() => this.accounts.retain(kept));
  }

  request(key: BundleKey, { body }: Request): ReturnType<typeof sign> {
    const parts = {
      manifest,
      accounts: this.accounts,
      pool: new RootPool(),
      nowMs: () => this.#clock.unixMs + this.aheadMs,
    };
    const params = { dialect: DIALECTS.web3signer, key: key.publicKey, kinds: OPERATION_MASK_MAX };
    return sign(parts, { ...params, body });
  }

  init(key: BundleKey): Promise<Result<number, Refusal>> {
    return initRecords(this.#actParts, { keys: [key.publicKey] });
  }

  raise(key: BundleKey, maxima: ImportedFloor): Promise<Result<unknown, Refusal>> {
    return raiseRecords(this.#actParts, {
      genesisValidatorsRoot: manifest.ethereum.network.genesisValidatorsRoot,
      floors: [{ key: key.publicKey, ...maxima }],
      isDryRun: false,
      reason: RAISE_REASONS.import,
    });
  }

  retire(key: BundleKey): Promise<Result<readonly Retired[], Refusal>> {
    return retireKeys(this.#actParts, { keys: [key.publicKey] });
  }

  get #actParts(): ActParts {
    invariant(this.#store !== null, "acts are on an open state");
    return {
      manifest,
      accounts: this.accounts,
      store: this.#store,
      nsm: { attest: () => Promise.resolve(ok(new Uint8Array(1))) },
      bootId: new Uint8Array(16),
      nowMs: () => this.#clock.unixMs,
    };
  }

  #chooseFloor(): EthereumFloor {
    const nowMs = this.#clock.unixMs;
    const { floorAt } = this.#sabotage;
    if (floorAt !== undefined) return floorAt(nowMs, this.#bootMs);
    return bootFloorAt(manifest.ethereum.network, nowMs);
  }

  async #busy<T>(run: () => Promise<T>): Promise<T> {
    this.isBusy = true;
    const outcome = await run();
    this.isBusy = false;
    return outcome;
  }
}

/** A bundle of one key, whose id starts as the key does. */
export function openedBundle(key: BundleKey): OpenedBundle {
  const material = new KeyMaterial(1);
  const loaded = RootKey.load(key, material, 0);
  invariant(loaded !== undefined, "the simulation's keys are keys");
  return { id: key.publicKey.slice(0, 16), keys: [loaded], material };
}

export class RootPool implements SignPool {
  #nextHandle = 1;

  add: SignPool["add"] = (signers) => Promise.resolve(signers.map(() => this.#nextHandle++));
  remove: SignPool["remove"] = () => Promise.resolve();
  sign: SignPool["sign"] = (_handle, root) => Promise.resolve(root.slice());
  close: SignPool["close"] = () => Promise.resolve();
}
