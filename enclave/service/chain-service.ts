// What the service asks of a family of chains, whichever it is: to take keys, to open their state,
// and to answer the methods that only this family has. It must never be asked for a method that the
// present phase does not list.

import type { Refusal } from "../../shared/errors.ts";
import type { Result } from "../../shared/result.ts";
import type { Handlers } from "../../shared/wire/link.ts";
import type { AnswerOf, ENCLAVE_METHODS } from "../../shared/wire/methods.ts";
import type { TrustedTime } from "../attestation/trusted-time.ts";
import type { Nsm, SignPool, StateStore } from "../core/ports.ts";
import type { OpenedBundle } from "../keys/bundle.ts";
import type { Keyring } from "../keys/keyring.ts";

export type EnclaveHandlers = Handlers<typeof ENCLAVE_METHODS>;

/** Methods whose answer depends on the family. */
export type ChainMethod =
  | "sign"
  | "state.init"
  | "state.show"
  | "state.import"
  | "state.retire"
  | "state.override"
  | "privval"
  | "consensus.show"
  | "consensus.import"
  | "consensus.retire"
  | "consensus.override";

type StatusAnswer = AnswerOf<(typeof ENCLAVE_METHODS)["status"]>;
export type ChainStatus = Pick<
  StatusAnswer,
  "genesisValidatorsRoot" | "chainIds" | "floor" | "highWatermark" | "overrideCount"
>;

/** What of the enclave a family works with. */
export type ChainParts = {
  readonly nsm: Nsm;
  readonly time: TrustedTime;
  readonly pool: SignPool;
  readonly bootId: Uint8Array;
  /** DER of the root that a predecessor's document must be certified by. */
  readonly nsmRoot: Uint8Array;
  /** What a predecessor's hand-over to this boot is bound to. */
  readonly challenge: Uint8Array;
};

export interface ChainService {
  readonly keyring: Keyring;
  readonly recordCount: number;
  /** A family that lacks a method refuses it. Only after `open`. */
  readonly methods: Partial<Pick<EnclaveHandlers, ChainMethod>>;
  status(): ChainStatus;
  /** All keys of a bundle, or none. */
  add(bundle: OpenedBundle): Promise<Result<null, Refusal>>;
  /** Drops every bundle that is not listed; answers how many keys went. */
  retain(bundleIds: readonly Uint8Array[]): Promise<number>;
  /** Reads every key's record; answers whether they were handed over. */
  open(store: StateStore, handover: Uint8Array | null): Promise<Result<boolean, Refusal>>;
  /** When nothing is signed any more: writes what is still to be written. May be asked again. */
  drain(): Promise<void>;
  /** After draining, at `drainedMs`: the document for the successor with this challenge. */
  handOver(nonce: Uint8Array, drainedMs: number): Promise<Result<Uint8Array, Refusal>>;
}
