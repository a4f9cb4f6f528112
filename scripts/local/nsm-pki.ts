// A P-384 PKI of the shape of AWS's (nitro-kms.md §2), for the simulated NSM: root, regional,
// zonal, instance, leaf, with the same names, lifetimes and usages. Everything but the root is new
// at each boot. Its root is another than AWS's: no verifier takes its documents unless told that
// root.

import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  authorityExtension,
  encodeCertificatePem,
  issueCertificate,
  KEY_USAGE,
  keyUsageExtension,
  leafExtension,
  type Name,
} from "./certificate-issuer.ts";

export type PkiRoot = { readonly der: Uint8Array; readonly privateKey: KeyObject };

export type NsmIdentity = {
  /** `i-` and 17 hex digits. */
  readonly instanceId: string;
  readonly moduleId: string;
  readonly region: string;
};

export type NsmChain = {
  /** Root first, the leaf's issuer last. */
  readonly cabundle: readonly Uint8Array[];
  readonly certificate: Uint8Array;
  readonly leafKey: KeyObject;
  readonly notAfterMs: number;
};

export const ROOT_CERTIFICATE_FILE = "nsm-root.pem";
export const ROOT_KEY_FILE = "nsm-root.key";

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ROOT_NOT_BEFORE_MS = Date.parse("2019-10-28T13:28:05Z");
const ROOT_NOT_AFTER_MS = Date.parse("2049-10-28T14:28:05Z");

const ROOT_NAME: Name = [
  ["C", "US"],
  ["O", "Amazon"],
  ["OU", "AWS"],
  ["CN", "aws.nitro-enclaves"],
];
const CA_USAGE = keyUsageExtension(
  true,
  KEY_USAGE.digitalSignature,
  KEY_USAGE.keyCertSign,
  KEY_USAGE.crlSign,
);

export function generateP384Key(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey;
}

export function createRoot(): PkiRoot {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
  const der = issueCertificate({
    subject: ROOT_NAME,
    issuer: ROOT_NAME,
    publicKey,
    signingKey: privateKey,
    notBeforeMs: ROOT_NOT_BEFORE_MS,
    notAfterMs: ROOT_NOT_AFTER_MS,
    extensions: [authorityExtension(null), CA_USAGE],
  });
  return { der, privateKey };
}

/** The root kept in a folder, made on first use: stand-ins and verifiers pin its certificate. */
export function openRoot(folder: string): PkiRoot {
  const certificatePath = join(folder, ROOT_CERTIFICATE_FILE);
  const keyPath = join(folder, ROOT_KEY_FILE);
  if (existsSync(keyPath) && existsSync(certificatePath)) {
    const certificate = new X509Certificate(readFileSync(certificatePath));
    const privateKey = createPrivateKey(readFileSync(keyPath));
    if (!certificate.checkPrivateKey(privateKey)) {
      throw new Error(`${keyPath} is not the key of ${certificatePath}`);
    }
    return { der: new Uint8Array(certificate.raw), privateKey };
  }
  const root = createRoot();
  mkdirSync(folder, { recursive: true });
  const pem = root.privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(keyPath, pem, { mode: 0o600 });
  writeFileSync(certificatePath, encodeCertificatePem(root.der));
  return root;
}

/** A fresh identity; hardware puts the launch time into the module id. */
export function createIdentity(launchMs: number): NsmIdentity {
  const instanceId = `i-${randomBytes(9).toString("hex").slice(0, 17)}`;
  const launch = launchMs.toString(16).padStart(12, "0");
  const moduleId = `${instanceId}-enc${launch}${randomBytes(2).toString("hex")}`;
  return { instanceId, moduleId, region: "us-east-1" };
}

type Authority = { readonly name: Name; readonly privateKey: KeyObject };

/** The certificates below a root, as they would be at `nowMs`. */
export function issueChain(root: PkiRoot, identity: NsmIdentity, nowMs: number): NsmChain {
  const { region, instanceId, moduleId } = identity;
  const top = { name: ROOT_NAME, privateKey: root.privateKey };
  const regional = issueAuthority(top, {
    name: [...ROOT_NAME.slice(0, 3), ["CN", `${randomHex()}.${region}.aws.nitro-enclaves`]],
    notBeforeMs: nowMs - 3 * DAY_MS,
    notAfterMs: nowMs + 17 * DAY_MS,
    extensions: [authorityExtension(2), CA_USAGE],
  });
  const zonal = issueAuthority(regional, {
    name: zonalName(`${randomHex()}.zonal.${region}.aws.nitro-enclaves`),
    notBeforeMs: nowMs - DAY_MS,
    notAfterMs: nowMs + 5 * DAY_MS,
    extensions: [authorityExtension(1), CA_USAGE],
  });
  const instance = issueAuthority(zonal, {
    name: instanceName(`${instanceId}.${region}.aws.nitro-enclaves`),
    notBeforeMs: nowMs - HOUR_MS,
    notAfterMs: nowMs + 23 * HOUR_MS,
    extensions: [authorityExtension(0), keyUsageExtension(true, KEY_USAGE.keyCertSign)],
  });
  const notAfterMs = nowMs + 3 * HOUR_MS;
  const leaf = issueAuthority(instance, {
    name: instanceName(`${moduleId}.${region}.aws`),
    notBeforeMs: nowMs - 3 * SECOND_MS,
    notAfterMs,
    extensions: [
      leafExtension(),
      keyUsageExtension(false, KEY_USAGE.digitalSignature, KEY_USAGE.nonRepudiation),
    ],
  });
  return {
    cabundle: [root.der, regional.der, zonal.der, instance.der],
    certificate: leaf.der,
    leafKey: leaf.privateKey,
    notAfterMs,
  };
}

function issueAuthority(
  issuer: Authority,
  spec: {
    readonly name: Name;
    readonly notBeforeMs: number;
    readonly notAfterMs: number;
    readonly extensions: readonly Uint8Array[];
  },
): Authority & { readonly der: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
  const der = issueCertificate({
    subject: spec.name,
    issuer: issuer.name,
    publicKey,
    signingKey: issuer.privateKey,
    notBeforeMs: spec.notBeforeMs,
    notAfterMs: spec.notAfterMs,
    extensions: spec.extensions,
  });
  return { name: spec.name, privateKey, der };
}

function zonalName(commonName: string): Name {
  return [
    ["CN", commonName],
    ["OU", "AWS"],
    ["O", "Amazon"],
    ["C", "US"],
    ["ST", "WA"],
    ["L", "Seattle"],
  ];
}

function instanceName(commonName: string): Name {
  return [
    ["C", "US"],
    ["ST", "Washington"],
    ["L", "Seattle"],
    ["O", "Amazon"],
    ["OU", "AWS"],
    ["CN", commonName],
  ];
}

function randomHex(): string {
  return randomBytes(8).toString("hex");
}
