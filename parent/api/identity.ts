// Who a client certificate says it is. It must never read a name out of ambiguous text: a SAN that
// Node had to quote may hold a second name inside the first, and is no name at all then
// (pkcs11-hsm.md §7).

import type { X509Certificate } from "node:crypto";
import { SPIFFE_PATTERN } from "../ops/api-config.ts";

export type Identity = {
  /** SHA-256 of the certificate, lower-case digits. */
  readonly fingerprint: string;
  /** The SPIFFE ID, when the certificate holds exactly one URI and that is one. */
  readonly spiffe: string | null;
};

const SAN_LENGTH_MAX = 8192;
const URI_PREFIX = "URI:";

export function identityOf(
  certificate: Pick<X509Certificate, "fingerprint256" | "subjectAltName">,
): Identity {
  return {
    fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    spiffe: spiffeOf(certificate.subjectAltName),
  };
}

/** X.509-SVID §2: one URI SAN, no more. The common name means nothing. */
export function spiffeOf(subjectAltName: string | undefined): string | null {
  if (subjectAltName === undefined || subjectAltName.length > SAN_LENGTH_MAX) return null;
  if (subjectAltName.includes('"')) return null;
  const uris = subjectAltName.split(", ").filter((name) => name.startsWith(URI_PREFIX));
  const uri = uris[0]?.slice(URI_PREFIX.length);
  if (uri === undefined || uris.length !== 1) return null;
  return SPIFFE_PATTERN.test(uri) ? uri : null;
}
