// What every scheme but Ethereum's has to answer to sign messages. An implementation must never
// keep a secret beyond the buffer that it was given, but where it says so, and never decide whether
// something may be signed.

import type { Scheme } from "../../shared/scheme.ts";

export type MessageScheme = Exclude<Scheme, "bls12381-pop">;

/** A key that is open. What it signs may be wrong: a processor may have failed. */
export interface MessageSigner {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

export type MessageSignature = {
  /**
   * Null when the bytes are no secret of the scheme. The signer reads `secret` whenever it signs:
   * it stays as it is for as long as the signer is used.
   */
  readonly open: (secret: Uint8Array) => MessageSigner | null;
  /** As the nodes of the chain verify. False for whatever has another form, never a throw. */
  readonly verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
  /**
   * Whether a signature that was computed wrongly may give the secret away: with Ed25519 and ECDSA
   * one is enough to compute it, so that theirs are verified before release. A wrong BLS signature
   * is only a wrong point, and verifying one takes longer than signing it.
   */
  readonly canLeakKey: boolean;
};
