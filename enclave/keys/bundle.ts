// Opens a sealed bundle (docs/bundle.md "Opening"): the KMS key must be the manifest's, KMS must
// release the data key for this bundle's id, the seal must hold, and every public key must be that
// of its secret. One broken key refuses the whole bundle. It must never leave the data key or the
// plaintext behind, whatever happens, and never hold the event loop for longer than some keys take.

import { type CipherGCMTypes, createDecipheriv } from "node:crypto";
import {
  BUNDLE_DATA_KEY_BYTES,
  BUNDLE_TAG_BYTES,
  type Bundle,
  type BundleHeader,
  type BundlePurpose,
  encryptionContextOf,
  parseBundle,
} from "../../shared/bundle/format.ts";
import { type BundleKey, parseBundleKeys } from "../../shared/bundle/keys.ts";
import { parseStoreCredentials } from "../../shared/bundle/store-credentials.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { KeyReleaser, ReleaseRefusal, StoreCredentials } from "../core/ports.ts";
import { KeyMaterial } from "./key-material.ts";
import { wipe } from "./secret.ts";
import { loadKey, type SigningKey } from "./signing-key.ts";

/** Deriving a public key takes up to 0.4 ms: signing waits for 20 ms at most, 5 of Ethereum's. */
const KEYS_PER_TURN = 50;
const CIPHER: CipherGCMTypes = "aes-256-gcm";

/** The keys of one bundle, in ascending order, and the memory that their secrets live in. */
export type OpenedBundle = {
  readonly id: Uint8Array;
  readonly keys: readonly SigningKey[];
  readonly material: KeyMaterial;
};

export type OpenRefusal =
  | Refusal<"BUNDLE_MALFORMED" | "BUNDLE_KEY_ARN" | "BUNDLE_SEAL" | "BUNDLE_PUBLIC_KEY">
  | ReleaseRefusal;

/** What was inside, by the bundle's purpose. */
export type BundleContent =
  | { readonly purpose: "redoubt/keys"; readonly bundle: OpenedBundle }
  | {
      readonly purpose: "redoubt/store";
      readonly id: Uint8Array;
      readonly credentials: StoreCredentials;
    };

/** How the plaintext of each purpose is read. It is wiped afterwards. */
const READERS: Readonly<
  Record<
    BundlePurpose,
    (
      plaintext: Uint8Array,
      header: BundleHeader,
    ) => Promise<Result<BundleContent, OpenRefusal>> | Result<BundleContent, OpenRefusal>
  >
> = { "redoubt/keys": readKeys, "redoubt/store": readStoreCredentials };

/** `bytes` stay as they are until the answer. One KMS call for any number of keys. */
export async function openBundle(
  bytes: Uint8Array,
  manifestKeyArn: string,
  releaser: KeyReleaser,
): Promise<Result<BundleContent, OpenRefusal>> {
  const bundle = parseBundle(bytes);
  if (!bundle.ok) return bundle;
  const { header } = bundle.value;
  // The parent must not choose whom the enclave asks (nitro-kms.md §4 "Attack classes").
  if (header.keyArn !== manifestKeyArn) return err(refusal("BUNDLE_KEY_ARN"));
  const dataKey = await releaser.release({
    keyArn: manifestKeyArn,
    ciphertext: header.wrappedKey,
    encryptionContext: encryptionContextOf(header),
  });
  if (!dataKey.ok) return dataKey;
  const plaintext = openBody(bundle.value, dataKey.value);
  wipe(dataKey.value);
  if (!plaintext.ok) return plaintext;
  try {
    return await READERS[header.purpose](plaintext.value, header);
  } finally {
    wipe(plaintext.value);
  }
}

async function readKeys(
  plaintext: Uint8Array,
  header: BundleHeader,
): Promise<Result<BundleContent, OpenRefusal>> {
  const keys = parseBundleKeys(plaintext);
  if (!keys.ok) return keys;
  if (keys.value.length !== header.keyCount) return err(refusal("BUNDLE_MALFORMED"));
  // Not slice(): on a Buffer that is a view into the caller's bytes.
  const loaded = await loadKeys(keys.value, new Uint8Array(header.id));
  return loaded.ok ? ok({ purpose: "redoubt/keys", bundle: loaded.value }) : loaded;
}

function readStoreCredentials(
  plaintext: Uint8Array,
  header: BundleHeader,
): Result<BundleContent, OpenRefusal> {
  const credentials = parseStoreCredentials(plaintext);
  if (!credentials.ok) return credentials;
  const id = new Uint8Array(header.id);
  return ok({ purpose: "redoubt/store", id, credentials: credentials.value });
}

function openBody(bundle: Bundle, dataKey: Uint8Array): Result<Uint8Array, Refusal<"BUNDLE_SEAL">> {
  if (dataKey.length !== BUNDLE_DATA_KEY_BYTES) return err(refusal("BUNDLE_SEAL"));
  const decipher = createDecipheriv(CIPHER, dataKey, bundle.nonce, {
    authTagLength: BUNDLE_TAG_BYTES,
  });
  decipher.setAAD(bundle.prefix);
  decipher.setAuthTag(bundle.tag);
  const plaintext = decipher.update(bundle.ciphertext);
  try {
    // In this mode nothing is left to come out: `final` only checks the tag, and throws.
    decipher.final();
    return ok(plaintext);
  } catch {
    wipe(plaintext);
    return err(refusal("BUNDLE_SEAL"));
  }
}

async function loadKeys(
  bundleKeys: readonly BundleKey[],
  id: Uint8Array,
): Promise<Result<OpenedBundle, Refusal<"BUNDLE_PUBLIC_KEY">>> {
  const material = new KeyMaterial(bundleKeys.length);
  const keys: SigningKey[] = [];
  for (const [index, bundleKey] of bundleKeys.entries()) {
    const key = loadKey(bundleKey, material, index);
    if (key === undefined) {
      material.wipe();
      return err(refusal("BUNDLE_PUBLIC_KEY"));
    }
    keys.push(key);
    if (keys.length % KEYS_PER_TURN === 0) await nextTurn();
  }
  return ok({ id, keys, material });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
