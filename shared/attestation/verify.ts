// Whether an attestation document is true: the one order of checks, told either as a single verdict
// (for programs) or check by check (for auditors). Nothing may use a field of a document before it
// is a VerifiedDocument. No clock here: the caller says at which time the document is judged.

import { sha256 } from "@noble/hashes/sha2.js";
import { isEqualBytes, isZeroBytes } from "../bytes/compare.ts";
import { encodeHex } from "../bytes/hex.ts";
import { encodeUtc } from "../bytes/utc.ts";
import { type Refusal, refusal } from "../errors.ts";
import { invariant } from "../invariant.ts";
import { ATTESTATION_BYTES_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";
import {
  isLinked,
  isPinnedRoot,
  isSignedBy,
  isUsedAsAllowed,
  isValidAt,
  type Path,
  parsePath,
  validityOf,
} from "./chain.ts";
import { type Check, checkOf } from "./check.ts";
import {
  type AttestationDocument,
  type DocumentRefusal,
  encodeSignatureInput,
  parseDocument,
} from "./document.ts";

export type AttestationPolicy = {
  /** DER of the pinned root: `AWS_NITRO_ROOT_G1` but for tests and local runs. */
  readonly rootDer: Uint8Array;
  /**
   * When certificates must be valid and how old a document is are judged at this Unix time.
   * `document-time` believes the document's own, which is right for archived evidence only.
   */
  readonly atMs: number | "document-time";
  /** Expected registers by index. An empty map is a mistake and fails; `any` is explicit. */
  readonly pcrs: ReadonlyMap<number, Uint8Array> | "any";
  /** Null when the caller has no nonce to compare. */
  readonly nonce: Uint8Array | null;
  /** Whether an enclave in debug mode, whose memory its parent can read, is accepted. */
  readonly allowDebug: boolean;
  /** Null: as old as the certificates allow (about 3 hours). */
  readonly ageMsMax: number | null;
  readonly futureSkewMsMax: number;
};

export type AttestationCode =
  | DocumentRefusal["code"]
  | "ATTEST_CERTIFICATE"
  | "ATTEST_ROOT"
  | "ATTEST_CHAIN"
  | "ATTEST_CHAIN_EXPIRED"
  | "ATTEST_CHAIN_USAGE"
  | "ATTEST_SIGNATURE"
  | "ATTEST_DIGEST"
  | "ATTEST_DEBUG"
  | "ATTEST_PCR"
  | "ATTEST_NONCE"
  | "ATTEST_TIME";

/** Only this file can make one. */
const VERIFIED: unique symbol = Symbol("verified attestation document");
export type VerifiedDocument = AttestationDocument & { readonly [VERIFIED]: true };

export type AttestationReport = {
  readonly checks: readonly Check[];
  /** What the document says, true or not; null when it could not be read. */
  readonly document: AttestationDocument | null;
  /** The same when every check holds, else null. */
  readonly verified: VerifiedDocument | null;
};

type AttestationCheck = Check & { readonly code: AttestationCode | null };
type Checks = Generator<AttestationCheck, void>;

/** Stops at the first check that fails. */
export function verifyAttestation(
  bytes: Uint8Array,
  policy: AttestationPolicy,
): Result<VerifiedDocument, Refusal<AttestationCode>> {
  const parsed = parseDocument(bytes);
  if (!parsed.ok) return parsed;
  for (const check of runChecks(parsed.value, policy)) {
    if (check.code !== null) return err(refusal(check.code));
  }
  return ok({ ...parsed.value, [VERIFIED]: true });
}

/** Goes on after a check that fails, as far as the document can be read. */
export function reportAttestation(bytes: Uint8Array, policy: AttestationPolicy): AttestationReport {
  const parsed = parseDocument(bytes);
  const checks: Check[] = [...structuralChecks(bytes, parsed)];
  if (!parsed.ok) return { checks, document: null, verified: null };
  checks.push(...runChecks(parsed.value, policy));
  const isVerified = checks.every((check) => check.ok);
  const verified = isVerified ? ({ ...parsed.value, [VERIFIED]: true } as const) : null;
  return { checks, document: parsed.value, verified };
}

const STRUCTURE = [
  { name: "size", code: "ATTEST_SIZE", expected: `1 to ${ATTESTATION_BYTES_MAX} bytes` },
  { name: "envelope", code: "ATTEST_COSE", expected: "one COSE_Sign1, untagged or tag 18" },
  { name: "algorithm", code: "ATTEST_ALGORITHM", expected: "ES384 (protected header a1013822)" },
  { name: "payload", code: "ATTEST_PAYLOAD", expected: "a map of the known fields, in bounds" },
] as const;

/** The parser's verdict as checks: those before its code held, none after it was tried. */
function* structuralChecks(
  bytes: Uint8Array,
  parsed: Result<AttestationDocument, DocumentRefusal>,
): Checks {
  for (const { name, code, expected } of STRUCTURE) {
    const isOk = parsed.ok || parsed.error.code !== code;
    const actual = name === "size" ? `${bytes.length} bytes` : isOk ? "as expected" : "malformed";
    yield checkOf(name, isOk, code, expected, actual);
    if (!isOk) return;
  }
}

function* runChecks(document: AttestationDocument, policy: AttestationPolicy): Checks {
  const atMs = policy.atMs === "document-time" ? document.timestampMs : policy.atMs;
  invariant(Number.isSafeInteger(atMs) && atMs >= 0, "a document is judged at a Unix time");
  const path = parsePath(document.cabundle, document.certificate);
  yield checkOf(
    "certificates",
    path.ok,
    "ATTEST_CERTIFICATE",
    "X.509 v3, P-384, ecdsa-with-SHA384, no unknown critical extension",
    path.ok ? `${path.value.length} certificates` : "one is malformed",
  );
  if (path.ok) {
    yield* pathChecks(path.value, policy.rootDer, atMs);
    yield signatureCheck(path.value, document);
  }
  // audit A11
  yield checkOf("digest", document.digest === "SHA384", "ATTEST_DIGEST", "SHA384", document.digest);
  yield debugCheck(document, policy.allowDebug);
  yield* pcrChecks(document, policy.pcrs);
  if (policy.nonce !== null) yield nonceCheck(document, policy.nonce);
  if (policy.atMs !== "document-time") yield timeCheck(document, atMs, policy);
}

function* pathChecks(path: Path, rootDer: Uint8Array, atMs: number): Checks {
  const root = path[0];
  yield checkOf(
    "root",
    isPinnedRoot(path, rootDer),
    "ATTEST_ROOT",
    `SHA-256 ${encodeHex(sha256(rootDer))}`,
    root === undefined ? "none" : `SHA-256 ${encodeHex(sha256(root.der))}`,
  );
  const isChained = isLinked(path);
  yield checkOf(
    "chain",
    isChained,
    "ATTEST_CHAIN",
    "each certificate is signed by the one above it",
    isChained ? "as expected" : "one is not",
  );
  const { notBeforeMs, notAfterMs } = validityOf(path);
  yield checkOf(
    "validity",
    isValidAt(path, atMs),
    "ATTEST_CHAIN_EXPIRED",
    `certificates valid at ${timeText(atMs)}`,
    `valid from ${timeText(notBeforeMs)} to ${timeText(notAfterMs)}`,
  );
  const isAllowed = isUsedAsAllowed(path);
  yield checkOf(
    "usage",
    isAllowed,
    "ATTEST_CHAIN_USAGE",
    "authorities sign certificates within their path length, the leaf signs documents",
    isAllowed ? "as expected" : "one is used otherwise",
  );
}

/** audit A10 */
function signatureCheck(path: Path, document: AttestationDocument): AttestationCheck {
  const leaf = path.at(-1);
  const input = encodeSignatureInput(document.payload);
  const isSigned = leaf !== undefined && isSignedBy(document.signature, input, leaf.publicKey);
  return checkOf(
    "signature",
    isSigned,
    "ATTEST_SIGNATURE",
    "signed by the key of the leaf certificate",
    isSigned ? "as expected" : "wrong",
  );
}

const IMAGE_PCRS = [0, 1, 2] as const;

/**
 * audit A12: debug mode shows zeros in PCR0 to PCR2, while PCR3 and PCR4 stay real: a policy on
 * those alone would be met by it. Hardware never leaves one of the three zero or out otherwise.
 */
function debugCheck(document: AttestationDocument, allowDebug: boolean): AttestationCheck {
  const isProduction = IMAGE_PCRS.every((index) => {
    const value = document.pcrs.get(index);
    return value !== undefined && !isZeroBytes(value);
  });
  return checkOf(
    "production",
    isProduction || allowDebug,
    "ATTEST_DEBUG",
    allowDebug ? "production or debug mode" : "PCR0, PCR1 and PCR2 not zero",
    isProduction ? "production mode" : "debug mode: zero or missing",
  );
}

/** audit A13 */
function* pcrChecks(document: AttestationDocument, pcrs: AttestationPolicy["pcrs"]): Checks {
  if (pcrs === "any") return;
  if (pcrs.size === 0) yield checkOf("pcrs", false, "ATTEST_PCR", "at least one PCR", "none named");
  for (const [index, expected] of pcrs) {
    const actual = document.pcrs.get(index);
    yield checkOf(
      `pcr${index}`,
      actual !== undefined && isEqualBytes(actual, expected),
      "ATTEST_PCR",
      encodeHex(expected),
      actual === undefined ? "not in the document (not locked)" : encodeHex(actual),
    );
  }
}

/** audit A14 */
function nonceCheck(document: AttestationDocument, nonce: Uint8Array): AttestationCheck {
  const actual = document.nonce;
  const isSame = actual !== null && isEqualBytes(actual, nonce);
  const text = actual === null ? "none" : encodeHex(actual);
  return checkOf("nonce", isSame, "ATTEST_NONCE", encodeHex(nonce), text);
}

/** audit A15 */
function timeCheck(
  document: AttestationDocument,
  atMs: number,
  policy: AttestationPolicy,
): AttestationCheck {
  const { ageMsMax, futureSkewMsMax } = policy;
  const ageMs = atMs - document.timestampMs;
  const isFresh = ageMs >= -futureSkewMsMax && (ageMsMax === null || ageMs <= ageMsMax);
  const oldest = ageMsMax === null ? "any time before" : `${ageMsMax / 1000} s before`;
  return checkOf(
    "time",
    isFresh,
    "ATTEST_TIME",
    `from ${oldest} to ${futureSkewMsMax / 1000} s after ${timeText(atMs)}`,
    timeText(document.timestampMs),
  );
}

function timeText(ms: number): string {
  return encodeUtc(ms).replace(".000Z", "Z");
}
