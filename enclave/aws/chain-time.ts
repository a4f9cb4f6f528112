// Whether the certificates of a TLS peer are valid at trusted time. OpenSSL has verified the chain,
// but by the system's clock, which nobody vouches for. This check comes on top and only refuses: it
// must never stand in for OpenSSL's.

import type { X509Certificate } from "node:crypto";
import { err, ok, type Result } from "../../shared/result.ts";

/**
 * From the leaf over certificates that the peer has shown, each valid, to a valid anchor. What else
 * the peer shows (a cross-signed root of old, say) does not count. `nowMs` is trusted Unix time.
 */
export function verifyChainTime(
  leaf: X509Certificate,
  anchors: readonly X509Certificate[],
  nowMs: number,
): Result<null, "CHAIN_TIME"> {
  const valid = [...anchors, ...shownAfter(leaf)].filter((shown) => isValidAt(shown, nowMs));
  const passed = new Set<X509Certificate>();
  let current: X509Certificate | undefined = isValidAt(leaf, nowMs) ? leaf : undefined;
  while (current !== undefined) {
    passed.add(current);
    // The anchors come first, so that the path is as short as it can be.
    const subject: X509Certificate = current;
    const issuer = valid.find((other) => !passed.has(other) && isIssuedBy(subject, other));
    if (issuer !== undefined && anchors.includes(issuer)) return ok(null);
    current = issuer;
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
