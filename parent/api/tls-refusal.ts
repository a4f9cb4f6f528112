// Why a client of a TLS listener is not let in, as OpenSSL and Node tell it. It must never give a
// text of a certificate: labels of metrics are taken from it.

import type { TLSSocket } from "node:tls";

/** Reasons that may be a label of a metric; OpenSSL's own, and ours. */
const KNOWN_REASONS: ReadonlySet<string> = new Set([
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_REVOKED",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "CRL_HAS_EXPIRED",
  "CRL_NOT_YET_VALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "PATH_LENGTH_EXCEEDED",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_CRL",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "NO_CERTIFICATE",
  "SESSION_REUSED",
  "SOURCE_DENIED",
  "CLIENT_UNKNOWN",
  "CONNECTION_COUNT",
  "HANDSHAKE",
]);

/** As metrics count it. */
export function reasonLabel(reason: string): string {
  return KNOWN_REASONS.has(reason) ? reason : "OTHER";
}

/** Null when the chain verified in a full handshake. */
export function refusalReason(socket: TLSSocket): string | null {
  if (socket.isSessionReused()) return "SESSION_REUSED";
  if (socket.authorized) return null;
  if (socket.getPeerX509Certificate() === undefined) return "NO_CERTIFICATE";
  // Typed as an Error, and in truth OpenSSL's code as text.
  const error: unknown = socket.authorizationError;
  if (typeof error === "string") return error;
  return error instanceof Error && "code" in error ? String(error.code) : "OTHER";
}
