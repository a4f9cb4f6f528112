// The clients of the configuration, found by the identity of a certificate. A convenience of the
// parent: what may be signed at all is the enclave's to decide. It must never match by anything
// but the whole fingerprint or the whole SPIFFE ID.

import type { BlockList } from "node:net";
import type { OperationMask } from "../../shared/operation.ts";
import type { ClientConfig } from "../ops/api-config.ts";
import { isAllowedSource, sourceListOf } from "../ops/cidr.ts";
import type { Identity } from "./identity.ts";
import { TokenBucket } from "./token-bucket.ts";

const BURST_SECONDS = 2;

export class Client {
  readonly name: string;
  readonly kinds: OperationMask;
  readonly #keys: ReadonlySet<string> | "all";
  readonly #sources: BlockList | null;
  readonly #bucket: TokenBucket | null;

  constructor(config: ClientConfig, nowMs: number) {
    this.name = config.name;
    this.kinds = config.operations;
    this.#keys = config.keys;
    this.#sources = sourceListOf(config.sources);
    const rate = config.ratePerSecond;
    const burst = config.rateBurst ?? Math.max(1, Math.ceil((rate ?? 0) * BURST_SECONDS));
    this.#bucket = rate === undefined ? null : new TokenBucket(rate, burst, nowMs);
  }

  /** `keyText` in lower case with `0x`. */
  mayUse(keyText: string): boolean {
    return this.#keys === "all" || this.#keys.has(keyText);
  }

  keysAmong(keys: readonly string[]): readonly string[] {
    return keys.filter((key) => this.mayUse(key));
  }

  mayComeFrom(socket: { readonly remoteAddress?: string | undefined }): boolean {
    return this.#sources === null || isAllowedSource(this.#sources, socket.remoteAddress);
  }

  takeToken(nowMs: number): boolean {
    return this.#bucket === null || this.#bucket.take(nowMs);
  }
}

export class ClientTable {
  readonly #byFingerprint = new Map<string, Client>();
  readonly #bySpiffe = new Map<string, Client>();

  constructor(clients: readonly ClientConfig[], nowMs: number) {
    for (const config of clients) {
      const client = new Client(config, nowMs);
      if (config.fingerprint !== undefined) this.#byFingerprint.set(config.fingerprint, client);
      if (config.spiffe !== undefined) this.#bySpiffe.set(config.spiffe, client);
    }
  }

  /** A fingerprint names one certificate, a SPIFFE ID any number: the narrower one wins. */
  find({ fingerprint, spiffe }: Identity): Client | null {
    const pinned = this.#byFingerprint.get(fingerprint);
    if (pinned !== undefined) return pinned;
    return spiffe === null ? null : (this.#bySpiffe.get(spiffe) ?? null);
  }
}
