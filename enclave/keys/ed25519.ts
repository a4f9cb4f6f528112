// Ed25519 (RFC 8032), by the OpenSSL that Node brings. It must never take a key for anything but
// what it is: 32 bytes, of a seed or a public key.
//
// A signer holds an OpenSSL key, which has its own copy of the seed: made once, since a signature
// must not cost a copy. OpenSSL overwrites it when it frees the key, which is when the collector
// comes by. There is no way to ask for it sooner.

import {
  createPrivateKey,
  createPublicKey,
  sign as signMessage,
  verify as verifyMessage,
} from "node:crypto";
import { concatBytes } from "../../shared/bytes/compare.ts";
import { pkcs8Head, spkiHead } from "../../shared/bytes/key-head.ts";
import { invariant } from "../../shared/invariant.ts";
import { SCHEMES, SECRET_KEY_BYTES } from "../../shared/scheme.ts";
import type { MessageSignature, MessageSigner } from "./message-signer.ts";
import { allocateSecret, wipe } from "./secret.ts";

const PKCS8_HEAD = pkcs8Head("ed25519");
const SPKI_HEAD = spkiHead("ed25519");

export const ED25519: MessageSignature = { open, verify: verifyEd25519, canLeakKey: true };

/** Any 32 bytes are a seed. */
function open(seed: Uint8Array): MessageSigner {
  invariant(seed.length === SECRET_KEY_BYTES, "an Ed25519 seed has 32 bytes");
  const der = allocateSecret(PKCS8_HEAD.length + seed.length);
  der.set(PKCS8_HEAD);
  der.set(seed, PKCS8_HEAD.length);
  const key = createPrivateKey({ key: Buffer.from(der.buffer), format: "der", type: "pkcs8" });
  wipe(der);
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI_HEAD.length)),
    sign: (message) => new Uint8Array(signMessage(null, message, key)),
  };
}

/** False too for what OpenSSL takes for no key or no signature. */
export function verifyEd25519(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  // OpenSSL does not look at what follows a key.
  if (publicKey.length !== SCHEMES.ed25519.publicKeyBytes) return false;
  try {
    const der = Buffer.from(concatBytes(SPKI_HEAD, publicKey));
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    return verifyMessage(null, message, key, signature);
  } catch {
    return false;
  }
}
