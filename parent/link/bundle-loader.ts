// Hands sealed bundles to the enclave and has them opened. It must never let one bad bundle take
// working keys down: what fails is reported, what is open stays open.

import { parseBundle } from "../../shared/bundle/format.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { type ErrorCode, type Refusal, refusal } from "../../shared/errors.ts";
import { CHUNK_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { EnclaveStatus, Log } from "../ports.ts";
import type { EnclaveLink } from "./enclave-link.ts";

/** A bundle as a source of the configuration gives it. */
export type SealedBundle = { readonly name: string; readonly bytes: Uint8Array };
export type BundleFailure = { readonly name: string; readonly code: ErrorCode };

export type BundleRead = {
  readonly bundles: readonly SealedBundle[];
  /** Sources or files that could not be read now. */
  readonly failures: readonly BundleFailure[];
};

/** What is open after a load, and what could not be opened. */
export type BundleLoad = {
  readonly openIds: ReadonlySet<string>;
  /** Whether exactly the bundles that were read are open. */
  readonly isExact: boolean;
  readonly failures: readonly BundleFailure[];
};

type Identified = SealedBundle & { readonly id: string };

function idOf(bundle: Identified): string {
  return bundle.id;
}

const PUT_DEADLINE_MS = 10_000;
/** A call to KMS, and deriving every public key of a large bundle. */
const OPEN_DEADLINE_MS = 120_000;

export class BundleLoader {
  readonly #link: EnclaveLink;
  readonly #log: Log;
  readonly #read: () => Promise<BundleRead>;
  /** The last failure of each name that was logged. */
  #logged: ReadonlyMap<string, ErrorCode> = new Map();

  constructor(link: EnclaveLink, read: () => Promise<BundleRead>, log: Log) {
    this.#link = link;
    this.#read = read;
    this.#log = log;
  }

  /** An error only when the enclave can't be asked; a bundle's own failure is in the load. */
  async load(status: EnclaveStatus): Promise<Result<BundleLoad, Refusal>> {
    const { bundles, failures: unread } = await this.#read();
    const failures = [...unread];
    const wanted: Identified[] = [];
    for (const bundle of bundles) {
      const parsed = parseBundle(bundle.bytes);
      if (parsed.ok) wanted.push({ ...bundle, id: encodeHex(parsed.value.header.id) });
      else failures.push({ name: bundle.name, code: parsed.error.code });
    }
    const openIds = new Set(status.bundleIds.map(encodeHex));
    const duplicates: Identified[] = [];
    for (const bundle of wanted) {
      if (openIds.has(bundle.id)) continue;
      const code = await this.#open(bundle);
      if (code === "LINK_DOWN") return err(refusal(code));
      if (code === null) openIds.add(bundle.id);
      else if (code === "KEY_DUPLICATE") duplicates.push(bundle);
      else failures.push({ name: bundle.name, code });
    }
    const ended = await this.#retain(status, wanted, duplicates, openIds, failures);
    if (!ended.ok) return ended;
    this.#report(failures);
    const isExact = failures.length === 0 && openIds.size === new Set(wanted.map(idOf)).size;
    return ok({ openIds, isExact, failures });
  }

  /**
   * Drops bundles that are no longer there, unless something could not be read or opened: then it
   * may be what is missing. A bundle that replaces another one with the same keys opens after it.
   */
  async #retain(
    status: EnclaveStatus,
    wanted: readonly Identified[],
    duplicates: readonly Identified[],
    openIds: Set<string>,
    failures: BundleFailure[],
  ): Promise<Result<null, Refusal>> {
    const wantedIds = new Set(wanted.map(idOf));
    const kept = status.bundleIds.filter((id) => wantedIds.has(encodeHex(id)));
    const isDropping = kept.length < status.bundleIds.length;
    const isAllowed = status.phase === "Ready" && failures.length === 0 && wanted.length > 0;
    if (!isDropping || !isAllowed) {
      for (const { name } of duplicates) failures.push({ name, code: "KEY_DUPLICATE" });
      return ok(null);
    }
    const bundleIds = await this.#idsToRetain(wantedIds);
    if (!bundleIds.ok) return bundleIds;
    const retained = await this.#link.call(
      "bundle.retain",
      { bundleIds: bundleIds.value },
      PUT_DEADLINE_MS,
    );
    if (!retained.ok) return retained;
    this.#log.info("bundle.retained", { count: retained.value.droppedKeyCount });
    for (const id of openIds) if (!wantedIds.has(id)) openIds.delete(id);
    for (const bundle of duplicates) {
      const code = await this.#open(bundle);
      if (code === null) openIds.add(bundle.id);
      else failures.push({ name: bundle.name, code });
    }
    return ok(null);
  }

  /** Asked of the enclave itself: what it opened meanwhile must not be dropped. */
  async #idsToRetain(
    wantedIds: ReadonlySet<string>,
  ): Promise<Result<readonly Uint8Array[], Refusal>> {
    const status = await this.#link.refreshStatus();
    if (!status.ok) return status;
    return ok(status.value.bundleIds.filter((id) => wantedIds.has(encodeHex(id))));
  }

  /** Null when it is open. On the wire a bundle's name is its id, which no other bundle has. */
  async #open(bundle: Identified): Promise<ErrorCode | null> {
    const startMs = performance.now();
    // Opening takes the bytes from the enclave's stage, also when KMS then refuses: each try hands
    // them over again.
    const put = await this.#put(bundle.id, bundle.bytes);
    if (!put.ok) return put.error.code;
    const opened = await this.#link.call("bundle.open", { name: bundle.id }, OPEN_DEADLINE_MS);
    if (!opened.ok) return opened.error.code;
    this.#log.info("bundle.opened", {
      bundle: bundle.name,
      count: opened.value.keyCount,
      durationMs: Math.round(performance.now() - startMs),
    });
    return null;
  }

  async #put(name: string, bytes: Uint8Array): Promise<Result<null, Refusal>> {
    for (let offset = 0; offset < bytes.length; offset += CHUNK_BYTES_MAX) {
      const piece = bytes.subarray(offset, offset + CHUNK_BYTES_MAX);
      const params = { name, offset, totalBytes: bytes.length, bytes: piece };
      const put = await this.#link.call("bundle.put", params, PUT_DEADLINE_MS);
      if (!put.ok) return put;
    }
    return ok(null);
  }

  /** One line for each failure that is new. */
  #report(failures: readonly BundleFailure[]): void {
    for (const { name, code } of failures) {
      if (this.#logged.get(name) !== code) this.#log.error("bundle.failed", { bundle: name, code });
    }
    this.#logged = new Map(failures.map(({ name, code }) => [name, code]));
  }
}
