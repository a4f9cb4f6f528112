// The signature section of an EIF: CBOR of one signing certificate (PEM) and one COSE_Sign1 over
// PCR0, both as arrays of small integers, because that is how the official library serialises
// bytes. Only its one encoding is accepted. It must never be taken for a reason to trust an image:
// it shows who holds the certificate's key, and says nothing of who that is.

import { type KeyObject, verify, X509Certificate } from "node:crypto";
import { type CborValue, encodeCbor, isArray, isMap, parseCbor } from "../../shared/bytes/cbor.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export type EifSignature = {
  /** The signing certificate, which PCR8 measures. */
  readonly certificate: X509Certificate;
  readonly certificateDer: Uint8Array;
  /** COSE_Sign1 (RFC 9052 §4.2). */
  readonly protectedHeader: Uint8Array;
  readonly algorithm: number;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
};

/** Of the whole section: as much as the hypervisor takes. */
export const SIGNATURE_SECTION_BYTES_MAX = 32_768;
const BOUNDS = { depthMax: 3, itemCountMax: SIGNATURE_SECTION_BYTES_MAX };
const COSE_BOUNDS = { depthMax: 2, itemCountMax: 16 };
const COSE_ALGORITHM_LABEL = 1; // RFC 9052 §3.1
const PEM_BEGIN = "-----BEGIN CERTIFICATE-----";
const PEM_END = "-----END CERTIFICATE-----";

/** COSE algorithm, OpenSSL's name of the curve, hash: RFC 9053 §2.1. */
const ALGORITHMS: ReadonlyMap<number, { readonly curve: string; readonly hash: string }> = new Map([
  [-7, { curve: "prime256v1", hash: "sha256" }],
  [-35, { curve: "secp384r1", hash: "sha384" }],
  [-36, { curve: "secp521r1", hash: "sha512" }],
]);

/** Its form. Whether the signature holds is `isSignatureRight`'s business. */
export function parseEifSignature(section: Uint8Array): Result<EifSignature, "EIF_SIGNATURE"> {
  if (section.length > SIGNATURE_SECTION_BYTES_MAX) return err("EIF_SIGNATURE");
  const parsed = parseCanonical(section, BOUNDS);
  // One entry: nothing but PCR0 has ever been signed.
  if (!isArray(parsed) || parsed.length !== 1) return err("EIF_SIGNATURE");
  const [entry] = parsed;
  if (!isMap(entry) || entry.size !== 2) return err("EIF_SIGNATURE");
  const pem = bytesOf(entry.get("signing_certificate"));
  const cose = bytesOf(entry.get("signature"));
  if (pem === undefined || cose === undefined) return err("EIF_SIGNATURE");
  const certificate = readCertificate(pem);
  const signed = readCoseSign1(cose);
  if (certificate === undefined || signed === undefined) return err("EIF_SIGNATURE");
  return ok({ ...certificate, ...signed });
}

/** Whether the certificate's key signed this PCR0. The certificate's dates are not looked at. */
export function isSignatureRight(signed: EifSignature, pcr0: Uint8Array): boolean {
  const key = signed.certificate.publicKey;
  const algorithm = ALGORITHMS.get(signed.algorithm);
  if (algorithm === undefined || curveOf(key) !== algorithm.curve) return false;
  if (!isEqualBytes(signed.payload, encodePcrInfo(pcr0))) return false;
  const empty = new Uint8Array(0);
  const toBeSigned = encodeCbor(["Signature1", signed.protectedHeader, empty, signed.payload]);
  try {
    const how = { key, dsaEncoding: "ieee-p1363" } as const;
    return verify(algorithm.hash, toBeSigned, how, signed.signature);
  } catch {
    return false;
  }
}

/** What is signed: `{"register_index": 0, "register_value": [48 integers]}`. */
export function encodePcrInfo(pcr0: Uint8Array): Uint8Array<ArrayBuffer> {
  return encodeCbor(
    new Map<CborValue, CborValue>([
      ["register_index", 0],
      ["register_value", [...pcr0]],
    ]),
  );
}

function curveOf(key: KeyObject): string | undefined {
  return key.asymmetricKeyType === "ec" ? key.asymmetricKeyDetails?.namedCurve : undefined;
}

/** A value in its shortest encoding, so that it has only one. */
function parseCanonical(bytes: Uint8Array, bounds: typeof BOUNDS): CborValue | undefined {
  const parsed = parseCbor(bytes, bounds);
  if (!parsed.ok || !isEqualBytes(encodeCbor(parsed.value), bytes)) return undefined;
  return parsed.value;
}

function bytesOf(value: CborValue | undefined): Uint8Array | undefined {
  if (!isArray(value)) return undefined;
  const isBytes = value.every((item) => typeof item === "number" && item >= 0 && item <= 255);
  return isBytes ? Uint8Array.from(value, Number) : undefined;
}

/**
 * The first certificate of a PEM file is the signing one; a chain may follow it. Nothing before it
 * may look like a beginning: OpenSSL, with which nitro-cli reads, takes one under an older name,
 * and none in the middle of a line, and PCR8 would be another.
 */
function readCertificate(pem: Uint8Array) {
  const text = Buffer.from(pem).toString("latin1");
  const begin = text.indexOf(PEM_BEGIN);
  const end = text.indexOf(PEM_END, begin);
  if (begin === -1 || end === -1 || begin !== text.indexOf("-----BEGIN")) return undefined;
  if (begin > 0 && text[begin - 1] !== "\n") return undefined;
  try {
    const certificate = new X509Certificate(text.slice(begin, end + PEM_END.length));
    return { certificate, certificateDer: new Uint8Array(certificate.raw) };
  } catch {
    return undefined;
  }
}

/** Untagged: [protected, {}, payload, signature]. */
function readCoseSign1(bytes: Uint8Array) {
  const parsed = parseCanonical(bytes, COSE_BOUNDS);
  if (!isArray(parsed) || parsed.length !== 4) return undefined;
  const [protectedHeader, unprotected, payload, signature] = parsed;
  if (!(protectedHeader instanceof Uint8Array) || !(payload instanceof Uint8Array))
    return undefined;
  if (!(signature instanceof Uint8Array) || !isMap(unprotected)) return undefined;
  const header = parseCanonical(protectedHeader, COSE_BOUNDS);
  if (unprotected.size !== 0 || !isMap(header) || header.size !== 1) return undefined;
  const algorithm = header.get(COSE_ALGORITHM_LABEL);
  if (typeof algorithm !== "number") return undefined;
  return { protectedHeader, algorithm, payload, signature };
}
