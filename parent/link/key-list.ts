// The public keys that the enclave holds, page by page, as the API lists them.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { KEY_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { EnclaveLink } from "./enclave-link.ts";

const PAGE_DEADLINE_MS = 5000;

/** As `Signer.keys` has them. A list that changes while it is read is NOT_READY: read it again. */
export async function listKeys(link: EnclaveLink): Promise<Result<readonly string[], Refusal>> {
  const keys: string[] = [];
  let totalCount: number | null = null;
  while (totalCount === null || keys.length < totalCount) {
    const page = await link.call("keys.list", { offset: keys.length }, PAGE_DEADLINE_MS);
    if (!page.ok) return page;
    totalCount ??= page.value.totalCount;
    if (page.value.totalCount !== totalCount) return err(refusal("NOT_READY"));
    if (page.value.keys.length === 0 && keys.length < totalCount) return err(refusal("NOT_READY"));
    for (const { publicKey } of page.value.keys) keys.push(encodePrefixedHex(publicKey));
    if (keys.length > KEY_COUNT_MAX) return err(refusal("NOT_READY"));
  }
  return ok(keys.sort());
}
