// What a history has to know of the chains that its enclaves sign for: how one boots, what is asked
// of it, and what may not be released together. Nothing here decides when something happens.

import type { BundleKey } from "../../shared/bundle/keys.ts";
import type { Refusal } from "../../shared/errors.ts";
import type { Result } from "../../shared/result.ts";
import type { Clock, EnclaveLife } from "./enclave-life.ts";
import type { Random } from "./random.ts";
import type { Pairs } from "./recorder.ts";

/** One life of an enclave, as far as histories look at it. */
export type Life = Pick<
  EnclaveLife<unknown, unknown, unknown, unknown>,
  | "aheadMs"
  | "isAlive"
  | "isReady"
  | "isBusy"
  | "holds"
  | "faultOf"
  | "load"
  | "openState"
  | "drop"
  | "keyCount"
> & {
  /** The key's first record. */
  init(key: BundleKey): Promise<Result<unknown, Refusal>>;
};

/** What is signed once the faults have ceased, by every enclave that has the key. */
export type Sober<Q> = {
  readonly requests: readonly Q[];
  /** Refused after these. */
  readonly contradiction: Q | null;
};

/** `E`: an enclave's life; `Q`: a request; `S`: what was signed. */
export interface SimulatedChain<E extends Life, Q, S extends { readonly root: string }> {
  /** Two at least; their first bytes are their own. */
  readonly keys: readonly BundleKey[];
  readonly pairs: Pairs<S>;
  boot(clock: Clock, random: Random): E;
  ask(enclave: E, key: BundleKey, request: Q): Promise<Result<S, Refusal>>;
  /** What may do harm, by itself or beside something that was asked before. */
  hostile(random: Random, unixMs: number, known: Q | undefined): Q;
  /** One of few, of which hardly two go together: the shortest way to harm, if there is one. */
  duel(random: Random, unixMs: number): Q;
  /** In this order, for any key. */
  sober(unixMs: number): readonly Sober<Q>[];
  /** A first record or an import. */
  amend(
    enclave: E,
    key: BundleKey,
    random: Random,
    unixMs: number,
  ): Promise<Result<unknown, Refusal>>;
  /** Answers what another signer signs that is shown the proof; null when there is none. */
  retire(enclave: E, key: BundleKey): Promise<readonly S[] | null>;
  /** Whether the key signs nothing before time goes on. */
  isBelowFloor(enclave: E, key: BundleKey, unixMs: number): boolean;
}
