// The plaintext of a `redoubt/store` bundle: the credentials by which the enclave, and nobody else,
// reads and writes the state store. Canonical CBOR, an array of two texts. They are text because
// that is what AWS signs with; text can't be wiped.

import { encodeCbor, parseCbor } from "../bytes/cbor.ts";
import { isEqualBytes } from "../bytes/compare.ts";
import { type Refusal, refusal } from "../errors.ts";
import { err, ok, type Result } from "../result.ts";
import { recordField, textField, type ValueOf } from "../wire/field.ts";

const credentialsField = recordField({ accessKeyId: textField(128), secretAccessKey: textField(256) });

export type SealedStoreCredentials = ValueOf<typeof credentialsField>;

/** The forms that IAM documents for long-lived keys: both go into HTTP headers. */
const ACCESS_KEY_ID = /^\w{16,128}$/;
const SECRET_ACCESS_KEY = /^[A-Za-z0-9/+=]{16,256}$/;

export function isStoreCredentials({
  accessKeyId,
  secretAccessKey,
}: SealedStoreCredentials): boolean {
  return ACCESS_KEY_ID.test(accessKeyId) && SECRET_ACCESS_KEY.test(secretAccessKey);
}

/** The caller wipes the bytes. */
export function encodeStoreCredentials(
  credentials: SealedStoreCredentials,
): Uint8Array<ArrayBuffer> {
  return encodeCbor(credentialsField.encode(credentials));
}

export function parseStoreCredentials(
  plaintext: Uint8Array,
): Result<SealedStoreCredentials, Refusal<"BUNDLE_MALFORMED">> {
  const item = parseCbor(plaintext, { depthMax: 1, itemCountMax: 3 });
  const parsed = item.ok ? credentialsField.parse(item.value) : undefined;
  const isSound =
    parsed !== undefined &&
    isStoreCredentials(parsed) &&
    isEqualBytes(encodeStoreCredentials(parsed), plaintext);
  return isSound ? ok(parsed) : err(refusal("BUNDLE_MALFORMED"));
}
