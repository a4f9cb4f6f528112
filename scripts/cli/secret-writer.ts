// Writes sealed bundles into Secrets Manager, chunk by chunk, in the place of what was there under
// the same name. Nothing there is atomic; what a reader meets half way is never a bundle, because
// every chunk names the whole that it belongs to. It must never leave a chunk of an earlier, larger
// bundle behind and call that success: a reader that lists would refuse the bundle.
//
// The order: chunks 1, 2, … ascending, then chunk 0, which says how many there are, then what is
// left over, from the end. So the chunks after 0 have no gap at any time, whatever was interrupted,
// and what is left over is found by asking for one name after the other.

import {
  BUNDLE_CHUNK_COUNT_MAX,
  encodeBundleChunks,
  encodeChunkName,
} from "../../shared/bundle/chunks.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { AwsOptions } from "./aws-options.ts";
import { Progress, type ProgressOutput } from "./progress.ts";

/** Errors say which operation failed on which secret, and how AWS calls that. */
export interface SecretClient {
  /** A new value for a secret; false when there is none. */
  put(name: string, bytes: Uint8Array): Promise<Result<boolean, string>>;
  create(name: string, bytes: Uint8Array): Promise<Result<null, string>>;
  /** True also for one that is to be deleted later. */
  isPresent(name: string): Promise<Result<boolean, string>>;
  /** At once, for ever. */
  remove(name: string): Promise<Result<null, string>>;
  close(): void;
}

/** Where bundles go. */
export type SecretsTarget = {
  readonly prefix: string;
  readonly region: string;
  readonly aws: AwsOptions;
};

export type NamedBundle = { readonly name: string; readonly bytes: Uint8Array };

export type StoredBundle = {
  readonly bundle: string;
  readonly prefix: string;
  readonly region: string;
  readonly chunkCount: number;
  /** Chunks of an earlier bundle of this name. */
  readonly removedCount: number;
};

export type SecretPorts = {
  readonly stderr: ProgressOutput;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** Null: Secrets Manager over the network. */
  readonly secrets: SecretClient | null;
};

/** What was stored, and why not more: then the bundle that failed may be half written. */
export type Storing = { readonly stored: readonly StoredBundle[]; readonly error: string | null };

export async function storeBundles(
  bundles: readonly NamedBundle[],
  target: SecretsTarget,
  ports: SecretPorts,
): Promise<Storing> {
  const stored: StoredBundle[] = [];
  const client = ports.secrets ?? (await connect(target));
  const chunked = bundles.map(({ name, bytes }) => ({ name, chunks: encodeBundleChunks(bytes) }));
  const totalCount = chunked.reduce((count, { chunks }) => count + chunks.length, 0);
  const progress = new Progress(ports.stderr, "writing secrets", totalCount, ports.nowMs);
  const writer = new BundleWriter(client, target.prefix, ports.signal, progress);
  try {
    for (const { name, chunks } of chunked) {
      const removedCount = await writer.write(name, chunks);
      if (!removedCount.ok) return { stored, error: `bundle ${name}: ${removedCount.error}` };
      const { prefix, region } = target;
      const chunkCount = chunks.length;
      stored.push({ bundle: name, prefix, region, chunkCount, removedCount: removedCount.value });
    }
    return { stored, error: null };
  } finally {
    progress.end();
    client.close();
  }
}

/** The SDK is loaded when it is needed and not before. */
async function connect(target: SecretsTarget): Promise<SecretClient> {
  const { createSecretClient } = await import("./secret-client.ts");
  return createSecretClient(target.region, target.aws);
}

class BundleWriter {
  readonly #client: SecretClient;
  readonly #prefix: string;
  readonly #signal: AbortSignal;
  readonly #progress: Progress;

  constructor(client: SecretClient, prefix: string, signal: AbortSignal, progress: Progress) {
    this.#client = client;
    this.#prefix = prefix;
    this.#signal = signal;
    this.#progress = progress;
  }

  /** Answers how many chunks of an earlier bundle it removed. */
  async write(bundle: string, chunks: readonly Uint8Array[]): Promise<Result<number, string>> {
    const [head, ...rest] = chunks.map((bytes, index) => ({
      name: encodeChunkName(this.#prefix, { bundle, index }),
      bytes,
    }));
    for (const chunk of head === undefined ? [] : [...rest, head]) {
      const written = await this.#writeChunk(chunk.name, chunk.bytes);
      if (!written.ok) return written;
      this.#progress.advance();
    }
    return this.#removeFrom(bundle, chunks.length);
  }

  async #writeChunk(name: string, bytes: Uint8Array): Promise<Result<null, string>> {
    if (this.#signal.aborted) return err("interrupted");
    const put = await this.#client.put(name, bytes);
    if (!put.ok) return put;
    return put.value ? ok(null) : this.#client.create(name, bytes);
  }

  async #removeFrom(bundle: string, start: number): Promise<Result<number, string>> {
    const surplus: string[] = [];
    for (let index = start; index < BUNDLE_CHUNK_COUNT_MAX; index++) {
      const name = encodeChunkName(this.#prefix, { bundle, index });
      if (this.#signal.aborted) return err("interrupted");
      const present = await this.#client.isPresent(name);
      if (!present.ok) return present;
      if (!present.value) break;
      surplus.push(name);
    }
    for (const name of surplus.toReversed()) {
      if (this.#signal.aborted) return err("interrupted");
      const removed = await this.#client.remove(name);
      if (!removed.ok) return removed;
    }
    return ok(surplus.length);
  }
}
