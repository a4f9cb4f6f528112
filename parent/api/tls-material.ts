// The files of the TLS listener, read and checked as a whole. Nothing is swapped in that has not
// passed here: a bad file at a reload must leave the listener as it was, and say what is wrong.
// It must never hand out a partial set of options: what is left out falls back to a default.

import { constants, createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { TlsConfig } from "../ops/api-config.ts";
import type { CertificateName } from "../ops/metrics.ts";
import { parseCrlValidity, parseSubject } from "./crl.ts";

export type TlsMaterial = {
  /** Complete, for `createServer` and `setSecureContext` alike. */
  readonly context: SecureContextOptions;
  /** Tells whether a reload changed anything. */
  readonly digest: string;
  readonly expiryMs: Readonly<Record<CertificateName, number | null>>;
};

type Reason =
  | "UNREADABLE"
  | "OVERSIZE"
  | "MALFORMED"
  | "NOT_VALID_NOW"
  | "KEY_MISMATCH"
  | "CHAIN_BROKEN"
  | "NOT_A_CA"
  | "CRL_MISSING"
  | "REFUSED_BY_OPENSSL";

type MaterialRefusal = Refusal<"TLS_MATERIAL">;
type Checked<T> = Result<T, MaterialRefusal>;

const FILE_BYTES_MAX = 16 * 1024 * 1024;

export async function readTlsMaterial(
  config: TlsConfig,
  nowMs: number,
): Promise<Checked<TlsMaterial>> {
  const cert = await readPem(config.certFile);
  if (!cert.ok) return cert;
  const key = await readPem(config.keyFile);
  if (!key.ok) return key;
  const ca = await readPem(config.clientCaFile);
  if (!ca.ok) return ca;
  const crl = config.crlFile === undefined ? null : await readPem(config.crlFile);
  if (crl !== null && !crl.ok) return crl;

  const certExpiryMs = checkChain(config, cert.value, key.value, nowMs);
  if (!certExpiryMs.ok) return certExpiryMs;
  const authorities = checkAuthorities(config, ca.value, nowMs);
  if (!authorities.ok) return authorities;
  const crlExpiryMs = checkCrls(config, crl?.value ?? null, authorities.value, nowMs);
  if (!crlExpiryMs.ok) return crlExpiryMs;

  const context: SecureContextOptions = {
    cert: cert.value,
    key: key.value,
    ca: pemBlocks(ca.value, "CERTIFICATE"),
    ...(crl === null ? {} : { crl: pemBlocks(crl.value, "X509 CRL") }),
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    // A ticket would let whoever stole it resume as its owner, without key or certificate, and
    // past a revocation (pkcs11-hsm.md §7).
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  if (!isAcceptedByOpenssl({ ca: context.ca })) {
    return refuse(config.clientCaFile, "REFUSED_BY_OPENSSL");
  }
  if (config.crlFile !== undefined && !isAcceptedByOpenssl({ crl: context.crl })) {
    return refuse(config.crlFile, "REFUSED_BY_OPENSSL");
  }
  if (!isAcceptedByOpenssl(context)) return refuse(config.certFile, "REFUSED_BY_OPENSSL");
  const digest = createHash("sha256");
  for (const text of [cert.value, key.value, ca.value, crl?.value ?? ""]) {
    digest.update(`${text.length}:${text}`);
  }
  return ok({
    context,
    digest: digest.digest("hex"),
    expiryMs: {
      server: certExpiryMs.value,
      client_ca: Math.min(...authorities.value.map((entry) => expiryOf(entry))),
      crl: crlExpiryMs.value,
    },
  });
}

function refuse(file: string, reason: Reason): { readonly ok: false; error: MaterialRefusal } {
  return err(refusal("TLS_MATERIAL", file, reason));
}

function isAcceptedByOpenssl(context: SecureContextOptions): boolean {
  try {
    createSecureContext(context);
    return true;
  } catch {
    return false;
  }
}

async function readPem(file: string): Promise<Checked<string>> {
  try {
    const text = await readFile(file, "latin1");
    return text.length > FILE_BYTES_MAX ? refuse(file, "OVERSIZE") : ok(text);
  } catch {
    return refuse(file, "UNREADABLE");
  }
}

function pemBlocks(text: string, label: "CERTIFICATE" | "X509 CRL"): string[] {
  const pattern = new RegExp(
    `-----BEGIN ${label}-----[A-Za-z0-9+/=\\s]+-----END ${label}-----`,
    "g",
  );
  return text.match(pattern) ?? [];
}

/** Null when there is none, or one that can't be read. */
function parseCertificates(text: string): readonly X509Certificate[] | null {
  const blocks = pemBlocks(text, "CERTIFICATE");
  try {
    return blocks.length === 0 ? null : blocks.map((block) => new X509Certificate(block));
  } catch {
    return null;
  }
}

function expiryOf(certificate: X509Certificate): number {
  return certificate.validToDate.getTime();
}

function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  return certificate.validFromDate.getTime() <= nowMs && nowMs < expiryOf(certificate);
}

/** The listener's own certificate, its key and its intermediates, leaf first. */
function checkChain(
  { certFile, keyFile }: TlsConfig,
  certText: string,
  keyText: string,
  nowMs: number,
): Checked<number> {
  const chain = parseCertificates(certText);
  const leaf = chain?.[0];
  if (chain === null || leaf === undefined) return refuse(certFile, "MALFORMED");
  try {
    if (!leaf.checkPrivateKey(createPrivateKey(keyText))) return refuse(keyFile, "KEY_MISMATCH");
  } catch {
    return refuse(keyFile, "MALFORMED");
  }
  for (const [index, certificate] of chain.entries()) {
    if (!isValidAt(certificate, nowMs)) return refuse(certFile, "NOT_VALID_NOW");
    const issuer = chain[index + 1];
    if (issuer === undefined) continue;
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) {
      return refuse(certFile, "CHAIN_BROKEN");
    }
  }
  return ok(Math.min(...chain.map((certificate) => expiryOf(certificate))));
}

