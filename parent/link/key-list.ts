// The public keys that the enclave holds, page by page, as the API lists them.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { KEY_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { SignerKey } from "../ports.ts";
import type { EnclaveLink } from "./enclave-link.ts";

const PAGE_DEADLINE_MS = 5000;

/** Sorted by text. A list that changes while it is read is NOT_READY: read it again. */
export async function listKeys(link: EnclaveLink): Promise<Result<readonly SignerKey[], Refusal>> {
  const keys: SignerKey[] = [];
  let totalCount: number | null = null;
  while (totalCount === null || keys.length < totalCount) {
    const page = await link.call("keys.list", { offset: keys.length }, PAGE_DEADLINE_MS);
    if (!page.ok) return page;
    totalCount ??= page.value.totalCount;
    if (page.value.totalCount !== totalCount) return err(refusal("NOT_READY"));
    if (page.value.keys.length === 0 && keys.length < totalCount) return err(refusal("NOT_READY"));
    for (const { publicKey } of page.value.keys) {
      // A copy: the parsed value is a view that would keep the whole page.
      keys.push({ bytes: publicKey.slice(), text: encodePrefixedHex(publicKey) });
    }
    if (keys.length > KEY_COUNT_MAX) return err(refusal("NOT_READY"));
  }
  keys.sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
  return ok(keys);
}
