// Seals keys into a bundle, outside the enclave: the operator's machine holds the keys in the
// clear for that long. It must never leave the data key or the body's plaintext behind.

import { createCipheriv, randomBytes } from "node:crypto";
import { wipe } from "../../enclave/keys/secret.ts";
import {
  BUNDLE_DATA_KEY_BYTES,
  BUNDLE_ID_BYTES,
  BUNDLE_NONCE_BYTES,
  BUNDLE_TAG_BYTES,
  type BundlePurpose,
  encodeBundle,
  encodeBundlePrefix,
  encryptionContextOf,
} from "../../shared/bundle/format.ts";
import { type BundleKey, encodeBundleKeys } from "../../shared/bundle/keys.ts";
import {
  encodeStoreCredentials,
  type SealedStoreCredentials,
} from "../../shared/bundle/store-credentials.ts";
import { invariant } from "../../shared/invariant.ts";
import { ok, type Result } from "../../shared/result.ts";

/** A data key in the clear, which its taker wipes, and as KMS wrapped it. */
export type DataKey = {
  readonly plaintext: Uint8Array;
  readonly wrapped: Uint8Array;
};

/** `kms:GenerateDataKey`. The error says what the operator can do about it. */
export type GenerateDataKey = (
  keyArn: string,
  encryptionContext: Readonly<Record<string, string>>,
) => Promise<Result<DataKey, string>>;

export type SealedBundle = { readonly id: Uint8Array; readonly bytes: Uint8Array };

/** Signing keys, at least one. */
export function sealBundle(
  keys: readonly BundleKey[],
  keyArn: string,
  createdMs: number,
  generateDataKey: GenerateDataKey,
): Promise<Result<SealedBundle, string>> {
  const content = { purpose: "redoubt/keys", keyCount: keys.length } as const;
  return seal({ ...content, body: encodeBundleKeys(keys) }, keyArn, createdMs, generateDataKey);
}

/** The credentials of the state store. */
export function sealStoreCredentials(
  credentials: SealedStoreCredentials,
  keyArn: string,
  createdMs: number,
  generateDataKey: GenerateDataKey,
): Promise<Result<SealedBundle, string>> {
  const content = { purpose: "redoubt/store", keyCount: 0 } as const;
  const body = encodeStoreCredentials(credentials);
  return seal({ ...content, body }, keyArn, createdMs, generateDataKey);
}

type Content = {
  readonly purpose: BundlePurpose;
  readonly keyCount: number;
  /** Wiped here. */
  readonly body: Uint8Array;
};

async function seal(
  { purpose, keyCount, body }: Content,
  keyArn: string,
  createdMs: number,
  generateDataKey: GenerateDataKey,
): Promise<Result<SealedBundle, string>> {
  const id = new Uint8Array(randomBytes(BUNDLE_ID_BYTES));
  const dataKey = await generateDataKey(keyArn, encryptionContextOf({ id, purpose }));
  if (!dataKey.ok) {
    wipe(body);
    return dataKey;
  }
  const { plaintext: key, wrapped: wrappedKey } = dataKey.value;
  invariant(key.length === BUNDLE_DATA_KEY_BYTES, "a data key has 32 bytes");
  const header = { id, purpose, keyArn, wrappedKey, keyCount, createdMs };
  const prefix = encodeBundlePrefix(header);
  const nonce = randomBytes(BUNDLE_NONCE_BYTES);
  try {
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: BUNDLE_TAG_BYTES });
    cipher.setAAD(prefix);
    const ciphertext = cipher.update(body);
    cipher.final();
    return ok({ id, bytes: encodeBundle({ prefix, nonce, ciphertext, tag: cipher.getAuthTag() }) });
  } finally {
    wipe(body, key);
  }
}
