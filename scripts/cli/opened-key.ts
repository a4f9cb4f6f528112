// A key that was read from a file and is to be sealed. It must never be one whose public key was
// not derived from its secret here.

import { MESSAGE_SIGNATURES } from "../../enclave/keys/message-signature.ts";
import type { MessageScheme } from "../../enclave/keys/message-signer.ts";
import { wipe } from "../../enclave/keys/secret.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Scheme } from "../../shared/scheme.ts";

/** Whoever is given it wipes the secret. */
export type OpenedKey = {
  readonly scheme: Scheme;
  readonly secret: Uint8Array<ArrayBuffer>;
  readonly publicKey: Uint8Array;
};

export type OpenedMessageKey = OpenedKey & { readonly scheme: MessageScheme };

/** Owns `secret`, of the scheme's length: it is in the key, or wiped. */
export function openSecret(
  scheme: MessageScheme,
  secret: Uint8Array<ArrayBuffer>,
): Result<OpenedMessageKey, "invalid secret key"> {
  const signer = MESSAGE_SIGNATURES[scheme].open(secret);
  if (signer !== null) return ok({ scheme, secret, publicKey: signer.publicKey });
  wipe(secret);
  return err("invalid secret key");
}
