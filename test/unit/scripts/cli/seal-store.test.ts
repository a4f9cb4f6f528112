import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openBundle } from "../../../../enclave/keys/bundle.ts";
import { runSeal } from "../../../../scripts/cli/seal.ts";
import { parseBundle } from "../../../../shared/bundle/format.ts";
import { isZeroBytes } from "../../../../shared/bytes/compare.ts";
import { err } from "../../../../shared/result.ts";
import { type Bench, bench } from "../../../fakes/seal-bench.ts";
import { KEY_ARN } from "../../../fakes/sealed-keys.ts";

const CREDENTIALS = {
  accessKeyId: "AKIASTORESTORESTORE1",
  secretAccessKey: "store/secret+access/key+of/forty+chars+00",
};

async function argsFor(b: Bench, text = JSON.stringify(CREDENTIALS)) {
  const file = join(b.dir, "store.json");
  await writeFile(file, text);
  return ["--store-credentials", file, "--kms-key", KEY_ARN, "--out", join(b.dir, "store.bundle")];
}

test("seal makes a bundle of store credentials that the enclave opens, and prints no secret", async (t) => {
  const b = await bench(t);
  const args = await argsFor(b);
  assert.equal(await runSeal([...args, "--json"], b.ports()), 0);
  const bytes = await readFile(join(b.dir, "store.bundle"));
  const opened = await openBundle(bytes, KEY_ARN, b.kms);
  assert.ok(opened.ok && opened.value.purpose === "redoubt/store");
  assert.deepEqual({ ...opened.value.credentials }, CREDENTIALS);
  const header = parseBundle(bytes);
  assert.ok(header.ok && header.value.header.keyCount === 0);
  assert.ok(b.kms.released.every(isZeroBytes));
  assert.deepEqual((await readdir(b.dir)).sort(), ["store.bundle", "store.json"]);
  for (const secret of Object.values(CREDENTIALS)) {
    assert.equal(`${b.stdout}${b.stderr}`.includes(secret), false);
    assert.equal(bytes.includes(secret), false);
  }
  b.stdout = "";
  assert.equal(await runSeal(["--show", join(b.dir, "store.bundle"), "--json"], b.ports()), 0);
  assert.match(b.stdout, /"purpose":"redoubt\/store"/);
});

test("seal overwrites no bundle by one of store credentials", async (t) => {
  const b = await bench(t);
  const args = await argsFor(b);
  assert.equal(await runSeal(args, b.ports()), 0);
  const before = await readFile(join(b.dir, "store.bundle"));
  assert.equal(await runSeal(args, b.ports()), 2);
  assert.deepEqual(await readFile(join(b.dir, "store.bundle")), before);
});

test("seal sends store credentials to Secrets Manager under the file's name", async (t) => {
  const b = await bench(t);
  const args = [...(await argsFor(b)), "--to-secrets-manager", "redoubt"];
  assert.equal(await runSeal(args, b.ports()), 0);
  assert.deepEqual([...b.secrets.values.keys()], ["redoubt/store/0000"]);
});

test("seal refuses store credentials of another form, and prints nothing of them", async (t) => {
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  const rows: readonly (readonly [what: string, text: string])[] = [
    ["no JSON", `x${secretAccessKey}`],
    ["a list", JSON.stringify([CREDENTIALS])],
    ["null", "null"],
    ["no secret", JSON.stringify({ accessKeyId })],
    ["a number", JSON.stringify({ accessKeyId, secretAccessKey: 1 })],
    ["a session token", JSON.stringify({ ...CREDENTIALS, sessionToken: "x" })],
    ["a short id", JSON.stringify({ ...CREDENTIALS, accessKeyId: "AKIA" })],
    ["a line break", JSON.stringify({ ...CREDENTIALS, secretAccessKey: `${secretAccessKey}\n` })],
    ["too much", JSON.stringify({ ...CREDENTIALS, secretAccessKey: "A".repeat(5000) })],
  ];
  for (const [what, text] of rows) {
    const b = await bench(t);
    assert.equal(await runSeal(await argsFor(b, text), b.ports()), 1, what);
    assert.equal(b.kms.generateCount, 0, what);
    assert.equal(`${b.stdout}${b.stderr}`.includes(secretAccessKey), false, what);
    assert.deepEqual(await readdir(b.dir), ["store.json"], what);
  }
});

test("seal leaves nothing behind when KMS refuses, or when it is interrupted", async (t) => {
  const b = await bench(t);
  const args = await argsFor(b);
  const failing = { ...b.ports(), generateDataKey: () => Promise.resolve(err("no network")) };
  assert.equal(await runSeal(args, failing), 1);
  assert.equal(await runSeal(args, { ...b.ports(), signal: AbortSignal.abort() }), 1);
  assert.equal(b.kms.generateCount, 0);
  assert.deepEqual(await readdir(b.dir), ["store.json"]);
});

test("seal takes store credentials or keystores, never both", async (t) => {
  const b = await bench(t);
  const good = await argsFor(b);
  const rows: readonly (readonly string[])[] = [
    [...good, "--keystores", b.dir],
    [...good, "--password-file", "a"],
    [...good, "--skip-failed"],
    [...good, "--jobs", "1"],
    [...good, "--send", join(b.dir, "store.bundle"), "--to-secrets-manager", "redoubt"],
    good.slice(0, 4),
    [...good.slice(0, 2), ...good.slice(4)],
  ];
  for (const row of rows) assert.equal(await runSeal(row, b.ports()), 2, row.join(" "));
});
