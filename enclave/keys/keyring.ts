// The keys that are loaded now, over all opened bundles. Bundles come and go whole: a bundle that
// shares a key with another is refused, so that dropping one never takes a key of the other away.
// It must never sign or decide; it finds the key that does.
// Invariants: `#byKey` holds exactly the keys of `#bundles`; `#sorted` is null or all of them.

import { keySetDigest } from "../../shared/attestation/statement.ts";
import { compareKeys } from "../../shared/bundle/keys.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { BUNDLE_COUNT_MAX, KEY_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { OpenedBundle } from "./bundle.ts";
import { keyNameOf } from "./key-name.ts";
import type { SigningKey } from "./signing-key.ts";

export class Keyring {
  readonly #keyCountMax: number;
  readonly #bundles = new Map<string, OpenedBundle>();
  readonly #byKey = new Map<string, SigningKey>();
  #sorted: readonly SigningKey[] | null = null;
  #digest: Uint8Array | null = null;

  constructor(keyCountMax: number = KEY_COUNT_MAX) {
    this.#keyCountMax = keyCountMax;
  }

  get keyCount(): number {
    return this.#byKey.size;
  }

  /**
   * Takes all keys of a bundle, or none: then the bundle is wiped. A bundle that is loaded already
   * is a duplicate of itself: ask `hasBundle` before KMS is asked.
   */
  add(bundle: OpenedBundle): Result<null, Refusal<"KEY_DUPLICATE" | "BUNDLE_LIMIT">> {
    const reason = this.#refusalOf(bundle);
    if (reason !== null) {
      bundle.material.wipe();
      return err(refusal(reason));
    }
    this.#bundles.set(encodeHex(bundle.id), bundle);
    for (const key of bundle.keys) this.#byKey.set(keyNameOf(key.publicKey), key);
    this.#forget();
    return ok(null);
  }

  #refusalOf(bundle: OpenedBundle): "KEY_DUPLICATE" | "BUNDLE_LIMIT" | null {
    if (this.hasBundle(bundle.id)) return "KEY_DUPLICATE";
    if (this.#bundles.size >= BUNDLE_COUNT_MAX) return "BUNDLE_LIMIT";
    if (this.#byKey.size + bundle.keys.length > this.#keyCountMax) return "BUNDLE_LIMIT";
    const seen = new Set<string>();
    for (const { publicKey } of bundle.keys) {
      const name = keyNameOf(publicKey);
      if (this.#byKey.has(name) || seen.has(name)) return "KEY_DUPLICATE";
      seen.add(name);
    }
    return null;
  }

  /**
   * Drops every bundle that is not listed, and wipes its secrets. What is being signed with one of
   * its keys right now still ends: such a key authenticates its record, and a `RootKey` signs,
   * until the last request lets go of it, and the collector frees it; a `MessageKey` signs nothing
   * any more. Answers how many keys went.
   */
  retain(bundleIds: readonly Uint8Array[]): number {
    const retained = new Set(bundleIds.map(encodeHex));
    let droppedKeyCount = 0;
    for (const [id, bundle] of this.#bundles) {
      if (retained.has(id)) continue;
      this.#bundles.delete(id);
      for (const { publicKey } of bundle.keys) this.#byKey.delete(keyNameOf(publicKey));
      bundle.material.secrets.wipe();
      droppedKeyCount += bundle.keys.length;
    }
    if (droppedKeyCount > 0) this.#forget();
    return droppedKeyCount;
  }

  /** The end: nothing is in flight any more, and no key is used afterwards. */
  wipe(): void {
    for (const bundle of this.#bundles.values()) bundle.material.wipe();
    this.#bundles.clear();
    this.#byKey.clear();
    this.#forget();
  }

  /** The hot path: one look-up. */
  find(publicKey: Uint8Array): SigningKey | undefined {
    return this.#byKey.get(keyNameOf(publicKey));
  }

  hasBundle(bundleId: Uint8Array): boolean {
    return this.#bundles.has(encodeHex(bundleId));
  }

  /** In the order in which the bundles were added. */
  bundleIds(): readonly Uint8Array[] {
    return [...this.#bundles.values()].map((bundle) => bundle.id);
  }

  /** All keys, by scheme number and public key. The same array until the keys change. */
  list(): readonly SigningKey[] {
    this.#sorted ??= [...this.#byKey.values()].sort(compareKeys);
    return this.#sorted;
  }

  /** What an attested statement says of the keys; computed once (0.3 s for 100,000 keys). */
  keySetDigest(): Uint8Array {
    this.#digest ??= keySetDigest(this.list());
    return this.#digest;
  }

  #forget(): void {
    this.#sorted = null;
    this.#digest = null;
  }
}
