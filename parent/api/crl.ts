// What must be known of CRLs and CAs before OpenSSL is given them: whose they are and how long they
// hold. An expired or missing CRL makes OpenSSL refuse every client of that CA, so it has to be
// found here, before the swap. It must never judge a certificate: OpenSSL checks the signatures.

import { type DerNode, parseDer, timeMsOf } from "../../shared/bytes/der.ts";

export type CrlValidity = {
  /** The issuer's name as DER. */
  readonly issuer: Uint8Array;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
};

const CRL_BOUNDS = { depthMax: 12, nodeCountMax: 2_000_000 };
const VERSION_TAG = 0xa0;
const INTEGER_TAG = 0x02;

/** RFC 5280 §5.1: nextUpdate is required there, and here. Null when it is not such a list. */
export function parseCrlValidity(der: Uint8Array): CrlValidity | null {
  const list = parseDer(der, CRL_BOUNDS);
  if (!list.ok) return null;
  const fields = list.value.children[0]?.children ?? [];
  const first = fields[0]?.tag === INTEGER_TAG ? 1 : 0;
  const issuer = fields[first + 1];
  const thisUpdateMs = timeMsOf(fields[first + 2]);
  const nextUpdateMs = timeMsOf(fields[first + 3]);
  if (issuer === undefined || thisUpdateMs === undefined || nextUpdateMs === undefined) return null;
  return { issuer: issuer.raw, thisUpdateMs, nextUpdateMs };
}

/** The subject's name of a certificate as DER; null when it can't be read strictly. */
export function parseSubject(der: Uint8Array): Uint8Array | null {
  const certificate = parseDer(der);
  if (!certificate.ok) return null;
  const fields: readonly DerNode[] = certificate.value.children[0]?.children ?? [];
  const first = fields[0]?.tag === VERSION_TAG ? 1 : 0;
  return fields[first + 4]?.raw ?? null;
}
