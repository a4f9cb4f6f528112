// X.509 certificates (RFC 5280) of the one profile that signs attestation documents: version 3,
// P-384 keys, ecdsa-with-SHA384. Parsing states what a certificate says; whether it may be believed
// is `chain.ts`'s business. It must never skip what it does not understand when that is critical.

import { p384 } from "@noble/curves/nist.js";
import { concatBytes, isEqualBytes } from "../bytes/compare.ts";
import {
  bitStringOf,
  booleanOf,
  DER_TAG,
  type DerNode,
  octetsOf,
  oidOf,
  parseDer,
  smallIntegerOf,
  timeMsOf,
  unsignedOf,
} from "../bytes/der.ts";
import { type Refusal, refusal } from "../errors.ts";
import { CERTIFICATE_BYTES_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";

export type KeyUsage = { readonly digitalSignature: boolean; readonly keyCertSign: boolean };

export type Certificate = {
  readonly der: Uint8Array;
  /** The signed part, as received. */
  readonly tbs: Uint8Array;
  readonly serial: Uint8Array;
  /** Names as their DER: two names are the same when their bytes are. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Uncompressed point, 97 bytes, on the curve. */
  readonly publicKey: Uint8Array;
  /** r || s, 48 bytes each. */
  readonly signature: Uint8Array;
  readonly isAuthority: boolean;
  /** Authorities that may follow below, not counting this one; null when not limited. */
  readonly pathLengthMax: number | null;
  /** Null when the certificate does not say. */
  readonly keyUsage: KeyUsage | null;
};

const OID = {
  ecPublicKey: "1.2.840.10045.2.1",
  secp384r1: "1.3.132.0.34",
  ecdsaWithSha384: "1.2.840.10045.4.3.3",
  keyUsage: "2.5.29.15",
  basicConstraints: "2.5.29.19",
} as const;

const VERSION_3 = 2;
const SERIAL_BYTES_MAX = 20; // RFC 5280 §4.1.2.2
const COORDINATE_BYTES = 48;
const POINT_BYTES = 97;
const UNCOMPRESSED = 0x04;
const EXTENSION_COUNT_MAX = 16;
const CONTEXT_VERSION = 0xa0;
const CONTEXT_EXTENSIONS = 0xa3;

/** audit A5 */
export function parseCertificate(
  der: Uint8Array,
): Result<Certificate, Refusal<"ATTEST_CERTIFICATE">> {
  const certificate = der.length <= CERTIFICATE_BYTES_MAX ? readCertificate(der) : undefined;
  return certificate === undefined ? err(refusal("ATTEST_CERTIFICATE")) : ok(certificate);
}

/** An ECDSA signature as SEQUENCE { r, s } (RFC 3279 §2.2.3) to r || s. */
export function parseEcdsaSignature(der: Uint8Array): Uint8Array | undefined {
  const parsed = parseDer(der, { depthMax: 2, nodeCountMax: 3 });
  const parts = sequenceOf(parsed.ok ? parsed.value : undefined, 2, 2);
  const r = unsignedOf(parts?.[0]);
  const s = unsignedOf(parts?.[1]);
  if (r === undefined || s === undefined) return undefined;
  if (r.length > COORDINATE_BYTES || s.length > COORDINATE_BYTES) return undefined;
  const padding = (part: Uint8Array) => new Uint8Array(COORDINATE_BYTES - part.length);
  return concatBytes(padding(r), r, padding(s), s);
}

function readCertificate(der: Uint8Array): Certificate | undefined {
  const parsed = parseDer(der);
  const outer = sequenceOf(parsed.ok ? parsed.value : undefined, 3, 3);
  const tbs = sequenceOf(outer?.[0], 8, 8);
  if (outer === undefined || tbs === undefined || outer[0] === undefined) return undefined;
  // With 8 fields, unique identifiers are absent: version, extensions and the six between them.
  const [version, serialNode, innerAlgorithm, issuer, validity, subject, spki, extensions] = tbs;
  if (version?.tag !== CONTEXT_VERSION || version.children.length !== 1) return undefined;
  if (smallIntegerOf(version.children[0]) !== VERSION_3) return undefined;
  // RFC 5280 §4.1.1.2: the algorithm stands inside and outside the signed part, and must agree.
  if (!isEcdsaWithSha384(innerAlgorithm) || !isEcdsaWithSha384(outer[1])) return undefined;
  const serial = unsignedOf(serialNode);
  if (serial === undefined || serial.length > SERIAL_BYTES_MAX) return undefined;
  const publicKey = readPublicKey(spki);
  const signatureBits = bitStringOf(outer[2]);
  if (publicKey === undefined || signatureBits?.unusedBits !== 0) return undefined;
  const signature = parseEcdsaSignature(signatureBits.bytes);
  const times = readValidity(validity);
  const rights = readExtensions(extensions);
  if (signature === undefined || times === undefined || rights === undefined) return undefined;
  if (issuer?.tag !== DER_TAG.sequence || subject?.tag !== DER_TAG.sequence) return undefined;
  return {
    der,
    tbs: outer[0].raw,
    serial,
    issuer: issuer.raw,
    subject: subject.raw,
    ...times,
    publicKey,
    signature,
    ...rights,
  };
}

function sequenceOf(
  node: DerNode | undefined,
  countMin: number,
  countMax: number,
): readonly DerNode[] | undefined {
  if (node?.tag !== DER_TAG.sequence) return undefined;
  const count = node.children.length;
  return count >= countMin && count <= countMax ? node.children : undefined;
}

/** RFC 5758 §3.2: the parameters are absent. */
function isEcdsaWithSha384(node: DerNode | undefined): boolean {
  return oidOf(sequenceOf(node, 1, 1)?.[0]) === OID.ecdsaWithSha384;
}

/** RFC 5480 §2: id-ecPublicKey on the named curve, uncompressed. */
function readPublicKey(node: DerNode | undefined): Uint8Array | undefined {
  const parts = sequenceOf(node, 2, 2);
  const algorithm = sequenceOf(parts?.[0], 2, 2);
  if (oidOf(algorithm?.[0]) !== OID.ecPublicKey) return undefined;
  if (oidOf(algorithm?.[1]) !== OID.secp384r1) return undefined;
  const bits = bitStringOf(parts?.[1]);
  if (bits?.unusedBits !== 0) return undefined;
  const point = bits.bytes;
  if (point.length !== POINT_BYTES || point[0] !== UNCOMPRESSED) return undefined;
  return isOnCurve(point) ? point : undefined;
}

function isOnCurve(point: Uint8Array): boolean {
  try {
    p384.Point.fromBytes(point).assertValidity();
    return true;
  } catch {
    return false;
  }
}

function readValidity(
  node: DerNode | undefined,
): { notBeforeMs: number; notAfterMs: number } | undefined {
  const times = sequenceOf(node, 2, 2);
  const notBeforeMs = timeMsOf(times?.[0]);
  const notAfterMs = timeMsOf(times?.[1]);
  if (notBeforeMs === undefined || notAfterMs === undefined) return undefined;
  return notBeforeMs >= 0 && notBeforeMs <= notAfterMs ? { notBeforeMs, notAfterMs } : undefined;
}

type Rights = Pick<Certificate, "isAuthority" | "pathLengthMax" | "keyUsage">;

function readExtensions(node: DerNode | undefined): Rights | undefined {
  if (node?.tag !== CONTEXT_EXTENSIONS || node.children.length !== 1) return undefined;
  const extensions = sequenceOf(node.children[0], 1, EXTENSION_COUNT_MAX);
  if (extensions === undefined) return undefined;
  let rights: Rights = { isAuthority: false, pathLengthMax: null, keyUsage: null };
  const seen: Uint8Array[] = [];
  for (const node of extensions) {
    const extension = readExtension(node);
    if (extension === undefined) return undefined;
    // RFC 5280 §4.2: no extension twice, or two readers might each believe another one.
    if (seen.some((oid) => isEqualBytes(oid, extension.rawOid))) return undefined;
    seen.push(extension.rawOid);
    const value = readRights(extension);
    if (value === undefined) return undefined;
    rights = { ...rights, ...value };
  }
  return rights;
}

type Extension = {
  readonly oid: string;
  readonly rawOid: Uint8Array;
  readonly isCritical: boolean;
  readonly value: Uint8Array;
};

function readExtension(node: DerNode): Extension | undefined {
  const parts = sequenceOf(node, 2, 3);
  const oid = oidOf(parts?.[0]);
  const value = octetsOf(parts?.[parts.length - 1]);
  if (parts?.[0] === undefined || oid === undefined || value === undefined) return undefined;
  // X.690 §11.5: a DEFAULT FALSE is left out, so a flag that is there is TRUE.
  if (parts.length === 3 && booleanOf(parts[1]) !== true) return undefined;
  return { oid, rawOid: parts[0].raw, isCritical: parts.length === 3, value };
}

/** What an extension grants; nothing for those that may be ignored; undefined to refuse. */
function readRights(extension: Extension): Partial<Rights> | undefined {
  switch (extension.oid) {
    case OID.basicConstraints:
      return readBasicConstraints(extension.value);
    case OID.keyUsage: {
      const keyUsage = readKeyUsage(extension.value);
      return keyUsage === undefined ? undefined : { keyUsage };
    }
    default:
      return extension.isCritical ? undefined : {};
  }
}

function readBasicConstraints(value: Uint8Array): Partial<Rights> | undefined {
  const parsed = parseDer(value, { depthMax: 2, nodeCountMax: 3 });
  const parts = sequenceOf(parsed.ok ? parsed.value : undefined, 0, 2);
  if (parts === undefined) return undefined;
  if (parts.length === 0) return { isAuthority: false, pathLengthMax: null };
  // RFC 5280 §4.2.1.9: a path length only makes sense on an authority.
  if (booleanOf(parts[0]) !== true) return undefined;
  if (parts.length === 1) return { isAuthority: true, pathLengthMax: null };
  const pathLengthMax = smallIntegerOf(parts[1]);
  return pathLengthMax === undefined ? undefined : { isAuthority: true, pathLengthMax };
}

/** RFC 5280 §4.2.1.3: bit 0 is digitalSignature, bit 5 is keyCertSign; at least one bit is set. */
function readKeyUsage(value: Uint8Array): KeyUsage | undefined {
  const parsed = parseDer(value, { depthMax: 1, nodeCountMax: 1 });
  const bits = bitStringOf(parsed.ok ? parsed.value : undefined);
  if (bits === undefined || bits.bytes.length === 0 || bits.bytes.length > 2) return undefined;
  const first = bits.bytes[0] ?? 0;
  return { digitalSignature: (first & 0x80) !== 0, keyCertSign: (first & 0x04) !== 0 };
}
