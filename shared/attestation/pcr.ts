// Platform configuration registers: how one grows, and which one holds our manifest.

import { sha384 } from "@noble/hashes/sha2.js";
import { concatBytes } from "../bytes/compare.ts";
import { PCR_BYTES } from "../limits.ts";

/** The first register that is free for applications (nitro-kms.md §1): it holds the manifest. */
export const MANIFEST_PCR_INDEX = 16;

/** What the NSM makes of ExtendPCR: SHA384(old || data). The data is not hashed before. */
export function extendedPcr(old: Uint8Array, data: Uint8Array): Uint8Array {
  return sha384(concatBytes(old, data));
}

/** audit A17: PCR16 of an enclave that measured a manifest of this SHA-384, once, and no more. */
export function manifestPcr(manifestDigest: Uint8Array): Uint8Array {
  return extendedPcr(new Uint8Array(PCR_BYTES), manifestDigest);
}
