// A bundle cut into secrets of Secrets Manager, which hold 64 KiB each. Every chunk says which of
// how many it is, and of what whole: chunks of two writings never join. It must never answer a
// bundle that is not, bit for bit, what was cut. Chunks are ciphertext; their hash is no secret.
//
// A chunk: "RDTC", index (2 bytes), count (2), size of the whole (4), SHA-256 of the whole (32),
// then its part; integers big-endian. All chunks but the last are full. Their names are
// PREFIX/NAME/0000 and so on.

import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, isEqualBytes } from "../bytes/compare.ts";
import { type Refusal, refusal } from "../errors.ts";
import { invariant } from "../invariant.ts";
import { BUNDLE_BYTES_MAX, SECRET_BYTES_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";

export type BundleChunk = {
  readonly index: number;
  readonly count: number;
  readonly totalBytes: number;
  readonly digest: Uint8Array;
  readonly part: Uint8Array;
};

export type ChunkName = { readonly bundle: string; readonly index: number };

/** "RDTC" in ASCII. */
const MAGIC = Uint8Array.of(0x52, 0x44, 0x54, 0x43);
const DIGEST_BYTES = 32;
const HEAD_BYTES = MAGIC.length + 2 + 2 + 4 + DIGEST_BYTES;
const PART_BYTES_MAX = SECRET_BYTES_MAX - HEAD_BYTES;
export const BUNDLE_CHUNK_COUNT_MAX = Math.ceil(BUNDLE_BYTES_MAX / PART_BYTES_MAX);
const SECRET_PREFIX = /^[A-Za-z0-9/_+=.@-]{1,256}$/;
const BUNDLE_NAME = /^[A-Za-z0-9_+=.@-]{1,128}$/;
const INDEX_DIGITS = 4;

export function encodeBundleChunks(bundle: Uint8Array): readonly Uint8Array<ArrayBuffer>[] {
  invariant(bundle.length > 0 && bundle.length <= BUNDLE_BYTES_MAX, "a bundle is within its limit");
  const digest = sha256(bundle);
  const count = Math.ceil(bundle.length / PART_BYTES_MAX);
  return Array.from({ length: count }, (_, index) => {
    const head = new Uint8Array(HEAD_BYTES - DIGEST_BYTES);
    const view = new DataView(head.buffer);
    head.set(MAGIC);
    view.setUint16(4, index);
    view.setUint16(6, count);
    view.setUint32(8, bundle.length);
    const start = index * PART_BYTES_MAX;
    return concatBytes(head, digest, bundle.subarray(start, start + PART_BYTES_MAX));
  });
}

/** The part is a view into the bytes. */
export function parseBundleChunk(
  bytes: Uint8Array,
): Result<BundleChunk, Refusal<"BUNDLE_MALFORMED">> {
  const malformed = err(refusal("BUNDLE_MALFORMED"));
  if (bytes.length <= HEAD_BYTES || bytes.length > SECRET_BYTES_MAX) return malformed;
  if (!isEqualBytes(bytes.subarray(0, MAGIC.length), MAGIC)) return malformed;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const index = view.getUint16(4);
  const count = view.getUint16(6);
  const totalBytes = view.getUint32(8);
  if (totalBytes > BUNDLE_BYTES_MAX || count !== Math.ceil(totalBytes / PART_BYTES_MAX)) {
    return malformed;
  }
  const partBytes = Math.min(PART_BYTES_MAX, totalBytes - index * PART_BYTES_MAX);
  if (index >= count || bytes.length !== HEAD_BYTES + partBytes) return malformed;
  const digest = bytes.subarray(HEAD_BYTES - DIGEST_BYTES, HEAD_BYTES);
  return ok({ index, count, totalBytes, digest, part: bytes.subarray(HEAD_BYTES) });
}

/** Joins all chunks of one bundle, in order of their index. */
export function joinBundleChunks(
  chunks: readonly BundleChunk[],
): Result<Uint8Array<ArrayBuffer>, Refusal<"BUNDLE_MALFORMED" | "BUNDLE_INCOMPLETE">> {
  const [first] = chunks;
  if (first === undefined || chunks.length < first.count) return err(refusal("BUNDLE_INCOMPLETE"));
  const isOneWhole = chunks.every(
    (chunk, index) =>
      chunk.index === index &&
      chunk.count === chunks.length &&
      chunk.totalBytes === first.totalBytes &&
      isEqualBytes(chunk.digest, first.digest),
  );
  if (!isOneWhole) return err(refusal("BUNDLE_MALFORMED"));
  const whole = concatBytes(...chunks.map((chunk) => chunk.part));
  return isEqualBytes(sha256(whole), first.digest) ? ok(whole) : err(refusal("BUNDLE_MALFORMED"));
}

/** What AWS lets a secret's name hold, and short enough for what follows. */
export function isSecretPrefix(text: string): boolean {
  return SECRET_PREFIX.test(text);
}

export function isBundleName(text: string): boolean {
  return BUNDLE_NAME.test(text);
}

export function encodeChunkName(prefix: string, name: ChunkName): string {
  invariant(isBundleName(name.bundle), "a bundle's name fits into a secret's name");
  return `${prefix}/${name.bundle}/${String(name.index).padStart(INDEX_DIGITS, "0")}`;
}

export function parseChunkName(
  prefix: string,
  text: string,
): Result<ChunkName, Refusal<"BUNDLE_MALFORMED">> {
  const [, bundle = "", digits = ""] =
    /^([^/]+)\/(\d{4})$/.exec(text.startsWith(`${prefix}/`) ? text.slice(prefix.length + 1) : "") ??
    [];
  const index = Number(digits);
  if (!isBundleName(bundle) || index >= BUNDLE_CHUNK_COUNT_MAX) {
    return err(refusal("BUNDLE_MALFORMED"));
  }
  return ok({ bundle, index });
}
