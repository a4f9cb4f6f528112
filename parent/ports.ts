// What the parts of the parent need of each other, so that each can be built and tested alone.
// The parent is trusted for liveness only: nothing here decides about safety.

import type { Address } from "../shared/address.ts";
import type { Refusal } from "../shared/errors.ts";
import type { OperationKind, OperationMask } from "../shared/operation.ts";
import type { Result } from "../shared/result.ts";
import type { AnswerOf, Dialect, ENCLAVE_METHODS, ParamsOf } from "../shared/wire/methods.ts";

export type EnclaveStatus = AnswerOf<(typeof ENCLAVE_METHODS)["status"]>;

/** AWS credentials, as the enclave takes them. */
export type Credentials = ParamsOf<(typeof ENCLAVE_METHODS)["credentials.put"]>;

export type LocateRefusal = Refusal<
  "ENCLAVE_ABSENT" | "ENCLAVE_AMBIGUOUS" | "NITRO_CLI_FAILED" | "NITRO_CLI_MALFORMED"
>;

/** Where the enclave listens now; asked before each connect. */
export interface EnclaveLocator {
  locate(): Promise<Result<Address, LocateRefusal>>;
}

export type SignAsk = {
  readonly dialect: Dialect;
  readonly key: Uint8Array;
  /** What the client may ask for. The enclave refuses the rest with ACL_KIND_DENIED. */
  readonly kinds: OperationMask;
  /** The body as the client sent it. The parent does not parse it. */
  readonly body: Uint8Array;
};

export type Signed = { readonly kind: OperationKind; readonly signature: Uint8Array };

export type ReloadState = {
  readonly status: "idle" | "running" | "completed" | "completed_with_errors" | "failed";
  /** ISO 8601, null before the first reload. */
  readonly lastOperationTime: string | null;
  /** An error code, null when there was none. */
  readonly lastError: string | null;
};

/** The enclave as the API sees it; implemented in `link/`. */
export interface Signer {
  sign(ask: SignAsk): Promise<Result<Signed, Refusal>>;
  /** A fresh attestation document over this nonce. */
  attest(nonce: Uint8Array | null): Promise<Result<Uint8Array, Refusal>>;
  /** The public keys that are loaded now, `0x` and lower-case digits, sorted. */
  keys(): readonly string[];
  /** The exact bytes of the manifest that was handed over. */
  manifest(): Uint8Array;
  /** The last status, or null while the enclave can't be reached. */
  status(): EnclaveStatus | null;
  /** Null when requests are served; else why they are not. */
  notReady(): Refusal | null;
  /** Requests handed to the enclave and not answered yet. */
  inFlightCount(): number;
  reloadState(): ReloadState;
  /** Starts a reload of bundles and keys; refused with RELOAD_RUNNING while one runs. */
  startReload(): Result<null, Refusal<"RELOAD_RUNNING">>;
}

/** Structured logs: an event name and allow-listed fields, nothing else. */
export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** Fields that may be logged. A field that is not here does not compile. */
export type LogFields = {
  readonly code?: string;
  readonly client?: string;
  readonly key?: string;
  readonly kind?: string;
  readonly status?: number;
  readonly durationMs?: number;
  readonly phase?: string;
  readonly bundle?: string;
  readonly count?: number;
  readonly slot?: string;
  readonly epoch?: string;
  readonly address?: string;
  readonly host?: string;
  readonly path?: string;
  readonly reason?: string;
  readonly version?: string;
  readonly chain?: string;
  readonly position?: string;
  readonly peer?: string;
};
