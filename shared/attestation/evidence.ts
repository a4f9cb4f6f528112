// What comes with a document of ours, compared with it: the statement in `user_data`, PCR16, the
// manifest and the list of keys. These checks bind files to a document; they say nothing about the
// document itself, which `verify.ts` must have verified, or they prove nothing.

import { sha384 } from "@noble/hashes/sha2.js";
import { isEqualBytes } from "../bytes/compare.ts";
import { encodeHex } from "../bytes/hex.ts";
import { type Check, checkOf } from "./check.ts";
import type { AttestationDocument } from "./document.ts";
import { MANIFEST_PCR_INDEX, manifestPcr } from "./pcr.ts";
import { keySetDigest, parseStatement, type StatedKey, type Statement } from "./statement.ts";

export type Evidence = {
  /** Exact bytes; null when there are none to compare. */
  readonly manifest: Uint8Array | null;
  readonly keys: readonly StatedKey[] | null;
};

export type EvidenceReport = {
  readonly checks: readonly Check[];
  readonly statement: Statement | null;
};

export function reportEvidence(document: AttestationDocument, evidence: Evidence): EvidenceReport {
  const parsed = document.userData === null ? null : parseStatement(document.userData);
  const statement = parsed !== null && parsed.ok ? parsed.value : null;
  // audit A16
  const checks: Check[] = [
    checkOf(
      "statement",
      statement !== null,
      "ATTEST_USER_DATA",
      "a statement of Redoubt, version 1, in user_data",
      statement !== null ? "as expected" : parsed === null ? "no user_data" : "something else",
    ),
  ];
  if (statement === null) return { checks, statement };
  checks.push(pcrCheck(document, statement));
  if (evidence.manifest !== null) checks.push(manifestCheck(statement, evidence.manifest));
  if (evidence.keys !== null) checks.push(keysCheck(statement, evidence.keys));
  return { checks, statement };
}

/** audit A17. Only a locked register is in a document: one that is there can't change any more. */
function pcrCheck(document: AttestationDocument, statement: Statement): Check {
  const expected = manifestPcr(statement.manifest);
  const actual = document.pcrs.get(MANIFEST_PCR_INDEX);
  return checkOf(
    "manifest-pcr",
    actual !== undefined && isEqualBytes(actual, expected),
    "ATTEST_PCR",
    `PCR${MANIFEST_PCR_INDEX} ${encodeHex(expected)}`,
    actual === undefined ? "not in the document (not locked)" : encodeHex(actual),
  );
}

/** audit A18 */
function manifestCheck(statement: Statement, manifest: Uint8Array): Check {
  const actual = sha384(manifest);
  return checkOf(
    "manifest",
    isEqualBytes(actual, statement.manifest),
    "ATTEST_USER_DATA",
    `SHA-384 ${encodeHex(statement.manifest)}`,
    `SHA-384 ${encodeHex(actual)}`,
  );
}

/** audit A19 */
function keysCheck(statement: Statement, keys: readonly StatedKey[]): Check {
  const actual = keySetDigest(keys);
  return checkOf(
    "keys",
    keys.length === statement.keyCount && isEqualBytes(actual, statement.keySet),
    "ATTEST_USER_DATA",
    `${statement.keyCount} keys, SHA-384 ${encodeHex(statement.keySet)}`,
    `${keys.length} keys, SHA-384 ${encodeHex(actual)}`,
  );
}
