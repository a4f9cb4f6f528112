// A key of tmkms's softsign provider: one line of base64, which says neither of what scheme it is
// nor what its public key is. It must never guess either: whoever asks says the scheme, and an
// expanded key is refused.

import { allocateSecret, wipe } from "../../enclave/keys/secret.ts";
import { err, type Result } from "../../shared/result.ts";
import { SECRET_KEY_BYTES } from "../../shared/scheme.ts";
import { type OpenedMessageKey, openSecret } from "./opened-key.ts";
import { parseSecretBase64 } from "./secret-base64.ts";

export const TMKMS_KEY_BYTES_MAX = 1024;

export type TmkmsScheme = "ed25519" | "secp256k1";

export type TmkmsKeyFault =
  | "malformed tmkms key"
  | "an expanded key: only 32-byte seeds can be sealed"
  | "invalid secret key";

/**
 * What tmkms 0.15 also takes (src/keyring/ed25519/signing_key.rs): a scalar and the prefix of its
 * nonces, or these as a YubiHSM exports them, with the scalar's bytes the other way round and the
 * public key after it. Ours start from the seed, which neither holds.
 */
const EXPANDED_BYTES: readonly number[] = [64, 96];

/** The caller wipes `bytes`, and the secret. White space at the end is left out, as tmkms does. */
export function parseTmkmsKey(
  bytes: Uint8Array,
  scheme: TmkmsScheme,
): Result<OpenedMessageKey, TmkmsKeyFault> {
  if (bytes.length > TMKMS_KEY_BYTES_MAX) return err("malformed tmkms key");
  let end = bytes.length;
  while (isSpace(bytes[end - 1])) end -= 1;
  const decoded = parseSecretBase64(bytes.subarray(0, end));
  if (decoded === null) return err("malformed tmkms key");
  try {
    if (scheme === "ed25519" && EXPANDED_BYTES.includes(decoded.length)) {
      return err("an expanded key: only 32-byte seeds can be sealed");
    }
    if (decoded.length !== SECRET_KEY_BYTES) return err("malformed tmkms key");
    const secret = allocateSecret(SECRET_KEY_BYTES);
    secret.set(decoded);
    return openSecret(scheme, secret);
  } finally {
    wipe(decoded);
  }
}

function isSpace(code: number | undefined): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}
