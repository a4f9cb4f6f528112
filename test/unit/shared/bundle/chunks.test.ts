import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  BUNDLE_CHUNK_COUNT_MAX,
  type BundleChunk,
  encodeBundleChunks,
  encodeChunkName,
  joinBundleChunks,
  parseBundleChunk,
  parseChunkName,
} from "../../../../shared/bundle/chunks.ts";
import { BUNDLE_BYTES_MAX, SECRET_BYTES_MAX } from "../../../../shared/limits.ts";

const HEAD_BYTES = 44;
const PART_BYTES = SECRET_BYTES_MAX - HEAD_BYTES;

function parseAll(secrets: readonly Uint8Array[]): readonly BundleChunk[] {
  return secrets.map((secret) => {
    const chunk = parseBundleChunk(secret);
    assert(chunk.ok);
    return chunk.value;
  });
}

function joinCode(chunks: readonly BundleChunk[]): string {
  const joined = joinBundleChunks(chunks);
  return joined.ok ? "joined" : joined.error.code;
}

for (const [byteCount, chunkCount] of [
  [1, 1],
  [PART_BYTES - 1, 1],
  [PART_BYTES, 1],
  [PART_BYTES + 1, 2],
  [3 * PART_BYTES, 3],
  [BUNDLE_BYTES_MAX, BUNDLE_CHUNK_COUNT_MAX],
] as const) {
  test(`a bundle of ${byteCount} bytes is cut into ${chunkCount} chunks and joined again`, () => {
    const bundle = randomBytes(byteCount);
    const secrets = encodeBundleChunks(bundle);
    assert.equal(secrets.length, chunkCount);
    assert(secrets.every((secret) => secret.length <= SECRET_BYTES_MAX));
    const joined = joinBundleChunks(parseAll(secrets));
    assert(joined.ok);
    assert(bundle.equals(joined.value));
  });
}

const [good = new Uint8Array(0), second = new Uint8Array(0)] = encodeBundleChunks(
  new Uint8Array(PART_BYTES + 7),
);

/** Sets 2 or 4 bytes big-endian. */
function patched(at: number, width: 2 | 4, value: number): Uint8Array {
  const bytes = good.slice();
  const view = new DataView(bytes.buffer);
  if (width === 2) view.setUint16(at, value);
  else view.setUint32(at, value);
  return bytes;
}

const MALFORMED: Readonly<Record<string, Uint8Array>> = {
  "is empty": new Uint8Array(0),
  "is a head alone": good.subarray(0, HEAD_BYTES),
  "has another magic": patched(0, 2, 0),
  "has an index beyond its count": patched(4, 2, 2),
  "counts fewer chunks than its size takes": patched(6, 2, 1),
  "counts more chunks than its size takes": patched(6, 2, 3),
  "says that the whole is empty": patched(8, 4, 0),
  "says that the whole is above the limit": patched(8, 4, BUNDLE_BYTES_MAX + 1),
  "lacks a byte": good.subarray(0, -1),
  "is the last one with a byte more": Buffer.concat([second, Buffer.alloc(1)]),
  "is above the size of a secret": Buffer.concat([good, Buffer.alloc(1)]),
};

for (const [title, bytes] of Object.entries(MALFORMED)) {
  test(`parseBundleChunk refuses a chunk that ${title}`, () => {
    const chunk = parseBundleChunk(bytes);
    assert(!chunk.ok && chunk.error.code === "BUNDLE_MALFORMED");
  });
}

test("joinBundleChunks refuses what is not all chunks of one writing, in order", () => {
  const bundle = randomBytes(2 * PART_BYTES + 1);
  const chunks = parseAll(encodeBundleChunks(bundle));
  const [a, b, c] = chunks;
  const [, other] = parseAll(encodeBundleChunks(randomBytes(bundle.length)));
  const [longer] = parseAll(encodeBundleChunks(randomBytes(bundle.length + 1)));
  assert(a !== undefined && b !== undefined && c !== undefined);
  assert(other !== undefined && longer !== undefined);
  assert.equal(joinCode(chunks), "joined");
  assert.equal(joinCode([]), "BUNDLE_INCOMPLETE");
  assert.equal(joinCode([a, b]), "BUNDLE_INCOMPLETE");
  assert.equal(joinCode([a, c, b]), "BUNDLE_MALFORMED");
  assert.equal(joinCode([a, b, b]), "BUNDLE_MALFORMED");
  assert.equal(joinCode([a, b, c, c]), "BUNDLE_MALFORMED");
  assert.equal(joinCode([a, other, c]), "BUNDLE_MALFORMED");
  assert.equal(joinCode([longer, b, c]), "BUNDLE_MALFORMED");
  const part = b.part.slice();
  part[0] = (part[0] ?? 0) ^ 1;
  assert.equal(joinCode([a, { ...b, part }, c]), "BUNDLE_MALFORMED");
});

test("a chunk's name says which chunk of which bundle it is", () => {
  const name = { bundle: "validators-1", index: 17 };
  const text = encodeChunkName("redoubt/prod", name);
  assert.equal(text, "redoubt/prod/validators-1/0017");
  const parsed = parseChunkName("redoubt/prod", text);
  assert(parsed.ok);
  assert.deepEqual(parsed.value, name);
});

for (const text of [
  "",
  "redoubt",
  "redoubt/a",
  "redoubt/a/000",
  "redoubt/a/00000",
  "redoubt/a/000x",
  "redoubt/a/b/0000",
  "redoubt//0000",
  "redoubt/a b/0000",
  "redoubt/a/9999",
  "redoubtx/a/0000",
  "other/a/0000",
  "redoubt/a/0000\n",
]) {
  test(`parseChunkName refuses ${JSON.stringify(text)}`, () => {
    const name = parseChunkName("redoubt", text);
    assert(!name.ok && name.error.code === "BUNDLE_MALFORMED");
  });
}
