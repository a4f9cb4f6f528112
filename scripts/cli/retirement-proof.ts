// The file of proofs that keys were retired: attestation documents, and beside each what it states,
// for people. It must never be believed before the documents are verified.

import { z } from "zod";
import { parseDocument } from "../../shared/attestation/document.ts";
import { parseRetirement, type Retirement } from "../../shared/attestation/retirement.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { KEY_COUNT_MAX } from "../../shared/limits.ts";

const height = z.string().max(20).nullable();
const text = z.string().max(512);
const statedField = z.strictObject({
  key: text,
  network: text,
  seq: z.number(),
  head: text,
  blockSlot: height,
  source: height,
  target: height,
  bootId: text,
});
const proofField = statedField.extend({ document: z.base64().max(65_536) });
const fileField = z.array(proofField).min(1).max(KEY_COUNT_MAX);

export type StatedRetirement = z.infer<typeof statedField>;
export type RetirementProof = z.infer<typeof proofField>;

export function statedOf(retirement: Retirement): StatedRetirement {
  return {
    key: encodePrefixedHex(retirement.publicKey),
    network: encodePrefixedHex(retirement.scope),
    seq: retirement.seq,
    head: encodePrefixedHex(retirement.head),
    blockSlot: retirement.blockSlot?.toString() ?? null,
    source: retirement.source?.toString() ?? null,
    target: retirement.target?.toString() ?? null,
    bootId: encodePrefixedHex(retirement.bootId),
  };
}

export function isSameStatement(a: StatedRetirement, b: StatedRetirement): boolean {
  return (
    a.key === b.key &&
    a.network === b.network &&
    a.seq === b.seq &&
    a.head === b.head &&
    a.blockSlot === b.blockSlot &&
    a.source === b.source &&
    a.target === b.target &&
    a.bootId === b.bootId
  );
}

/** What an unverified document says of a key; null when it is none of a retirement. */
export function readRetirement(document: Uint8Array): Retirement | null {
  const parsed = parseDocument(document);
  if (!parsed.ok || parsed.value.userData === null) return null;
  const retirement = parseRetirement(parsed.value.userData);
  return retirement.ok ? retirement.value : null;
}

export function encodeProofs(proofs: readonly RetirementProof[]): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(proofs, null, 2)}\n`);
}

/** Null for anything else than a list of at least one proof. */
export function parseProofs(bytes: Uint8Array): readonly RetirementProof[] | null {
  try {
    const parsed = fileField.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
