// What an auditor expects of an enclave beyond its document: a release, a manifest, a set of keys.
// Each comes from a file of the auditor's own; it must never come from the signer that is judged.

import { sha384 } from "@noble/hashes/sha2.js";
import { type Check, checkOf } from "../../shared/attestation/check.ts";
import { MANIFEST_PCR_INDEX, manifestPcr } from "../../shared/attestation/pcr.ts";
import {
  keySetDigest,
  type StatedKey,
  type Statement,
} from "../../shared/attestation/statement.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { MANIFEST_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { parseRelease, type Release } from "../release/record.ts";
import { parseKeyList, readSourceFile } from "./attestation-source.ts";

export type ExpectationFiles = {
  readonly release: string | null;
  readonly manifest: string | null;
  readonly keys: string | null;
};

export type Expectation = {
  readonly release: Release | null;
  /** By index; those of the release and of the manifest are among them. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  readonly isManifestGiven: boolean;
  readonly keys: readonly StatedKey[] | null;
};

/** The error is a sentence for people; two files or options that disagree are one too. */
export async function readExpectation(
  files: ExpectationFiles,
  given: ReadonlyMap<number, Uint8Array>,
): Promise<Result<Expectation, string>> {
  const release = await readRelease(files.release);
  if (!release.ok) return release;
  const manifest = await readManifest(files.manifest);
  if (!manifest.ok) return manifest;
  const keys = await readKeys(files.keys);
  if (!keys.ok) return keys;
  // audit A22: PCR0 to PCR2 are those of the release, PCR16 that of the auditor's manifest.
  const pinned = new Map<number, Uint8Array>(release.value?.pcrs);
  if (manifest.value !== null) pinned.set(MANIFEST_PCR_INDEX, manifestPcr(sha384(manifest.value)));
  for (const [index, value] of given) {
    const other = pinned.get(index);
    if (other !== undefined && !isEqualBytes(other, value)) {
      const option = index === MANIFEST_PCR_INDEX ? "--manifest" : "--release";
      return err(`--pcr ${index} and ${option} disagree`);
    }
    pinned.set(index, value);
  }
  const isManifestGiven = manifest.value !== null;
  return ok({ release: release.value, pcrs: pinned, isManifestGiven, keys: keys.value });
}

async function readRelease(path: string | null): Promise<Result<Release | null, string>> {
  if (path === null) return ok(null);
  const bytes = await readSourceFile(path);
  if (!bytes.ok) return bytes;
  const release = parseRelease(bytes.value);
  if (release.ok) return release;
  const where = release.error === "" ? "" : `: ${release.error}`;
  return err(`${path} is no release record of a format known here${where}`);
}

async function readManifest(path: string | null): Promise<Result<Uint8Array | null, string>> {
  if (path === null) return ok(null);
  const bytes = await readSourceFile(path);
  if (!bytes.ok || (bytes.value.length > 0 && bytes.value.length <= MANIFEST_BYTES_MAX)) {
    return bytes;
  }
  return err(`${path} is no manifest: empty, or larger than ${MANIFEST_BYTES_MAX} bytes`);
}

async function readKeys(path: string | null): Promise<Result<readonly StatedKey[] | null, string>> {
  if (path === null) return ok(null);
  const bytes = await readSourceFile(path);
  if (!bytes.ok) return bytes;
  const keys = parseKeyList(bytes.value);
  if (keys === undefined) return err(`${path} is not a JSON list of public keys in hex`);
  const names = new Set(keys.map(({ publicKey }) => encodeHex(publicKey)));
  return names.size === keys.length ? ok(keys) : err(`${path} lists a key twice`);
}

/** Compares the statement of a document with what is expected. PCRs are the verifier's. */
export function* expectationChecks(
  expectation: Expectation,
  statement: Statement | null,
  shown: readonly StatedKey[] | null,
): Generator<Check, void> {
  if (statement === null) return;
  const { release, keys } = expectation;
  if (release !== null) yield softwareCheck(release, statement);
  if (keys !== null) yield expectedKeysCheck(keys, statement, shown);
}

/** audit A23: the statement names the release. PCR0 is what proves it. */
function softwareCheck(release: Release, statement: Statement): Check {
  const expected = `redoubt/${release.version}`;
  return checkOf(
    "software",
    statement.software === expected,
    "ATTEST_USER_DATA",
    expected,
    statement.software,
  );
}

/** audit A24: the enclave holds these keys, and no others. */
function expectedKeysCheck(
  keys: readonly StatedKey[],
  statement: Statement,
  shown: readonly StatedKey[] | null,
): Check {
  const digest = keySetDigest(keys);
  return checkOf(
    "expected-keys",
    keys.length === statement.keyCount && isEqualBytes(digest, statement.keySet),
    "ATTEST_USER_DATA",
    `${keys.length} keys, SHA-384 ${encodeHex(digest)}`,
    `${statement.keyCount} keys, SHA-384 ${encodeHex(statement.keySet)}${difference(keys, shown)}`,
  );
}

/** How far the list that the signer shows is from the expected one; a hint, and no check. */
function difference(keys: readonly StatedKey[], shown: readonly StatedKey[] | null): string {
  if (shown === null) return "";
  const expected = new Set(keys.map(({ publicKey }) => encodeHex(publicKey)));
  const actual = new Set(shown.map(({ publicKey }) => encodeHex(publicKey)));
  const missing = [...expected].filter((name) => !actual.has(name)).length;
  const extra = [...actual].filter((name) => !expected.has(name)).length;
  return missing === 0 && extra === 0 ? "" : ` (${missing} missing, ${extra} not expected)`;
}
