// The RSA key pair that an attestation document carries to KMS, and to which KMS encrypts what it
// releases. The private half must never leave this process, not even as bytes inside it: it stays
// a KeyObject of OpenSSL.

import { createHash, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";

export type RecipientKey = {
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo, DER: what goes into the document's `public_key`. */
  readonly publicKeyDer: Uint8Array;
  /** SHA-256 of it: what KMS calls the SubjectKeyIdentifier (nitro-kms.md §4). */
  readonly keyIdentifier: Uint8Array;
};

/** What the AWS documents and AWS's own SDK use; larger keys are not known to be accepted. */
const MODULUS_BITS = 2048;

const generate = promisify(generateKeyPair);

/** Takes some 100 ms of a thread of the pool, never of the event loop. */
export async function generateRecipientKey(): Promise<RecipientKey> {
  const { privateKey } = await generate("rsa", {
    modulusLength: MODULUS_BITS,
    publicExponent: 0x10001,
  });
  return recipientKeyOf(privateKey);
}

export function recipientKeyOf(privateKey: KeyObject): RecipientKey {
  const publicKeyDer = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const keyIdentifier = createHash("sha256").update(publicKeyDer).digest();
  return { privateKey, publicKeyDer, keyIdentifier };
}
