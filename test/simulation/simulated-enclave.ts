// One life of an enclave that signs for Ethereum, with the real request parser and signing path.
// Simulated is the sign pool too, whose "signature" is the root itself, so that a recorder can see
// what was signed.

import type { KeyGroup } from "../../enclave/core/chains/ethereum/manifest-part.ts";
import type { EthereumClaim } from "../../enclave/core/chains/ethereum/operation.ts";
import type {
  EthereumFloor,
  EthereumRecord,
  ImportedFloor,
} from "../../enclave/core/chains/ethereum/slashing-rule.ts";
import { bootFloorAt } from "../../enclave/core/chains/ethereum/time-bound.ts";
import type { SignPool } from "../../enclave/core/ports.ts";
import type { OpenedBundle } from "../../enclave/keys/bundle.ts";
import { KeyMaterial } from "../../enclave/keys/key-material.ts";
import { RootKey } from "../../enclave/keys/signing-key.ts";
import { createEthereumAccounts } from "../../enclave/service/ethereum-accounts.ts";
import type { Retired } from "../../enclave/service/retire-act.ts";
import { sign } from "../../enclave/service/signing.ts";
import {
  type ActParts,
  initRecords,
  raiseRecords,
  retireKeys,
} from "../../enclave/service/state-acts.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import type { Refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { TIME_SKEW_MS_MAX } from "../../shared/limits.ts";
import { OPERATION_MASK_MAX } from "../../shared/operation.ts";
import { ok, type Result } from "../../shared/result.ts";
import { DIALECTS, type EthereumState, RAISE_REASONS } from "../../shared/wire/methods.ts";
import { bundleKeyOf } from "../fakes/sealed-keys.ts";
import { type Clock, EnclaveLife } from "./enclave-life.ts";
import type { Random } from "./random.ts";
import { manifest, type Request } from "./validator.ts";

export const KEYS: readonly BundleKey[] = [bundleKeyOf(1), bundleKeyOf(2)];

/** What a test of the tests breaks. */
export type Sabotage = {
  /** How far an enclave may believe that time has gone on. */
  readonly aheadMsMax?: number;
  readonly floorAt?: (nowMs: number, bootMs: number) => EthereumFloor;
};

export class SimulatedEnclave extends EnclaveLife<
  EthereumRecord,
  EthereumClaim,
  EthereumFloor,
  KeyGroup
> {
  readonly #clock: Clock;

  constructor(clock: Clock, random: Random, { aheadMsMax, floorAt }: Sabotage) {
    const bootMs = clock.unixMs;
    const { network } = manifest.ethereum;
    super({
      accounts: createEthereumAccounts(manifest, new RootPool()),
      openBundle: openedBundle,
      chooseFloor: () => floorAt?.(clock.unixMs, bootMs) ?? bootFloorAt(network, clock.unixMs),
    });
    this.#clock = clock;
    const furthestMs = aheadMsMax ?? TIME_SKEW_MS_MAX;
    this.aheadMs = random.chance(0.5) ? random.between(-6000, furthestMs) : furthestMs;
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

  retire(key: BundleKey): Promise<Result<readonly Retired<EthereumState>[], Refusal>> {
    return retireKeys(this.#actParts, { keys: [key.publicKey] });
  }

  get #actParts(): ActParts {
    return {
      manifest,
      accounts: this.accounts,
      store: this.store,
      nsm: { attest: () => Promise.resolve(ok(new Uint8Array(1))) },
      bootId: new Uint8Array(16),
      nowMs: () => this.#clock.unixMs,
    };
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
