// Attestation documents of a PKI of our own at a fixed time, whole or broken in one way, and the
// policy under which a whole one verifies. Made anew in each run: signatures differ, meaning
// doesn't.

import type { KeyObject } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  authorityExtension,
  issueCertificate,
  KEY_USAGE,
  keyUsageExtension,
  leafExtension,
  type Name,
  publicKeyOf,
} from "../../scripts/local/certificate-issuer.ts";
import {
  type DocumentFields,
  type DocumentLayout,
  encodePayload,
  signDocument,
} from "../../scripts/local/nsm-document.ts";
import {
  createIdentity,
  createRoot,
  generateP384Key,
  issueChain,
  type PkiRoot,
} from "../../scripts/local/nsm-pki.ts";
import { sampleMeasurements } from "../../scripts/local/nsm-simulator.ts";
import type { AttestationPolicy } from "../../shared/attestation/verify.ts";
import { PCR_BYTES } from "../../shared/limits.ts";
import { SHARED_VECTORS } from "./shared-vectors.ts";

/** 2026-01-03T20:41:07.402Z. */
export const NOW_MS = 1_767_472_867_402;
export const DAY_MS = 86_400_000;
export const ROOT: PkiRoot = createRoot();
export const NONCE = new Uint8Array(32).fill(7);

const IDENTITY = createIdentity(NOW_MS);
const CHAIN = issueChain(ROOT, IDENTITY, NOW_MS);

export const FIELDS: DocumentFields = {
  moduleId: IDENTITY.moduleId,
  digest: "SHA384",
  timestampMs: NOW_MS,
  pcrs: pcrsOf(sampleMeasurements("test")),
  certificate: CHAIN.certificate,
  cabundle: CHAIN.cabundle,
  publicKey: null,
  userData: null,
  nonce: NONCE,
};

export const LEAF_KEY: KeyObject = CHAIN.leafKey;

/** Zeros up to PCR15, as hardware has them, but for those given. */
export function pcrsOf(given: ReadonlyMap<number, Uint8Array>): ReadonlyMap<number, Uint8Array> {
  const pcrs = new Map<number, Uint8Array>();
  for (let index = 0; index < 16; index++) pcrs.set(index, new Uint8Array(PCR_BYTES));
  for (const [index, value] of given) pcrs.set(index, value);
  return pcrs;
}

export const POLICY: AttestationPolicy = {
  rootDer: ROOT.der,
  atMs: NOW_MS,
  pcrs: "any",
  nonce: NONCE,
  allowDebug: false,
  ageMsMax: 60_000,
  futureSkewMsMax: 1000,
};

export function documentOf(
  changes: Partial<DocumentFields> = {},
  layout: DocumentLayout = "indefinite",
): Uint8Array<ArrayBuffer> {
  return signDocument(encodePayload({ ...FIELDS, ...changes }, layout), LEAF_KEY);
}

export const TEST_NAMES: Readonly<Record<"root" | "middle" | "leaf", Name>> = {
  root: [["CN", "root"]],
  middle: [["CN", "middle"]],
  leaf: [["CN", "leaf"]],
};

export type LinkChanges = {
  readonly subject?: Name;
  readonly issuer?: Name;
  readonly publicKey?: KeyObject;
  readonly signingKey?: KeyObject;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly extensions?: readonly Uint8Array[];
};

export type ShortChain = {
  readonly rootDer: Uint8Array;
  readonly cabundle: readonly Uint8Array[];
  readonly certificate: Uint8Array;
  readonly leafKey: KeyObject;
};

const KEYS = { root: generateP384Key(), middle: generateP384Key(), leaf: generateP384Key() };
export const CA_USAGE = keyUsageExtension(true, KEY_USAGE.keyCertSign);
export const LEAF_USAGE = keyUsageExtension(false, KEY_USAGE.digitalSignature);

/** Root, one authority, leaf; each may be changed in its own way. */
export function shortChain(
  changes: {
    readonly root?: LinkChanges;
    readonly middle?: LinkChanges;
    readonly leaf?: LinkChanges;
  } = {},
): ShortChain {
  const times = { notBeforeMs: NOW_MS - DAY_MS, notAfterMs: NOW_MS + DAY_MS };
  const rootDer = issueCertificate({
    ...times,
    subject: TEST_NAMES.root,
    issuer: TEST_NAMES.root,
    publicKey: publicKeyOf(KEYS.root),
    signingKey: KEYS.root,
    extensions: [authorityExtension(null), CA_USAGE],
    ...changes.root,
  });
  const middle = issueCertificate({
    ...times,
    subject: TEST_NAMES.middle,
    issuer: TEST_NAMES.root,
    publicKey: publicKeyOf(KEYS.middle),
    signingKey: KEYS.root,
    extensions: [authorityExtension(0), CA_USAGE],
    ...changes.middle,
  });
  const certificate = issueCertificate({
    ...times,
    subject: TEST_NAMES.leaf,
    issuer: TEST_NAMES.middle,
    publicKey: publicKeyOf(KEYS.leaf),
    signingKey: KEYS.middle,
    extensions: [leafExtension(), LEAF_USAGE],
    ...changes.leaf,
  });
  return { rootDer, cabundle: [rootDer, middle], certificate, leafKey: KEYS.leaf };
}

/** Root and leaf only. */
export function directChain(): ShortChain {
  const chain = shortChain({ leaf: { issuer: TEST_NAMES.root, signingKey: KEYS.root } });
  return { ...chain, cabundle: chain.cabundle.slice(0, 1) };
}

/** A document of the short chain, under its own root. */
export function shortDocument(
  chain: ShortChain,
  changes: Partial<DocumentFields> = {},
): Uint8Array<ArrayBuffer> {
  const { cabundle, certificate, leafKey } = chain;
  return signDocument(encodePayload({ ...FIELDS, cabundle, certificate, ...changes }), leafKey);
}

export type VectorFile = { readonly name: string; readonly bytes: Uint8Array };

/** The real documents, if the folder of vectors is there. */
export function readAttestationVectors(): readonly VectorFile[] {
  const folder = join(SHARED_VECTORS, "attestation-documents");
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(".bin"));
    return names.map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }));
  } catch {
    return [];
  }
}
