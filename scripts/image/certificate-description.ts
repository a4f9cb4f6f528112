// What nitro-cli prints about a signing certificate, in the words of OpenSSL, which it prints with.
// For people to compare: it must never judge a certificate.

import type { X509Certificate } from "node:crypto";
import { bitStringOf, DER_TAG, type DerNode, oidOf, parseDer } from "../../shared/bytes/der.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";

export type CertificateDescription = {
  /** Long names of OpenSSL, sorted; of a name that occurs twice the last one. */
  readonly IssuerName: Readonly<Record<string, string>>;
  readonly Algorithm: string;
  readonly NotBefore: string;
  readonly NotAfter: string;
  /** `AA:BB:...` */
  readonly Signature: string;
};

/** OpenSSL's long names; what is not listed here is shown as its number. */
const NAMES: Readonly<Record<string, string>> = {
  "2.5.4.3": "commonName",
  "2.5.4.4": "surname",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "countryName",
  "2.5.4.7": "localityName",
  "2.5.4.8": "stateOrProvinceName",
  "2.5.4.9": "streetAddress",
  "2.5.4.10": "organizationName",
  "2.5.4.11": "organizationalUnitName",
  "2.5.4.12": "title",
  "2.5.4.13": "description",
  "2.5.4.15": "businessCategory",
  "2.5.4.17": "postalCode",
  "2.5.4.41": "name",
  "2.5.4.42": "givenName",
  "2.5.4.43": "initials",
  "2.5.4.44": "generationQualifier",
  "2.5.4.46": "dnQualifier",
  "2.5.4.65": "pseudonym",
  "2.5.4.97": "organizationIdentifier",
  "0.9.2342.19200300.100.1.1": "userId",
  "0.9.2342.19200300.100.1.25": "domainComponent",
  "1.2.840.113549.1.9.1": "emailAddress",
  "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionLocalityName",
  "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionStateOrProvinceName",
  "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionCountryName",
  "1.2.840.10045.4.1": "ecdsa-with-SHA1",
  "1.2.840.10045.4.3.1": "ecdsa-with-SHA224",
  "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
  "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
  "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
  "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
  "1.2.840.113549.1.1.10": "rsassaPss",
  "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
  "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
  "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
  "1.3.101.112": "ED25519",
};

const CONTEXT_VERSION = 0xa0;
const BMP_STRING = 0x1e;
const ENCODINGS: Readonly<Record<number, string>> = {
  [DER_TAG.utf8String]: "utf-8",
  [BMP_STRING]: "utf-16be",
};
const BOUNDS = { depthMax: 16, nodeCountMax: 2048 };

export function describeCertificate(certificate: X509Certificate): CertificateDescription {
  const parsed = parseDer(certificate.raw, BOUNDS);
  const [tbs, algorithm, signature] = parsed.ok ? parsed.value.children : [];
  // The version is only there when it is not 1; then serial, algorithm, issuer.
  const fields = tbs?.children ?? [];
  const issuer = fields[fields[0]?.tag === CONTEXT_VERSION ? 3 : 2];
  return {
    IssuerName: describeName(issuer),
    Algorithm: nameOf(algorithm?.children[0]),
    NotBefore: certificate.validFrom,
    NotAfter: certificate.validTo,
    Signature: (encodeHex(bitStringOf(signature)?.bytes ?? new Uint8Array(0)).match(/../g) ?? [])
      .join(":")
      .toUpperCase(),
  };
}

function describeName(node: DerNode | undefined): Readonly<Record<string, string>> {
  const parts = new Map<string, string>();
  for (const set of node?.children ?? []) {
    for (const attribute of set.children) {
      const [type, value] = attribute.children;
      parts.set(nameOf(type), value === undefined ? "" : textOf(value));
    }
  }
  return Object.fromEntries([...parts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function nameOf(node: DerNode | undefined): string {
  const oid = oidOf(node);
  return oid === undefined ? "" : (NAMES[oid] ?? oid);
}

/**
 * As Rust prints a string for debugging, without the quotes, which nitro-cli takes out: what can't
 * be seen, or would change what can, is escaped.
 */
function textOf(node: DerNode): string {
  const text = decode(node);
  if (text === undefined) return "(error)";
  return text.replaceAll(/(?! )["\\\p{C}\p{Z}\p{Grapheme_Extend}]/gu, escapeOf);
}

/** Strings of other types are Latin-1 to OpenSSL, whatever X.680 allows in them. */
function decode(node: DerNode): string | undefined {
  const encoding = ENCODINGS[node.tag];
  if (encoding === undefined) return Buffer.from(node.content).toString("latin1");
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(node.content);
  } catch {
    return undefined;
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': "\\",
  "\\": "\\\\",
  "\0": "\\0",
  "\t": "\\t",
  "\n": "\\n",
  "\r": "\\r",
};

function escapeOf(character: string): string {
  return ESCAPES[character] ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
