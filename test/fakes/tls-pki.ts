// Certificate authorities, certificates and CRLs for tests of the TLS listener.

import { generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto";
import {
  authorityExtension,
  encodeCertificatePem,
  encodeName,
  extension,
  issueCertificate,
  KEY_USAGE,
  keyUsageExtension,
  leafExtension,
  type Name,
  publicKeyOf,
} from "../../scripts/local/certificate-issuer.ts";
import {
  bitString,
  encodeDer,
  integer,
  oid,
  sequence,
  time,
} from "../../scripts/local/der-writer.ts";

const DAY_MS = 86_400_000;
const EXTENDED_KEY_USAGE = "2.5.29.37";
const SUBJECT_ALT_NAME = "2.5.29.17";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const ECDSA_WITH_SHA384 = sequence(oid("1.2.840.10045.4.3.3"));

export type Pair = {
  readonly cert: string;
  readonly key: string;
  readonly serial: string;
  readonly fingerprint: string;
};

export type LeafOptions = {
  readonly uris?: readonly string[];
  readonly isServer?: boolean;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
};

export type CrlOptions = {
  readonly serials: readonly string[];
  readonly thisUpdateMs?: number;
  readonly nextUpdateMs?: number;
};

export function daysFromNow(count: number): number {
  return Date.now() + count * DAY_MS;
}

function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" });
}

export class TestCa {
  readonly cert: string;
  readonly #name: Name;
  readonly #key = newKey();

  constructor(commonName: string, notAfterMs = daysFromNow(60)) {
    this.#name = [["CN", commonName]];
    this.cert = encodeCertificatePem(
      issueCertificate({
        subject: this.#name,
        issuer: this.#name,
        publicKey: publicKeyOf(this.#key),
        signingKey: this.#key,
        notBeforeMs: daysFromNow(-30),
        notAfterMs,
        extensions: [
          authorityExtension(null),
          keyUsageExtension(true, KEY_USAGE.keyCertSign, KEY_USAGE.crlSign),
        ],
      }),
    );
  }

  leaf(commonName: string, options: LeafOptions = {}): Pair {
    const key = newKey();
    const isServer = options.isServer ?? false;
    const text = new TextEncoder();
    const names = (options.uris ?? []).map((uri) => encodeDer(0x86, text.encode(uri)));
    if (isServer) names.push(encodeDer(0x87, Uint8Array.of(127, 0, 0, 1)));
    const usage = sequence(oid(isServer ? SERVER_AUTH : CLIENT_AUTH));
    const der = issueCertificate({
      subject: [["CN", commonName]],
      issuer: this.#name,
      publicKey: publicKeyOf(key),
      signingKey: this.#key,
      notBeforeMs: options.notBeforeMs ?? daysFromNow(-1),
      notAfterMs: options.notAfterMs ?? daysFromNow(30),
      extensions: [
        leafExtension(),
        keyUsageExtension(true, KEY_USAGE.digitalSignature),
        extension(EXTENDED_KEY_USAGE, false, usage),
        ...(names.length === 0 ? [] : [extension(SUBJECT_ALT_NAME, false, sequence(...names))]),
      ],
    });
    const { serialNumber, fingerprint256 } = new X509Certificate(der);
    return {
      cert: encodeCertificatePem(der),
      key: pemOf(key),
      serial: serialNumber,
      fingerprint: fingerprint256,
    };
  }

  crl(options: CrlOptions): string {
    const revoked = options.serials.map((serial) =>
      sequence(integer(Buffer.from(serial, "hex")), time(daysFromNow(-1))),
    );
    const list = sequence(
      integer(Uint8Array.of(1)),
      ECDSA_WITH_SHA384,
      encodeName(this.#name),
      time(options.thisUpdateMs ?? daysFromNow(-1)),
      time(options.nextUpdateMs ?? daysFromNow(7)),
      ...(revoked.length === 0 ? [] : [sequence(...revoked)]),
    );
    const der = sequence(list, ECDSA_WITH_SHA384, bitString(sign("sha384", list, this.#key)));
    return encodeCertificatePem(der).replaceAll("CERTIFICATE", "X509 CRL");
  }
}
