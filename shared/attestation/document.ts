// Nitro attestation documents as bytes: COSE_Sign1 (RFC 9052 §4.2) around a CBOR payload. Parsing
// claims nothing about truth: what it answers is only well-formed, and no field of it may be
// believed before `verify.ts` has checked the signature over the bytes that are kept here.
//
// Accepted on purpose: tag 18 or none, definite and indefinite containers (hardware changed from
// one to the other), optional fields absent or null. Refused on purpose: top-level keys that we do
// not know, since a field that changes the meaning of a document must not be overlooked.

import { type CborValue, encodeCbor, isArray, isMap, parseCbor } from "../bytes/cbor.ts";
import { isEqualBytes } from "../bytes/compare.ts";
import { UTC_MS_MAX } from "../bytes/utc.ts";
import { type Refusal, refusal } from "../errors.ts";
import {
  ATTESTATION_BYTES_MAX,
  ATTESTATION_FIELD_BYTES_MAX,
  CABUNDLE_COUNT_MAX,
  CERTIFICATE_BYTES_MAX,
  MODULE_ID_LENGTH_MAX,
  PCR_BYTES,
  PCR_COUNT,
} from "../limits.ts";
import { err, ok, type Result } from "../result.ts";

export type AttestationDocument = {
  readonly moduleId: string;
  /** The hash of the PCRs, as stated; `verify.ts` insists on SHA384. */
  readonly digest: string;
  readonly timestampMs: number;
  /** The locked PCRs, 48 bytes each, by index 0 to 31. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** DER of the certificate whose key signed the document. */
  readonly certificate: Uint8Array;
  /** DER of the certificates above it, root first. */
  readonly cabundle: readonly Uint8Array[];
  readonly publicKey: Uint8Array | null;
  readonly userData: Uint8Array | null;
  readonly nonce: Uint8Array | null;
  /** The payload as received: the signature is over these bytes, never over a new encoding. */
  readonly payload: Uint8Array;
  /** r || s, 48 bytes each. */
  readonly signature: Uint8Array;
};

export type DocumentRefusal = Refusal<
  "ATTEST_SIZE" | "ATTEST_COSE" | "ATTEST_ALGORITHM" | "ATTEST_PAYLOAD"
>;

const TAG_COSE_SIGN1 = 0xd2;
const ARRAY_OF_FOUR = 0x84;
const SIGNATURE_BYTES = 96;
/** {1: -35}: ES384 (RFC 9053 §2.1), in the one encoding that the hypervisor uses. */
export const PROTECTED_HEADER = Uint8Array.of(0xa1, 0x01, 0x38, 0x22);
const COSE_BOUNDS = { depthMax: 2, itemCountMax: 8 };
const PAYLOAD_BOUNDS = { depthMax: 2, itemCountMax: 128 };
const PAYLOAD_KEYS: ReadonlySet<CborValue> = new Set([
  "module_id",
  "digest",
  "timestamp",
  "pcrs",
  "certificate",
  "cabundle",
  "public_key",
  "user_data",
  "nonce",
]);

export function parseDocument(bytes: Uint8Array): Result<AttestationDocument, DocumentRefusal> {
  // audit A1
  if (bytes.length === 0 || bytes.length > ATTESTATION_BYTES_MAX) {
    return err(refusal("ATTEST_SIZE"));
  }
  // audit A2
  const untagged = bytes[0] === TAG_COSE_SIGN1 ? bytes.subarray(1) : bytes;
  const envelope = parseEnvelope(untagged);
  if (envelope === undefined) return err(refusal("ATTEST_COSE"));
  // audit A3: compared, never interpreted.
  if (!isEqualBytes(envelope.protectedHeader, PROTECTED_HEADER)) {
    return err(refusal("ATTEST_ALGORITHM"));
  }
  if (envelope.signature.length !== SIGNATURE_BYTES) return err(refusal("ATTEST_COSE"));
  // audit A4
  const claims = parsePayload(envelope.payload);
  if (claims === undefined) return err(refusal("ATTEST_PAYLOAD"));
  return ok({ ...claims, payload: envelope.payload, signature: envelope.signature });
}