function checkAuthorities(
  { clientCaFile }: TlsConfig,
  text: string,
  nowMs: number,
): Checked<readonly X509Certificate[]> {
  const authorities = parseCertificates(text);
  if (authorities === null) return refuse(clientCaFile, "MALFORMED");
  if (!authorities.every((authority) => authority.ca)) return refuse(clientCaFile, "NOT_A_CA");
  // An old CA may stay beside its successor; OpenSSL accepts nothing of an expired one.
  if (!authorities.some((authority) => isValidAt(authority, nowMs))) {
    return refuse(clientCaFile, "NOT_VALID_NOW");
  }
  return ok(authorities);
}

/** With any CRL, OpenSSL wants one of every CA: a missing one would refuse all its clients. */
function checkCrls(
  { crlFile }: TlsConfig,
  text: string | null,
  authorities: readonly X509Certificate[],
  nowMs: number,
): Checked<number | null> {
  if (crlFile === undefined || text === null) return ok(null);
  const blocks = pemBlocks(text, "X509 CRL");
  if (blocks.length === 0) return refuse(crlFile, "MALFORMED");
  const issuers: Uint8Array[] = [];
  let expiryMs = Number.POSITIVE_INFINITY;
  for (const block of blocks) {
    const base64 = block.replace(/-----[A-Z0-9 ]+-----/g, "");
    const validity = parseCrlValidity(Buffer.from(base64, "base64"));
    if (validity === null) return refuse(crlFile, "MALFORMED");
    if (validity.thisUpdateMs > nowMs || validity.nextUpdateMs <= nowMs) {
      return refuse(crlFile, "NOT_VALID_NOW");
    }
    issuers.push(validity.issuer);
    expiryMs = Math.min(expiryMs, validity.nextUpdateMs);
  }
  for (const authority of authorities) {
    const subject = parseSubject(authority.raw);
    const isCovered = subject !== null && issuers.some((name) => isEqualBytes(name, subject));
    if (!isCovered) return refuse(crlFile, "CRL_MISSING");
  }
  return ok(expiryMs);
}
