// Bundles that only the fake enclave opens: a real header, and a body of one byte per key.

import { encodeBundle, encodeBundlePrefix } from "../../shared/bundle/format.ts";

export function fakeBundle(
  idByte: number,
  keyBytes: readonly number[],
): { readonly id: string; readonly bytes: Uint8Array } {
  const id = new Uint8Array(16).fill(idByte);
  const prefix = encodeBundlePrefix({
    id,
    purpose: "redoubt/keys",
    keyArn: "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    wrappedKey: new Uint8Array(32),
    keyCount: keyBytes.length,
    createdMs: 0,
  });
  const bytes = encodeBundle({
    prefix,
    nonce: new Uint8Array(12),
    ciphertext: Uint8Array.from(keyBytes),
    tag: new Uint8Array(16),
  });
  return { id: Buffer.from(id).toString("hex"), bytes };
}