/** audit A10: the bytes that the document's signature is over, Sig_structure of RFC 9052 §4.4. */
export function encodeSignatureInput(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  return encodeCbor(["Signature1", PROTECTED_HEADER, new Uint8Array(0), payload]);
}

type Envelope = {
  readonly protectedHeader: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
};

function parseEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (bytes[0] !== ARRAY_OF_FOUR) return undefined;
  const parsed = parseCbor(bytes, COSE_BOUNDS);
  if (!parsed.ok || !isArray(parsed.value)) return undefined;
  const [protectedHeader, unprotectedHeader, payload, signature] = parsed.value;
  if (!(protectedHeader instanceof Uint8Array) || !isEmptyMap(unprotectedHeader)) return undefined;
  if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) return undefined;
  return { protectedHeader, payload, signature };
}

type Claims = Omit<AttestationDocument, "payload" | "signature">;

function parsePayload(payload: Uint8Array): Claims | undefined {
  const parsed = parseCbor(payload, PAYLOAD_BOUNDS);
  if (!parsed.ok || !isMap(parsed.value)) return undefined;
  const fields = parsed.value;
  for (const key of fields.keys()) {
    if (!PAYLOAD_KEYS.has(key)) return undefined;
  }
  const moduleId = fields.get("module_id");
  const digest = fields.get("digest");
  const timestampMs = fields.get("timestamp");
  if (typeof moduleId !== "string" || !isPrintable(moduleId, MODULE_ID_LENGTH_MAX)) {
    return undefined;
  }
  if (typeof digest !== "string" || !isPrintable(digest, 16)) return undefined;
  if (typeof timestampMs !== "number" || timestampMs < 0 || timestampMs > UTC_MS_MAX) {
    return undefined;
  }
  const pcrs = parsePcrs(fields.get("pcrs"));
  const certificate = fields.get("certificate");
  const cabundle = parseCabundle(fields.get("cabundle"));
  if (pcrs === undefined || cabundle === undefined || !isCertificateSized(certificate)) {
    return undefined;
  }
  const publicKey = parseOptional(fields.get("public_key"), 1);
  const userData = parseOptional(fields.get("user_data"), 0);
  const nonce = parseOptional(fields.get("nonce"), 0);
  if (publicKey === undefined || userData === undefined || nonce === undefined) return undefined;
  return {
    moduleId,
    digest,
    timestampMs,
    pcrs,
    certificate,
    cabundle,
    publicKey,
    userData,
    nonce,
  };
}

function parsePcrs(value: CborValue | undefined): ReadonlyMap<number, Uint8Array> | undefined {
  if (!isMap(value) || value.size === 0 || value.size > PCR_COUNT) return undefined;
  const pcrs = new Map<number, Uint8Array>();
  for (const [index, digest] of value) {
    if (typeof index !== "number" || index < 0 || index >= PCR_COUNT) return undefined;
    if (!(digest instanceof Uint8Array) || digest.length !== PCR_BYTES) return undefined;
    pcrs.set(index, digest);
  }
  return pcrs;
}

function parseCabundle(value: CborValue | undefined): readonly Uint8Array[] | undefined {
  if (!isArray(value) || value.length === 0 || value.length > CABUNDLE_COUNT_MAX) return undefined;
  const certificates: Uint8Array[] = [];
  for (const certificate of value) {
    if (!isCertificateSized(certificate)) return undefined;
    certificates.push(certificate);
  }
  return certificates;
}

function isCertificateSized(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array && value.length >= 1 && value.length <= CERTIFICATE_BYTES_MAX;
}

/** The spec lets optional fields be absent; hardware sends them as null. Undefined: malformed. */
function parseOptional(
  value: CborValue | undefined,
  bytesMin: number,
): Uint8Array | null | undefined {
  if (value === undefined || value === null) return null;
  if (!(value instanceof Uint8Array)) return undefined;
  const isSized = value.length >= bytesMin && value.length <= ATTESTATION_FIELD_BYTES_MAX;
  return isSized ? value : undefined;
}

/** ASCII without controls and spaces: these texts are printed on the terminals of auditors. */
function isPrintable(text: string, lengthMax: number): boolean {
  return text.length <= lengthMax && /^[\x21-\x7e]+$/.test(text);
}

function isEmptyMap(value: CborValue | undefined): boolean {
  return isMap(value) && value.size === 0;
}
