// The credentials of the state store, out of the `redoubt/store` bundles that are open. It must
// never hand them to anyone but the store's client, and never keep those of a dropped bundle.

import { encodeHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { BUNDLE_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { StoreCredentials } from "../core/ports.ts";

type Opened = { readonly id: Uint8Array; readonly credentials: StoreCredentials };

export class StoreCredentialRing {
  readonly #opened = new Map<string, Opened>();

  add(id: Uint8Array, credentials: StoreCredentials): Result<null, Refusal<"BUNDLE_LIMIT">> {
    if (this.#opened.size >= BUNDLE_COUNT_MAX) return err(refusal("BUNDLE_LIMIT"));
    this.#opened.set(encodeHex(id), { id, credentials });
    return ok(null);
  }

  has(id: Uint8Array): boolean {
    return this.#opened.has(encodeHex(id));
  }

  bundleIds(): readonly Uint8Array[] {
    return [...this.#opened.values()].map(({ id }) => id);
  }

  retain(bundleIds: readonly Uint8Array[]): void {
    const retained = new Set(bundleIds.map(encodeHex));
    for (const id of this.#opened.keys()) if (!retained.has(id)) this.#opened.delete(id);
  }

  /** Those of the bundle that was opened last: a new pair takes the place of the old one. */
  current(): Result<StoreCredentials, Refusal<"STORE_CREDENTIALS">> {
    const newest = [...this.#opened.values()].at(-1);
    return newest === undefined ? err(refusal("STORE_CREDENTIALS")) : ok(newest.credentials);
  }
}
