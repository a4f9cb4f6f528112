import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createBundleReader, readListed, readNamed } from "../../../../parent/ops/bundles.ts";
import type { SecretReader } from "../../../../parent/ops/secret-reader.ts";
import { encodeBundleChunks, encodeChunkName } from "../../../../shared/bundle/chunks.ts";
import { refusal } from "../../../../shared/errors.ts";
import { BUNDLE_BYTES_MAX, BUNDLE_COUNT_MAX } from "../../../../shared/limits.ts";
import { err, ok } from "../../../../shared/result.ts";

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-bundles-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function readFolders(
  ...paths: readonly string[]
): ReturnType<ReturnType<typeof createBundleReader>> {
  const sources = paths.map((path) => ({ kind: "directory", path }) as const);
  return createBundleReader({ sources, credentials: () => null })();
}

test("a directory gives its *.bundle files in the order of their names", async (context) => {
  const folder = temporaryFolder(context);
  for (const name of ["b.bundle", "a.bundle", "c.txt", ".bundle.swp"]) {
    writeFileSync(join(folder, name), name);
  }
  const { bundles, failures } = await readFolders(folder);
  assert.deepEqual(failures, []);
  assert.deepEqual(
    bundles.map(({ bytes }) => Buffer.from(bytes).toString()),
    ["a.bundle", "b.bundle"],
  );
});

test("what can't be read is a failure, and hides nothing else", async (context) => {
  const folder = temporaryFolder(context);
  const missing = join(folder, "missing");
  mkdirSync(join(folder, "folder.bundle"));
  writeFileSync(join(folder, "good.bundle"), "good");
  writeFileSync(join(folder, "huge.bundle"), "");
  truncateSync(join(folder, "huge.bundle"), BUNDLE_BYTES_MAX + 1);
  const { bundles, failures } = await readFolders(missing, folder);
  assert.deepEqual(
    bundles.map(({ name }) => name),
    [join(folder, "good.bundle")],
  );
  assert.deepEqual(failures, [
    { name: missing, code: "BUNDLE_SOURCE" },
    { name: join(folder, "folder.bundle"), code: "BUNDLE_SOURCE" },
    { name: join(folder, "huge.bundle"), code: "BUNDLE_LIMIT" },
  ]);
});

test("bundles beyond the count, over all sources, are failures", async (context) => {
  const folder = temporaryFolder(context);
  const one = temporaryFolder(context);
  for (let index = 0; index < BUNDLE_COUNT_MAX; index++) {
    writeFileSync(join(folder, `${index}.bundle`), "x");
  }
  writeFileSync(join(one, "more.bundle"), "x");
  const { bundles, failures } = await readFolders(folder, one);
  assert.equal(bundles.length, BUNDLE_COUNT_MAX);
  assert.deepEqual(failures, [{ name: join(one, "more.bundle"), code: "BUNDLE_LIMIT" }]);
});

test("Secrets Manager is not asked without credentials", async () => {
  const source = { kind: "secrets-manager", region: "eu-central-1", prefix: "redoubt" } as const;
  const read = createBundleReader({ sources: [source], credentials: () => null });
  const { failures } = await read();
  assert.deepEqual(failures, [{ name: "redoubt", code: "CREDENTIALS_MISSING" }]);
});

const BUNDLE = Buffer.alloc(200_000, "bundle");

function secretsOf(name: string, bundle: Uint8Array): [string, Uint8Array][] {
  return encodeBundleChunks(bundle).map((chunk, index) => [
    encodeChunkName("redoubt", { bundle: name, index }),
    chunk,
  ]);
}

function readerOf(secrets: ReadonlyMap<string, Uint8Array>): SecretReader {
  return {
    list: (prefix) =>
      Promise.resolve(ok([...secrets.keys()].filter((n) => n.startsWith(prefix)).sort())),
    read: (name) => {
      const secret = secrets.get(name);
      return Promise.resolve(secret === undefined ? err(refusal("BUNDLE_INCOMPLETE")) : ok(secret));
    },
    close: () => undefined,
  };
}

async function outcomesOf(
  secrets: Iterable<[string, Uint8Array]>,
): Promise<Record<string, string>> {
  const reader = readerOf(new Map(secrets));
  const outcomes: Record<string, string> = {};
  for (const { name, bytes } of await readListed(reader, "redoubt")) {
    outcomes[name] = bytes.ok ? `${bytes.value.length} bytes` : bytes.error.code;
  }
  return outcomes;
}

test("bundles are joined from the secrets under a prefix", async () => {
  const secrets = [...secretsOf("a", BUNDLE), ...secretsOf("b", Buffer.from("small"))];
  assert.deepEqual(await outcomesOf(secrets), { a: "200000 bytes", b: "5 bytes" });
});

test("bundles with missing, left-over or mixed chunks, and other secrets, are failures", async () => {
  const whole = secretsOf("a", BUNDLE);
  const other = secretsOf("a", Buffer.alloc(200_000, "other"));
  const shorter = secretsOf("a", Buffer.from("short"));
  assert.deepEqual(await outcomesOf(whole.slice(0, -1)), { a: "BUNDLE_INCOMPLETE" });
  assert.deepEqual(await outcomesOf(whole.slice(1)), { a: "BUNDLE_INCOMPLETE" });
  assert.deepEqual(await outcomesOf([...whole, ...shorter]), { a: "BUNDLE_MALFORMED" });
  assert.deepEqual(await outcomesOf([...whole, ...other.slice(1)]), { a: "BUNDLE_MALFORMED" });
  const stranger: [string, Uint8Array] = ["redoubt/password", Buffer.from("x")];
  assert.deepEqual(await outcomesOf([...whole, stranger]), {
    "redoubt/password": "BUNDLE_MALFORMED",
    a: "200000 bytes",
  });
  const garbage: [string, Uint8Array] = ["redoubt/c/0000", Buffer.from("x")];
  assert.deepEqual(await outcomesOf([...whole, garbage]), {
    a: "200000 bytes",
    c: "BUNDLE_MALFORMED",
  });
});

test("bundles are read by name without listing", async () => {
  const secrets = new Map(secretsOf("a", BUNDLE));
  const reader: SecretReader = {
    ...readerOf(secrets),
    list: () => assert.fail("listed"),
  };
  const [a, b, c] = await readNamed(reader, "redoubt", ["a", "b", "../c"]);
  assert(a?.bytes.ok === true);
  assert(BUNDLE.equals(a.bytes.value));
  assert(b?.bytes.ok === false && b.bytes.error.code === "BUNDLE_INCOMPLETE");
  assert(c?.bytes.ok === false && c.bytes.error.code === "BUNDLE_MALFORMED");
});
