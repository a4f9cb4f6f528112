// Attestation documents as today's hypervisor lays them out (nitro-kms.md §2): untagged COSE_Sign1,
// payload in a map of indefinite length, the timestamp in 8 bytes, optional fields as null. Signed
// with a leaf key of our own PKI. It must never be reachable from the enclave's entry point.

import { type KeyObject, sign } from "node:crypto";
import {
  type AttestationDocument,
  encodeSignatureInput,
  PROTECTED_HEADER,
} from "../../shared/attestation/document.ts";
import { type CborValue, encodeCbor } from "../../shared/bytes/cbor.ts";
import { concatBytes } from "../../shared/bytes/compare.ts";

export type DocumentFields = Omit<AttestationDocument, "payload" | "signature">;
/** `definite`: as hardware did until 2024. */
export type DocumentLayout = "indefinite" | "definite";

export function signDocument(payload: Uint8Array, leafKey: KeyObject): Uint8Array<ArrayBuffer> {
  const input = encodeSignatureInput(payload);
  const signature = sign("sha384", input, { key: leafKey, dsaEncoding: "ieee-p1363" });
  return encodeCbor([PROTECTED_HEADER, new Map(), payload, new Uint8Array(signature)]);
}

export function encodePayload(
  fields: DocumentFields,
  layout: DocumentLayout = "indefinite",
): Uint8Array<ArrayBuffer> {
  const entries: readonly (readonly [string, Uint8Array])[] = [
    ["module_id", encodeCbor(fields.moduleId)],
    ["digest", encodeCbor(fields.digest)],
    ["timestamp", encodeWide(fields.timestampMs)],
    ["pcrs", encodeCbor(new Map<CborValue, CborValue>(fields.pcrs))],
    ["certificate", encodeCbor(fields.certificate)],
    ["cabundle", encodeCbor(fields.cabundle)],
    ["public_key", encodeCbor(fields.publicKey)],
    ["user_data", encodeCbor(fields.userData)],
    ["nonce", encodeCbor(fields.nonce)],
  ];
  return encodeRawMap(entries, layout);
}

/** A map from entries that are encoded already; keys may repeat, for the tests of parsers. */
export function encodeRawMap(
  entries: readonly (readonly [string, Uint8Array])[],
  layout: DocumentLayout,
): Uint8Array<ArrayBuffer> {
  const head = Uint8Array.of(layout === "indefinite" ? 0xbf : 0xa0 + entries.length);
  const tail = layout === "indefinite" ? Uint8Array.of(0xff) : new Uint8Array(0);
  const parts = entries.flatMap(([key, value]) => [encodeCbor(key), value]);
  return concatBytes(head, ...parts, tail);
}

/** An unsigned integer always in 8 bytes. */
export function encodeWide(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(9);
  bytes[0] = 0x1b;
  new DataView(bytes.buffer).setBigUint64(1, BigInt(value));
  return bytes;
}
