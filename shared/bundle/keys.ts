// The plaintext of a bundle's body: its keys, one after the other, in ascending order
// (docs/bundle.md). It must never copy a secret: parsed keys are views into the plaintext, which
// its owner wipes.

import { compareBytes } from "../bytes/compare.ts";
import { type Refusal, refusal } from "../errors.ts";
import { invariant } from "../invariant.ts";
import { KEY_COUNT_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";
import { SCHEMES, type Scheme, schemeOfNumber } from "../scheme.ts";

export type BundleKey = {
  readonly scheme: Scheme;
  readonly publicKey: Uint8Array;
  readonly secret: Uint8Array;
};

/** Scheme number and two lengths. */
const ENTRY_HEAD_BYTES = 5;

/** Every key of a bundle, as views into `plaintext`. Public keys are not checked here. */
export function parseBundleKeys(
  plaintext: Uint8Array,
): Result<readonly BundleKey[], Refusal<"BUNDLE_MALFORMED">> {
  const malformed = err(refusal("BUNDLE_MALFORMED"));
  const view = new DataView(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
  const keys: BundleKey[] = [];
  let before: BundleKey | undefined;
  let offset = 0;
  while (offset < plaintext.length) {
    if (keys.length === KEY_COUNT_MAX) return malformed;
    const key = parseKey(plaintext, view, offset);
    // Ascending order makes the encoding unique and a duplicate impossible.
    if (key === undefined || (before !== undefined && compareKeys(before, key) >= 0)) {
      return malformed;
    }
    keys.push(key);
    before = key;
    offset += entryBytes(key.scheme);
  }
  return keys.length === 0 ? malformed : ok(keys);
}

function parseKey(plaintext: Uint8Array, view: DataView, offset: number): BundleKey | undefined {
  const scheme = schemeOfNumber(plaintext[offset] ?? 0);
  if (scheme === undefined || offset + entryBytes(scheme) > plaintext.length) return undefined;
  const { publicKeyBytes, secretKeyBytes } = SCHEMES[scheme];
  const publicKeyAt = offset + 3;
  const secretAt = publicKeyAt + publicKeyBytes + 2;
  if (view.getUint16(offset + 1) !== publicKeyBytes) return undefined;
  if (view.getUint16(secretAt - 2) !== secretKeyBytes) return undefined;
  return {
    scheme,
    publicKey: plaintext.subarray(publicKeyAt, publicKeyAt + publicKeyBytes),
    secret: plaintext.subarray(secretAt, secretAt + secretKeyBytes),
  };
}

/** Puts the keys in order. The caller owns the plaintext and wipes it; no key may come twice. */
export function encodeBundleKeys(keys: readonly BundleKey[]): Uint8Array<ArrayBuffer> {
  invariant(keys.length > 0 && keys.length <= KEY_COUNT_MAX, "a bundle has 1 to 100,000 keys");
  const sorted = keys.toSorted(compareKeys);
  let byteCount = 0;
  for (const key of sorted) byteCount += entryBytes(key.scheme);
  const plaintext = new Uint8Array(new ArrayBuffer(byteCount));
  const view = new DataView(plaintext.buffer);
  let offset = 0;
  let before: BundleKey | undefined;
  for (const key of sorted) {
    const { number, publicKeyBytes, secretKeyBytes } = SCHEMES[key.scheme];
    invariant(before === undefined || compareKeys(before, key) < 0, "keys of a bundle differ");
    invariant(key.publicKey.length === publicKeyBytes, "a public key has its scheme's length");
    invariant(key.secret.length === secretKeyBytes, "a secret has its scheme's length");
    plaintext[offset] = number;
    view.setUint16(offset + 1, publicKeyBytes);
    plaintext.set(key.publicKey, offset + 3);
    view.setUint16(offset + 3 + publicKeyBytes, secretKeyBytes);
    plaintext.set(key.secret, offset + ENTRY_HEAD_BYTES + publicKeyBytes);
    offset += entryBytes(key.scheme);
    before = key;
  }
  return plaintext;
}

function entryBytes(scheme: Scheme): number {
  const { publicKeyBytes, secretKeyBytes } = SCHEMES[scheme];
  return ENTRY_HEAD_BYTES + publicKeyBytes + secretKeyBytes;
}

/** The order of keys in bundles and lists: by scheme number, then by public key. */
export function compareKeys(
  a: Pick<BundleKey, "scheme" | "publicKey">,
  b: Pick<BundleKey, "scheme" | "publicKey">,
): number {
  const difference = SCHEMES[a.scheme].number - SCHEMES[b.scheme].number;
  return difference === 0 ? compareBytes(a.publicKey, b.publicKey) : difference;
}
