// The certificate authorities that AWS endpoints are certified by: Amazon Trust Services' five
// roots, taken by their SHA-256 from the certificates in the measured Node binary. It must never
// take one by its name, and never fewer than all: a missing one means another Node than ours.

import { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { InvariantError } from "../../shared/invariant.ts";

/** SHA-256 of the DER. Source: Amazon Trust Services' repository, and Mozilla's store in Node. */
const FINGERPRINTS: Readonly<Record<string, string>> = {
  "Amazon Root CA 1": "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
  "Amazon Root CA 2": "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
  "Amazon Root CA 3": "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
  "Amazon Root CA 4": "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
  "Starfield Services Root CA G2":
    "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
};

/** PEM, one for each fingerprint. */
export function amazonAnchors(): readonly string[] {
  const byFingerprint = new Map(rootCertificates.map((pem) => [fingerprintOf(pem), pem]));
  return Object.entries(FINGERPRINTS).map(([name, fingerprint]) => {
    const pem = byFingerprint.get(fingerprint);
    if (pem === undefined) throw new InvariantError(`${name} is part of this Node`);
    return pem;
  });
}

function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
}
