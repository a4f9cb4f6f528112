// What an enclave of ours says about itself in `user_data` of its attestation documents: canonical
// CBOR (RFC 8949 §4.2.1), a map of exactly these keys in this order, at most 512 bytes:
//   bootId    16 bytes, random at each boot
//   keySet    SHA-384 of the loaded public keys (see `keySetDigest`)
//   version   1
//   keyCount  how many they are
//   manifest  SHA-384 of the exact bytes of the measured manifest
//   software  its release, printable ASCII
// It must never hold anything that is secret or that the parent told without it being checked.

import { sha384 } from "@noble/hashes/sha2.js";
import { type CborValue, encodeCbor, isMap, parseCbor } from "../bytes/cbor.ts";
import { compareBytes, concatBytes, isEqualBytes } from "../bytes/compare.ts";
import { type Refusal, refusal } from "../errors.ts";
import { invariant } from "../invariant.ts";
import { KEY_COUNT_MAX, USER_DATA_BYTES_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";
import { SCHEMES, type Scheme } from "../scheme.ts";

export type Statement = {
  readonly bootId: Uint8Array;
  readonly keySet: Uint8Array;
  readonly keyCount: number;
  readonly manifest: Uint8Array;
  readonly software: string;
};

export type StatedKey = { readonly scheme: Scheme; readonly publicKey: Uint8Array };

export const STATEMENT_VERSION = 1;
export const BOOT_ID_BYTES = 16;
export const SOFTWARE_LENGTH_MAX = 64;
const DIGEST_BYTES = 48;

export function encodeStatement(statement: Statement): Uint8Array<ArrayBuffer> {
  invariant(isStatement(statement), "a statement within its limits");
  const bytes = encodeUnchecked(statement);
  invariant(bytes.length <= USER_DATA_BYTES_MAX, "a statement fits into user_data");
  return bytes;
}

function encodeUnchecked(statement: Statement): Uint8Array<ArrayBuffer> {
  return encodeCbor(
    new Map<CborValue, CborValue>([
      ["bootId", statement.bootId],
      ["keySet", statement.keySet],
      ["version", STATEMENT_VERSION],
      ["keyCount", statement.keyCount],
      ["manifest", statement.manifest],
      ["software", statement.software],
    ]),
  );
}

/** audit A16: refuses another encoding of the same values, what encodes again to other bytes. */
export function parseStatement(bytes: Uint8Array): Result<Statement, Refusal<"ATTEST_USER_DATA">> {
  const statement = bytes.length <= USER_DATA_BYTES_MAX ? readStatement(bytes) : undefined;
  if (statement === undefined || !isEqualBytes(encodeUnchecked(statement), bytes)) {
    return err(refusal("ATTEST_USER_DATA"));
  }
  return ok(statement);
}

function readStatement(bytes: Uint8Array): Statement | undefined {
  const parsed = parseCbor(bytes, { depthMax: 1, itemCountMax: 13 });
  if (!parsed.ok || !isMap(parsed.value)) return undefined;
  const fields = parsed.value;
  if (fields.get("version") !== STATEMENT_VERSION) return undefined;
  const candidate = {
    bootId: fields.get("bootId"),
    keySet: fields.get("keySet"),
    keyCount: fields.get("keyCount"),
    manifest: fields.get("manifest"),
    software: fields.get("software"),
  };
  return isStatement(candidate) ? candidate : undefined;
}

type Candidate = { readonly [Name in keyof Statement]: CborValue | undefined };

function isStatement(candidate: Candidate): candidate is Statement {
  const { bootId, keySet, keyCount, manifest, software } = candidate;
  return (
    isBytes(bootId, BOOT_ID_BYTES) &&
    isBytes(keySet, DIGEST_BYTES) &&
    isBytes(manifest, DIGEST_BYTES) &&
    typeof keyCount === "number" &&
    Number.isInteger(keyCount) &&
    keyCount >= 0 &&
    keyCount <= KEY_COUNT_MAX &&
    typeof software === "string" &&
    software.length <= SOFTWARE_LENGTH_MAX &&
    /^[\x20-\x7e]+$/.test(software)
  );
}

function isBytes(value: CborValue | undefined, length: number): boolean {
  return value instanceof Uint8Array && value.length === length;
}

/**
 * audit A19: SHA-384 over all keys, each as scheme number (1 byte), length of the public key (1
 * byte) and the public key, in the order of these bytes. A set: the order in which keys were loaded
 * is no matter.
 */
export function keySetDigest(keys: readonly StatedKey[]): Uint8Array {
  const entries = keys.map(({ scheme, publicKey }) => {
    invariant(publicKey.length <= 255, "the length of a public key fits into a byte");
    return concatBytes(Uint8Array.of(SCHEMES[scheme].number, publicKey.length), publicKey);
  });
  const hash = sha384.create();
  for (const entry of entries.toSorted(compareBytes)) hash.update(entry);
  return hash.digest();
}
