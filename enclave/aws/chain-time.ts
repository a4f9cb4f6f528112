// Whether the certificates of a TLS peer are valid at trusted time. OpenSSL has verified the chain,
// but by the system's clock, which nobody vouches for. This check comes on top and only refuses: it
// must never stand in for OpenSSL's.

import type { X509Certificate } from "node:crypto";
import { err, ok, type Result } from "../../shared/result.ts";

/** Far more than a path takes. Each is compared with each, while nothing else can run. */
const SHOWN_COUNT_MAX = 8;

/**
 * From the leaf over certificates that the peer has shown, each valid, to a valid anchor. What else
 * the peer shows (a cross-signed root of old, say) does not count. `nowMs` is trusted Unix time.
 */
export function verifyChainTime(
  leaf: X509Certificate,
  anchors: readonly X509Certificate[],
  nowMs: number,
): Result<null, "CHAIN_TIME"> {
  const shown = shownAfter(leaf);
  if (shown.length > SHOWN_COUNT_MAX || !isValidAt(leaf, nowMs)) return err("CHAIN_TIME");
  const issuers = [...anchors, ...shown].filter((issuer) => isValidAt(issuer, nowMs));
  // Grows while it is walked, by every issuer once: one may lead nowhere where another does not.
  const reached = [leaf];
  for (const subject of reached) {
    for (const issuer of issuers) {
      if (reached.includes(issuer) || !isIssuedBy(subject, issuer)) continue;
      if (anchors.includes(issuer)) return ok(null);
      reached.push(issuer);
    }
  }
  return err("CHAIN_TIME");
}

/** TLS hands them out linked in the order in which the peer sent them, whoever issued whom. */
function shownAfter(leaf: X509Certificate): readonly X509Certificate[] {
  const shown: X509Certificate[] = [];
  for (let next = leaf.issuerCertificate; next !== undefined; next = next.issuerCertificate) {
    shown.push(next);
  }
  return shown;
}

function isIssuedBy(subject: X509Certificate, issuer: X509Certificate): boolean {
  return subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}

function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  const { validFromDate, validToDate } = certificate;
  return validFromDate.getTime() <= nowMs && nowMs <= validToDate.getTime();
}
