import assert from "node:assert/strict";
import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runSeal } from "../../../../scripts/cli/seal.ts";
import { encodeBundleChunks } from "../../../../shared/bundle/chunks.ts";
import { BUNDLE_BYTES_MAX } from "../../../../shared/limits.ts";
import { bench } from "../../../fakes/seal-bench.ts";

test("seal writes each bundle to Secrets Manager too, under the name of its file", async (t) => {
  const b = await bench(t);
  for (const number of [1, 2]) await b.keystore(`${number}.json`, number);
  const prefix = ["--to-secrets-manager", "redoubt/main"];
  const { code, report } = await b.sealWithOnePassword("--keys-per-bundle", "1", ...prefix);
  assert.equal(code, 0);
  const place = { prefix: "redoubt/main", region: "eu-central-1" };
  assert.deepEqual(report.secrets, [
    { bundle: "keys-001", ...place, chunkCount: 1, removedCount: 0 },
    { bundle: "keys-002", ...place, chunkCount: 1, removedCount: 0 },
  ]);
  for (const name of ["keys-001", "keys-002"]) {
    const [chunk] = encodeBundleChunks(await readFile(join(b.dir, `${name}.bundle`)));
    assert.deepEqual(b.secrets.values.get(`redoubt/main/${name}/0000`), chunk);
  }
});

test("a bundle that can't be sent is sealed all the same, and is sent later", async (t) => {
  const b = await bench(t);
  for (const number of [1, 2]) await b.keystore(`${number}.json`, number);
  const target = ["--to-secrets-manager", "redoubt"];
  b.secrets.failAt = 3;
  const { code, report } = await b.sealWithOnePassword("--keys-per-bundle", "1", ...target);
  assert.deepEqual([code, report.isSealed, report.bundles.length], [1, true, 2]);
  assert.equal(report.secrets.length, 0);
  assert.match(report.error ?? "", /^bundle keys-001: isPresent .*keys-001\.bundle, .*keys-002/);
  assert.ok(!(await readdir(b.dir)).some((name) => name.endsWith(".partial")));

  b.secrets.failAt = null;
  const file = join(b.dir, "keys-002.bundle");
  b.stdout = "";
  assert.equal(await runSeal(["--send", file, ...target, "--json"], b.ports()), 0);
  assert.deepEqual(JSON.parse(b.stdout), {
    error: null,
    secrets: [
      {
        bundle: "keys-002",
        prefix: "redoubt",
        region: "eu-central-1",
        chunkCount: 1,
        removedCount: 0,
      },
    ],
  });
  assert.ok(b.secrets.values.has("redoubt/keys-002/0000"));
});

test("seal --send sends nothing but a bundle", async (t) => {
  const b = await bench(t);
  const target = ["--to-secrets-manager", "redoubt", "--json"];
  await writeFile(join(b.dir, "bad.bundle"), "no bundle");
  await writeFile(join(b.dir, "huge.bundle"), "");
  await truncate(join(b.dir, "huge.bundle"), BUNDLE_BYTES_MAX + 1);
  for (const name of ["bad", "huge", "missing"]) {
    const file = join(b.dir, `${name}.bundle`);
    assert.equal(await runSeal(["--send", file, ...target], b.ports()), 1, name);
  }
  assert.deepEqual(b.secrets.calls, []);
});

test("seal refuses wrong options for Secrets Manager before it opens a keystore", async (t) => {
  const b = await bench(t);
  await b.keystore("1.json", 1);
  const to = ["--to-secrets-manager", "redoubt"];
  const rows: readonly (readonly string[])[] = [
    ["--to-secrets-manager", ""],
    ["--to-secrets-manager", "a prefix"],
    ["--to-secrets-manager", "p".repeat(257)],
    ["--region", "eu-central-1"],
    ["--secrets-endpoint", "https://127.0.0.1"],
    [...to, "--region", "europe"],
    [...to, "--secrets-endpoint", "not a url"],
    [...to, "--out", join(b.dir, "my keys.bundle")],
    [...to, "--out", join(b.dir, `${"k".repeat(122)}.bundle`)],
    [...to, "--send", b.out],
  ];
  for (const row of rows) {
    assert.equal((await b.sealWithOnePassword(...row)).code, 2, row.join(" "));
  }
  const sends = [
    ["--send", b.out],
    ["--send", join(b.dir, "keys"), ...to],
  ];
  for (const row of sends) assert.equal(await runSeal(row, b.ports()), 2, row.join(" "));
  assert.equal(b.kms.generateCount, 0);
});
