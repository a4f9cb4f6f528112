// Issues X.509 certificates (RFC 5280) over EC keys, for the PKIs of local runs and tests. It can
// write certificates that break the rules, since tests need them: it must never check anything.

import { createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import {
  bitString,
  boolean,
  encodeDer,
  integer,
  namedBits,
  octetString,
  oid,
  printableString,
  sequence,
  set,
  time,
} from "./der-writer.ts";

export type NamePart = readonly [type: "C" | "ST" | "L" | "O" | "OU" | "CN", value: string];
export type Name = readonly NamePart[];

export type CertificateSpec = {
  readonly subject: Name;
  readonly issuer: Name;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** As the functions below make them. */
  readonly extensions: readonly Uint8Array[];
};

const NAME_OIDS: Readonly<Record<NamePart[0], string>> = {
  CN: "2.5.4.3",
  C: "2.5.4.6",
  L: "2.5.4.7",
  ST: "2.5.4.8",
  O: "2.5.4.10",
  OU: "2.5.4.11",
};
const ECDSA_WITH_SHA384 = sequence(oid("1.2.840.10045.4.3.3"));

/** DER, signed with ecdsa-with-SHA384. */
export function issueCertificate(spec: CertificateSpec): Uint8Array<ArrayBuffer> {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const tbs = sequence(
    encodeDer(0xa0, integer(Uint8Array.of(2))),
    integer(serial),
    ECDSA_WITH_SHA384,
    encodeName(spec.issuer),
    sequence(time(spec.notBeforeMs), time(spec.notAfterMs)),
    encodeName(spec.subject),
    spec.publicKey.export({ type: "spki", format: "der" }),
    encodeDer(0xa3, sequence(...spec.extensions)),
  );
  const signature = sign("sha384", tbs, spec.signingKey);
  return sequence(tbs, ECDSA_WITH_SHA384, bitString(signature));
}

export function encodeName(name: Name): Uint8Array<ArrayBuffer> {
  const parts = name.map(([type, value]) =>
    set(sequence(oid(NAME_OIDS[type]), printableString(value))),
  );
  return sequence(...parts);
}

export function extension(
  dottedOid: string,
  isCritical: boolean,
  value: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const flag = isCritical ? [boolean(true)] : [];
  return sequence(oid(dottedOid), ...flag, octetString(value));
}

/** Critical; with `pathLength` null an authority has no limit. */
export function authorityExtension(pathLength: number | null): Uint8Array<ArrayBuffer> {
  const limit = pathLength === null ? [] : [integer(Uint8Array.of(pathLength))];
  return extension("2.5.29.19", true, sequence(boolean(true), ...limit));
}

export function leafExtension(): Uint8Array<ArrayBuffer> {
  return extension("2.5.29.19", true, sequence());
}

export const KEY_USAGE = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyCertSign: 5,
  crlSign: 6,
} as const;

export function keyUsageExtension(
  isCritical: boolean,
  ...bits: readonly number[]
): Uint8Array<ArrayBuffer> {
  return extension("2.5.29.15", isCritical, namedBits(bits));
}

export function encodeCertificatePem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

export function publicKeyOf(privateKey: KeyObject): KeyObject {
  return createPublicKey(privateKey);
}
