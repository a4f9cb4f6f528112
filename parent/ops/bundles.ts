// Sealed bundles from where the operator keeps them: folders, and Secrets Manager. They are
// ciphertext, and the enclave verifies them; here they are only found, joined and bounded. One that
// can't be read must never hide the others: it is listed as a failure.

import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  BUNDLE_CHUNK_COUNT_MAX,
  type BundleChunk,
  encodeChunkName,
  isBundleName,
  joinBundleChunks,
  parseBundleChunk,
  parseChunkName,
} from "../../shared/bundle/chunks.ts";
import { type ErrorCode, type Refusal, refusal } from "../../shared/errors.ts";
import { BUNDLE_BYTES_MAX, BUNDLE_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { BundleFailure, BundleRead, SealedBundle } from "../link/bundle-loader.ts";
import type { Credentials } from "../ports.ts";
import type { BundleSource } from "./config.ts";
import type { SecretReader, SecretReaderOptions } from "./secret-reader.ts";

export type BundleReaderOptions = {
  readonly sources: readonly BundleSource[];
  /** The newest credentials, null before the first. */
  readonly credentials: () => Credentials | null;
};

type SecretsSource = Extract<BundleSource, { kind: "secrets-manager" }>;
type Outcome = { readonly name: string; readonly bytes: Result<Uint8Array, Refusal> };

const SUFFIX = ".bundle";
const CONCURRENT_COUNT = 4;

/** Reads everything anew at each call, source by source, names in order. */
export function createBundleReader(options: BundleReaderOptions): () => Promise<BundleRead> {
  return async () => {
    const bundles: SealedBundle[] = [];
    const failures: BundleFailure[] = [];
    for (const source of options.sources) {
      const outcomes =
        source.kind === "directory"
          ? await readDirectory(source.path)
          : await readSecrets(source, options.credentials());
      for (const { name, bytes } of outcomes) {
        if (!bytes.ok) failures.push({ name, code: bytes.error.code });
        else if (bundles.length < BUNDLE_COUNT_MAX) bundles.push({ name, bytes: bytes.value });
        else failures.push({ name, code: "BUNDLE_LIMIT" });
      }
    }
    return { bundles, failures };
  };
}

function failed(name: string, code: ErrorCode): Outcome {
  return { name, bytes: err(refusal(code)) };
}

async function readDirectory(path: string): Promise<readonly Outcome[]> {
  let names: readonly string[];
  try {
    names = await readdir(path);
  } catch {
    return [failed(path, "BUNDLE_SOURCE")];
  }
  const bundleNames = names.filter((name) => name.endsWith(SUFFIX)).sort();
  if (bundleNames.length > BUNDLE_COUNT_MAX) return [failed(path, "BUNDLE_LIMIT")];
  const outcomes: Outcome[] = [];
  for (const name of bundleNames) outcomes.push(await readBundleFile(join(path, name)));
  return outcomes;
}

async function readBundleFile(path: string): Promise<Outcome> {
  try {
    const file = await stat(path);
    if (!file.isFile()) return failed(path, "BUNDLE_SOURCE");
    if (file.size > BUNDLE_BYTES_MAX) return failed(path, "BUNDLE_LIMIT");
    return { name: path, bytes: ok(await readFile(path)) };
  } catch {
    return failed(path, "BUNDLE_SOURCE");
  }
}

async function readSecrets(
  source: SecretsSource,
  credentials: Credentials | null,
): Promise<readonly Outcome[]> {
  if (credentials === null) return [failed(source.prefix, "CREDENTIALS_MISSING")];
  const reader = await openReader(source, credentials);
  if (reader === null) return [failed(source.prefix, "BUNDLE_SOURCE")];
  try {
    return source.names === undefined
      ? await readListed(reader, source.prefix)
      : await readNamed(reader, source.prefix, source.names);
  } finally {
    reader.close();
  }
}

/** The SDK is loaded when a source needs it, and not before. */
async function openReader(
  source: SecretsSource,
  credentials: Credentials,
): Promise<SecretReader | null> {
  const { region, endpoint, caFile } = source;
  let options: SecretReaderOptions = { region, endpoint, credentials };
  if (caFile !== undefined) {
    try {
      options = { ...options, caPem: await readFile(caFile, "utf8") };
    } catch {
      return null;
    }
  }
  const { createSecretReader } = await import("./secret-reader.ts");
  return createSecretReader(options);
}

/** Everything under the prefix must be a chunk of a bundle: what is not is a failure. */
export async function readListed(
  reader: SecretReader,
  prefix: string,
): Promise<readonly Outcome[]> {
  const secrets = await reader.list(`${prefix}/`);
  if (!secrets.ok) return [failed(prefix, secrets.error.code)];
  const counts = new Map<string, number>();
  const outcomes: Outcome[] = [];
  for (const secret of secrets.value) {
    const name = parseChunkName(prefix, secret);
    if (!name.ok) outcomes.push(failed(secret, name.error.code));
    else counts.set(name.value.bundle, (counts.get(name.value.bundle) ?? 0) + 1);
  }
  if (counts.size > BUNDLE_COUNT_MAX) return [failed(prefix, "BUNDLE_LIMIT")];
  for (const [bundle, count] of counts) {
    outcomes.push({ name: bundle, bytes: await readChunks(reader, prefix, bundle, count) });
  }
  return outcomes;
}

/** Needs no right to list: the first chunk says how many there are. */
export async function readNamed(
  reader: SecretReader,
  prefix: string,
  bundles: readonly string[],
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const bundle of bundles) {
    if (!isBundleName(bundle)) outcomes.push(failed(bundle, "BUNDLE_MALFORMED"));
    else outcomes.push({ name: bundle, bytes: await readChunks(reader, prefix, bundle, null) });
  }
  return outcomes;
}

/** `listedCount`: how many chunks there are by name, which must be as many as they say. */
async function readChunks(
  reader: SecretReader,
  prefix: string,
  bundle: string,
  listedCount: number | null,
): Promise<Result<Uint8Array, Refusal>> {
  const first = await readChunk(reader, encodeChunkName(prefix, { bundle, index: 0 }));
  if (!first.ok) return first;
  const { count } = first.value;
  if (listedCount !== null && listedCount < count) return err(refusal("BUNDLE_INCOMPLETE"));
  if (listedCount !== null && listedCount > count) return err(refusal("BUNDLE_MALFORMED"));
  const chunks: BundleChunk[] = [first.value];
  for (let start = 1; start < Math.min(count, BUNDLE_CHUNK_COUNT_MAX); start += CONCURRENT_COUNT) {
    const length = Math.min(CONCURRENT_COUNT, count - start);
    const indexes = Array.from({ length }, (_, offset) => start + offset);
    const names = indexes.map((index) => encodeChunkName(prefix, { bundle, index }));
    for (const chunk of await Promise.all(names.map((name) => readChunk(reader, name)))) {
      if (!chunk.ok) return chunk;
      chunks.push(chunk.value);
    }
  }
  return joinBundleChunks(chunks);
}

async function readChunk(
  reader: SecretReader,
  name: string,
): Promise<Result<BundleChunk, Refusal>> {
  const bytes = await reader.read(name);
  return bytes.ok ? parseBundleChunk(bytes.value) : bytes;
}
