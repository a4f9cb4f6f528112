// From a pinned root to the key that signed a document (RFC 5280 §6, for paths of one shape: root
// first, leaf last, no revocation). Every rule is a function of its own, so that a report can tell
// which of them failed. It must never search for a path or trust a root that the document brings.

import { p384 } from "@noble/curves/nist.js";
import { isEqualBytes } from "../bytes/compare.ts";
import type { Refusal } from "../errors.ts";
import { ok, type Result } from "../result.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";

/** Root first, leaf last, at least these two. */
export type Path = readonly Certificate[];

/** audit A5: a document's certificates, parsed. The first is the one that must be the root. */
export function parsePath(
  cabundle: readonly Uint8Array[],
  leaf: Uint8Array,
): Result<Path, Refusal<"ATTEST_CERTIFICATE">> {
  const path: Certificate[] = [];
  for (const der of [...cabundle, leaf]) {
    const certificate = parseCertificate(der);
    if (!certificate.ok) return certificate;
    path.push(certificate.value);
  }
  return ok(path);
}

/** audit A6: the pinned root, byte for byte. Nothing else of a root is worth comparing. */
export function isPinnedRoot(path: Path, rootDer: Uint8Array): boolean {
  const root = path[0];
  return root !== undefined && path.length >= 2 && isEqualBytes(root.der, rootDer);
}

/**
 * audit A7: each certificate names the one before it as its issuer, and is signed by its key. The
 * root's own signature is not checked: it is trusted because its bytes are pinned, not because of
 * that. None stands there twice (RFC 5280 §6.1): a self-signed one would otherwise follow itself.
 */
export function isLinked(path: Path): boolean {
  return path.every((certificate, index) => {
    if (index === 0) return true;
    if (path.slice(0, index).some(({ der }) => isEqualBytes(der, certificate.der))) return false;
    const issuer = path[index - 1];
    if (issuer === undefined || !isEqualBytes(certificate.issuer, issuer.subject)) return false;
    return isSignedBy(certificate.signature, certificate.tbs, issuer.publicKey);
  });
}

/** The common validity of all certificates, both ends included (RFC 5280 §4.1.2.5). */
export function validityOf(path: Path): { notBeforeMs: number; notAfterMs: number } {
  return {
    notBeforeMs: Math.max(...path.map((certificate) => certificate.notBeforeMs)),
    notAfterMs: Math.min(...path.map((certificate) => certificate.notAfterMs)),
  };
}

/** audit A8 */
export function isValidAt(path: Path, atMs: number): boolean {
  const { notBeforeMs, notAfterMs } = validityOf(path);
  return path.length > 0 && notBeforeMs <= atMs && atMs <= notAfterMs;
}

/**
 * audit A9: authorities sign certificates and stay within their path lengths; the leaf is none and
 * signs documents. A certificate without a key usage may do neither: hardware always states it.
 */
export function isUsedAsAllowed(path: Path): boolean {
  const leafIndex = path.length - 1;
  return path.every((certificate, index) => {
    const usage = certificate.keyUsage;
    if (usage === null) return false;
    if (index === leafIndex) return !certificate.isAuthority && usage.digitalSignature;
    if (!certificate.isAuthority || !usage.keyCertSign) return false;
    // Self-issued certificates count too, which is stricter than §6.1.4(l); hardware has none.
    const authoritiesBelow = leafIndex - index - 1;
    return certificate.pathLengthMax === null || authoritiesBelow <= certificate.pathLengthMax;
  });
}

/**
 * ECDSA P-384 with SHA-384. High-S signatures are accepted: the hypervisor emits them half of the
 * time. So the bytes of a document or certificate identify nothing: a second form also verifies.
 */
export function isSignedBy(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  try {
    return p384.verify(signature, message, publicKey, { lowS: false });
  } catch {
    return false;
  }
}
