// Small enclave image files for tests: signed ones too, with a certificate made for the occasion.

import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { type EifSource, encodeEif } from "../../scripts/image/eif.ts";
import { encodeChecksumInto } from "../../scripts/image/eif-header.ts";
import type { EifMetadata } from "../../scripts/image/eif-metadata.ts";
import { encodePcrInfo } from "../../scripts/image/eif-signature.ts";
import { measureEif } from "../../scripts/image/measurement.ts";
import {
  encodeCertificatePem,
  issueCertificate,
  leafExtension,
  type Name,
  publicKeyOf,
} from "../../scripts/local/certificate-issuer.ts";
import { type CborValue, encodeCbor } from "../../shared/bytes/cbor.ts";

const DAY_MS = 86_400_000;

export const METADATA: EifMetadata = {
  imageName: "redoubt",
  imageVersion: "1.2.3",
  buildTime: "1970-01-01T00:00:00Z",
  buildTool: "redoubt",
  buildToolVersion: "0.1.0",
  operatingSystem: "Linux",
  kernelVersion: "6.12.0",
  dockerInfo: null,
  customMetadata: { commit: "0123" },
};

export const SOURCE: EifSource = {
  arch: "x86_64",
  kernel: Uint8Array.from({ length: 61 }, (_, index) => index),
  cmdline: "console=ttyS0 panic=30",
  ramdisks: [new Uint8Array(33).fill(0xa1), new Uint8Array(17).fill(0xb2)],
  metadata: METADATA,
};

export type Curve = "P-256" | "P-384" | "P-521";

const COSE: Readonly<Record<Curve, { readonly algorithm: number; readonly hash: string }>> = {
  "P-256": { algorithm: -7, hash: "sha256" },
  "P-384": { algorithm: -35, hash: "sha384" },
  "P-521": { algorithm: -36, hash: "sha512" },
};

export type ImageSigner = {
  readonly curve: Curve;
  readonly privateKey: KeyObject;
  readonly certificateDer: Uint8Array;
  readonly certificatePem: string;
};

export function makeImageSigner(curve: Curve, commonName = "image signer"): ImageSigner {
  const name: Name = [
    ["C", "CH"],
    ["O", "Example"],
    ["CN", commonName],
  ];
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: curve });
  const now = Date.now();
  const certificateDer = issueCertificate({
    subject: name,
    issuer: name,
    publicKey: publicKeyOf(privateKey),
    signingKey: privateKey,
    notBeforeMs: now - DAY_MS,
    notAfterMs: now + DAY_MS,
    extensions: [leafExtension()],
  });
  return {
    curve,
    privateKey,
    certificateDer,
    certificatePem: encodeCertificatePem(certificateDer),
  };
}

/** What a signature section is made of. Tests change one part. */
export type SignatureParts = {
  readonly pem: string;
  readonly protectedHeader: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
};

export function signatureParts(source: EifSource, signer: ImageSigner): SignatureParts {
  const { algorithm, hash } = COSE[signer.curve];
  const protectedHeader = encodeCbor(new Map<CborValue, CborValue>([[1, algorithm]]));
  const payload = encodePcrInfo(measureEif(source).pcr0);
  const toBeSigned = encodeCbor(["Signature1", protectedHeader, new Uint8Array(0), payload]);
  const how = { key: signer.privateKey, dsaEncoding: "ieee-p1363" } as const;
  const signature = new Uint8Array(sign(hash, toBeSigned, how));
  return { pem: signer.certificatePem, protectedHeader, payload, signature };
}

export function encodeCose(parts: SignatureParts): Uint8Array {
  return encodeCbor([parts.protectedHeader, new Map(), parts.payload, parts.signature]);
}

export function encodeSignatureSection(parts: SignatureParts): Uint8Array {
  return encodeSection([...new TextEncoder().encode(parts.pem)], [...encodeCose(parts)]);
}

export function encodeSection(certificate: CborValue, signature: CborValue): Uint8Array {
  return encodeCbor([
    new Map([
      ["signing_certificate", certificate],
      ["signature", signature],
    ]),
  ]);
}

export function signedEif(source: EifSource, signer: ImageSigner): Uint8Array {
  const signatureSection = encodeSignatureSection(signatureParts(source, signer));
  return encodeEif({ ...source, signatureSection });
}

/** A copy with one change, and a checksum that fits it: only the change is wrong. */
export function changed(file: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const copy = new Uint8Array(file);
  change(new DataView(copy.buffer));
  encodeChecksumInto(copy);
  return copy;
}
