// What the enclave needs of the world, declared by the side that needs it and implemented in
// `platform/` (or, for tests, in `test/fakes`). No port may decide anything: it carries bytes,
// tells time or fails with a code.

import type { Refusal } from "../../shared/errors.ts";
import type { Result } from "../../shared/result.ts";

/** `/dev/nsm` as it is: one CBOR request in, one CBOR response out. */
export interface NsmDevice {
  request(bytes: Uint8Array): Promise<Result<Uint8Array, Refusal<"NSM_UNAVAILABLE">>>;
}

export type NsmRefusal = Refusal<"NSM_UNAVAILABLE" | "NSM_REFUSED" | "NSM_MALFORMED">;

export type PcrState = { readonly isLocked: boolean; readonly digest: Uint8Array };

/** Fields of an attestation document that its requester chooses; each at most 512 bytes here. */
export type AttestationFields = {
  readonly userData: Uint8Array | null;
  readonly nonce: Uint8Array | null;
  readonly publicKey: Uint8Array | null;
};

/** The NSM's commands that we use (nitro-kms.md §1). */
export interface Nsm {
  describePcr(index: number): Promise<Result<PcrState, NsmRefusal>>;
  /** PCR = SHA384(PCR || data); answers the new value. */
  extendPcr(index: number, data: Uint8Array): Promise<Result<Uint8Array, NsmRefusal>>;
  lockPcr(index: number): Promise<Result<null, NsmRefusal>>;
  /** A COSE_Sign1 attestation document, signed by the hypervisor. */
  attest(fields: AttestationFields): Promise<Result<Uint8Array, NsmRefusal>>;
}

/** Time since some fixed moment. It never goes back; it may stand still while the VM is paused. */
export interface MonotonicClock {
  nowMs(): number;
}

export interface Entropy {
  randomBytes(count: number): Uint8Array<ArrayBuffer>;
}

/** What KMS wrapped, and under what it will unwrap it. */
export type WrappedKey = {
  readonly keyArn: string;
  readonly ciphertext: Uint8Array;
  readonly encryptionContext: Readonly<Record<string, string>>;
};

export type ReleaseRefusal = Refusal<
  | "KMS_UNAVAILABLE"
  | "KMS_DENIED"
  | "KMS_MALFORMED"
  | "KMS_THROTTLED"
  | "KMS_KEY_MISMATCH"
  | "KMS_INVALID"
  | "CMS_MALFORMED"
  | "CREDENTIALS_MISSING"
  | "TIME_STALE"
  | "RELAY_HOST_DENIED"
  | "RELAY_UNREACHABLE"
  | NsmRefusal["code"]
>;

/** KMS: gives a wrapped key to whom an attestation document names, and to nobody else. */
export interface KeyReleaser {
  /** The caller owns the plaintext, which has its own ArrayBuffer, and wipes it. */
  release(wrapped: WrappedKey): Promise<Result<Uint8Array<ArrayBuffer>, ReleaseRefusal>>;
}

/** A record as the store keeps it: opaque bytes and the version that is compared. */
export type StoredRecord = { readonly seq: number; readonly record: Uint8Array };

export type RecordWrite = StoredRecord & { readonly key: Uint8Array; readonly receipt: Uint8Array };

/**
 * What became of one write. `conflict`: another version is stored (null: none), nothing written.
 * `unknown`: it may or may not have been written; the caller must not release anything for it.
 */
export type CommitOutcome =
  | { readonly kind: "committed" }
  | { readonly kind: "conflict"; readonly stored: StoredRecord | null }
  | { readonly kind: "unknown"; readonly cause: Refusal };

/** A compare-and-swap per key. All stores have these semantics. */
export interface StateStore {
  /**
   * How writes go out. `group`: all that wait, as one commit, and the next when it is answered, so
   * that one fsync serves many. `each`: every write alone and at once; one that is late holds up
   * nobody but its own key.
   */
  readonly pacing: "group" | "each";
  /**
   * Whether this is the store that the manifest names. Asked before records are loaded, and before
   * first records are made: an empty store is not to be taken for keys that never signed.
   */
  verify(): Promise<Result<null, Refusal>>;
  read(
    scope: Uint8Array,
    keys: readonly Uint8Array[],
  ): Promise<Result<readonly (StoredRecord | null)[], Refusal>>;
  /** One outcome for each write, in order. Never throws, never answers late. */
  commit(scope: Uint8Array, writes: readonly RecordWrite[]): Promise<readonly CommitOutcome[]>;
}

export type LoggedReceipt = {
  readonly key: Uint8Array;
  readonly seq: number;
  readonly receipt: Uint8Array;
};

/** History outside of a store that keeps only the last receipt. No signature waits for it. */
export interface ReceiptLog {
  append(scope: Uint8Array, receipts: readonly LoggedReceipt[]): void;
  /** Settles when nothing is on its way any more, or after `msMax`. */
  flush(msMax: number): Promise<void>;
  /** Receipts that were given up; a later writer or an audit finds what is missing. */
  readonly lostCount: number;
}

/** What a store other than the parent's is asked with: sealed, so that the parent never has it. */
export type StoreCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
};

/** Whoever can sign a 32-byte root on the calling thread. */
export interface RootSigner {
  sign(root: Uint8Array): Uint8Array;
}

/** Signs 32-byte roots, on as many cores as there are. */
export interface SignPool {
  /**
   * Adds keys, and answers their handles in order. `secrets` holds the 32 bytes of each for the
   * other threads; the pool owns it, and overwrites it when every thread has read it.
   */
  add(signers: readonly RootSigner[], secrets: SharedArrayBuffer): Promise<readonly number[]>;
  remove(handles: readonly number[]): Promise<void>;
  /** Settles with the signature; never rejects but for a bug. */
  sign(handle: number, root: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Runs something again and again, or once; used where time itself is the reason. */
export interface Ticker {
  every(intervalMs: number, run: () => void): { stop(): void };
  after(delayMs: number, run: () => void): { stop(): void };
}
