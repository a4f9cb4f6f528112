// The certificate authority of local runs: makes itself on first use and issues certificates for
// the stand-ins of AWS and for mTLS. Keys are files of mode 0600 beside the certificates. It must
// never be used for anything that others rely on: its key lies on this disk.

import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { join } from "node:path";
import {
  authorityExtension,
  encodeCertificatePem,
  extension,
  issueCertificate as issueDer,
  KEY_USAGE,
  keyUsageExtension,
  leafExtension,
  type Name,
  publicKeyOf,
} from "./certificate-issuer.ts";
import { encodeDer, octetString, oid, sequence } from "./der-writer.ts";

export type CertificateUsage = "server" | "client";

export type CertificateRequest = {
  readonly commonName: string;
  readonly dnsNames?: readonly string[];
  /** IPv4. */
  readonly ipAddresses?: readonly string[];
  readonly uris?: readonly string[];
  readonly usage: readonly CertificateUsage[];
};

export type IssuedCertificate = { readonly certificatePem: string; readonly privateKeyPem: string };

export type IssuedFiles = IssuedCertificate & {
  readonly certificatePath: string;
  readonly privateKeyPath: string;
};

export type LocalCa = {
  readonly certificatePem: string;
  readonly certificatePath: string;
  issueCertificate(request: CertificateRequest): IssuedCertificate;
  /** As NAME.crt and NAME.key in the CA's folder, or in another; those that are there are kept. */
  issueFiles(name: string, request: CertificateRequest, folder?: string): IssuedFiles;
};

const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
const LEAF_DAYS = 730;
/** Certificates on disk that end sooner are made anew. */
const RENEWAL_DAYS = 30;
const CA_NAME: Name = [["CN", "Redoubt local CA"]];
const USAGE_OIDS: Readonly<Record<CertificateUsage, string>> = {
  server: "1.3.6.1.5.5.7.3.1",
  client: "1.3.6.1.5.5.7.3.2",
};

/** Loads `ca.crt` and `ca.key` from the folder, or makes them there. */
export function createLocalCa(folder: string): LocalCa {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const certificatePath = join(folder, "ca.crt");
  const keyPath = join(folder, "ca.key");
  if (!isUsable(certificatePath) || !existsSync(keyPath)) makeAuthority(certificatePath, keyPath);
  const signingKey = createPrivateKey(readFileSync(keyPath));
  const certificatePem = readFileSync(certificatePath, "utf8");
  const issue = (request: CertificateRequest) => issueLeaf(request, signingKey);
  return {
    certificatePem,
    certificatePath,
    issueCertificate: issue,
    issueFiles: (name, request, leafFolder = folder) => {
      const leafPath = join(leafFolder, `${name}.crt`);
      const leafKeyPath = join(leafFolder, `${name}.key`);
      if (!isUsable(leafPath, certificatePem) || !existsSync(leafKeyPath)) {
        const made = issue(request);
        mkdirSync(leafFolder, { recursive: true, mode: 0o700 });
        writeFileSync(leafKeyPath, made.privateKeyPem, { mode: 0o600 });
        writeFileSync(leafPath, made.certificatePem);
      }
      return {
        certificatePath: leafPath,
        privateKeyPath: leafKeyPath,
        certificatePem: readFileSync(leafPath, "utf8"),
        privateKeyPem: readFileSync(leafKeyPath, "utf8"),
      };
    },
  };
}

/** Whether the certificate is there, lasts for a while and, if one is given, is of this CA. */
function isUsable(path: string, caPem?: string): boolean {
  if (!existsSync(path)) return false;
  const certificate = new X509Certificate(readFileSync(path));
  const issuer = caPem === undefined ? certificate : new X509Certificate(caPem);
  return (
    Date.parse(certificate.validTo) > Date.now() + RENEWAL_DAYS * DAY_MS &&
    certificate.verify(issuer.publicKey)
  );
}

function makeAuthority(certificatePath: string, keyPath: string): void {
  const key = generateKey();
  const nowMs = Date.now();
  const der = issueDer({
    subject: CA_NAME,
    issuer: CA_NAME,
    publicKey: publicKeyOf(key),
    signingKey: key,
    notBeforeMs: nowMs - DAY_MS,
    notAfterMs: nowMs + CA_DAYS * DAY_MS,
    extensions: [
      authorityExtension(0),
      keyUsageExtension(true, KEY_USAGE.keyCertSign, KEY_USAGE.crlSign),
      subjectKeyExtension(key),
    ],
  });
  writeFileSync(keyPath, encodeKeyPem(key), { mode: 0o600 });
  writeFileSync(certificatePath, encodeCertificatePem(der));
}

function issueLeaf(request: CertificateRequest, signingKey: KeyObject): IssuedCertificate {
  const key = generateKey();
  const nowMs = Date.now();
  const der = issueDer({
    subject: [["CN", request.commonName]],
    issuer: CA_NAME,
    publicKey: publicKeyOf(key),
    signingKey,
    notBeforeMs: nowMs - DAY_MS,
    notAfterMs: nowMs + LEAF_DAYS * DAY_MS,
    extensions: [
      leafExtension(),
      keyUsageExtension(true, KEY_USAGE.digitalSignature),
      extension("2.5.29.37", false, sequence(...request.usage.map((use) => oid(USAGE_OIDS[use])))),
      subjectKeyExtension(key),
      extension("2.5.29.35", false, sequence(encodeDer(0x80, keyIdentifier(signingKey)))),
      ...alternativeNamesExtension(request),
    ],
  });
  return { certificatePem: encodeCertificatePem(der), privateKeyPem: encodeKeyPem(key) };
}

/** RFC 5280 §4.2.1.6: context tags 2, 6 and 7 of GeneralName. */
function alternativeNamesExtension(request: CertificateRequest): readonly Uint8Array[] {
  const names = [
    ...(request.dnsNames ?? []).map((name) => encodeDer(0x82, Buffer.from(name, "ascii"))),
    ...(request.uris ?? []).map((uri) => encodeDer(0x86, Buffer.from(uri, "ascii"))),
    ...(request.ipAddresses ?? []).map((address) => encodeDer(0x87, ipv4Bytes(address))),
  ];
  return names.length === 0 ? [] : [extension("2.5.29.17", false, sequence(...names))];
}

function ipv4Bytes(address: string): Uint8Array {
  if (!isIPv4(address)) throw new RangeError(`not an IPv4 address: ${address}`);
  return Uint8Array.from(address.split("."), Number);
}

function subjectKeyExtension(key: KeyObject): Uint8Array {
  return extension("2.5.29.14", false, octetString(keyIdentifier(key)));
}

function keyIdentifier(key: KeyObject): Uint8Array {
  const der = publicKeyOf(key).export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest().subarray(0, 20);
}

function generateKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
}

function encodeKeyPem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" });
}
