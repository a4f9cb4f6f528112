// The enclave's keys and their records, page by page. Unknown keys are found here, on the list of
// keys, so that one misspelt key of an operator never makes a page fail half way.

import { encodeHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { COMMIT_COUNT_MAX, PAGE_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { EthereumState } from "../../shared/wire/methods.ts";
import type { Admin } from "./admin.ts";

/** Everything is shown before it is changed, so one page serves both. */
const PAGE = Math.min(COMMIT_COUNT_MAX, PAGE_COUNT_MAX);

export function pagesOf<T>(items: readonly T[], size = PAGE): readonly (readonly T[])[] {
  const pages: (readonly T[])[] = [];
  for (let at = 0; at < items.length; at += size) pages.push(items.slice(at, at + size));
  return pages;
}

/** All keys, in the enclave's order. */
export async function listKeys(admin: Admin): Promise<Result<readonly Uint8Array[], Refusal>> {
  // Before that the list may be empty or partial: an export of it would look like a whole one.
  const status = await admin.call("status", {});
  if (!status.ok) return status;
  if (status.value.phase !== "Ready") return err(refusal("PHASE_REFUSED", status.value.phase));
  const keys: Uint8Array[] = [];
  let offset = 0;
  for (;;) {
    const page = await admin.call("keys.list", { offset });
    if (!page.ok) return page;
    for (const { publicKey } of page.value.keys) keys.push(publicKey);
    offset += page.value.keys.length;
    // An empty page ends the list whatever the total says: never ask for the same page for ever.
    if (page.value.keys.length === 0 || offset >= page.value.totalCount) return ok(keys);
  }
}

export type KeySelection = {
  readonly known: readonly Uint8Array[];
  readonly unknown: readonly Uint8Array[];
};

/** Which of `wanted` the enclave holds. */
export async function selectKeys(
  admin: Admin,
  wanted: readonly Uint8Array[],
): Promise<Result<KeySelection, Refusal>> {
  const held = await listKeys(admin);
  if (!held.ok) return held;
  const names = new Set(held.value.map((key) => encodeHex(key)));
  return ok({
    known: wanted.filter((key) => names.has(encodeHex(key))),
    unknown: wanted.filter((key) => !names.has(encodeHex(key))),
  });
}

/** The states of known keys, in their order. */
export async function showStates(
  admin: Admin,
  keys: readonly Uint8Array[],
): Promise<Result<readonly EthereumState[], Refusal>> {
  const states: EthereumState[] = [];
  for (const page of pagesOf(keys)) {
    const shown = await admin.call("state.show", { keys: page });
    if (!shown.ok) return shown;
    states.push(...shown.value);
  }
  return states.length === keys.length ? ok(states) : err(refusal("KEY_UNKNOWN"));
}
