import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openKeystores, readKeystoreFolder } from "../../../../scripts/cli/keystore-folder.ts";
import { PartialFile } from "../../../../scripts/cli/partial-file.ts";
import { runSeal } from "../../../../scripts/cli/seal.ts";
import { createKeystore } from "../../../../scripts/local/keystores.ts";
import { isZeroBytes } from "../../../../shared/bytes/compare.ts";
import { err } from "../../../../shared/result.ts";
import { bench, COST, PASSWORD } from "../../../fakes/seal-bench.ts";
import { bundleKeyOf, KEY_ARN, secretOf } from "../../../fakes/sealed-keys.ts";

test("seal makes a bundle that the enclave opens, and leaves nothing else behind", async (t) => {
  const b = await bench(t);
  for (const number of [1, 2, 3]) await b.keystore(`keystore-${number}.json`, number);
  await b.file("deposit_data-1.json", "[{}]");
  await b.file("notes.txt", "not read");
  const { code, report } = await b.sealWithOnePassword();
  assert.equal(code, 0);
  assert.equal(report.bundles[0]?.keyCount, 3);
  assert.deepEqual(
    report.keystores.map(({ status }) => status),
    ["ignored", "sealed", "sealed", "sealed"],
  );
  const keyring = await b.keysOf(b.out);
  assert.equal(keyring.keyCount, 3);
  assert.ok(keyring.find(bundleKeyOf(2).publicKey) !== undefined);
  assert.deepEqual((await readdir(b.dir)).sort(), ["keys.bundle", "keystores", "password.txt"]);
  assert.ok(b.kms.released.every(isZeroBytes));
});

test("seal reads a password for each keystore", async (t) => {
  const b = await bench(t);
  await b.keystore("a.json", 1);
  await b.keystore("b.json", 2);
  const dir = join(b.dir, "keystores");
  await b.file("a.txt", PASSWORD);
  const missing = await b.seal("--passwords", dir);
  assert.equal(missing.code, 1);
  assert.equal(missing.report.keystores[1]?.reason, "no password file");
  await b.file("b.txt", PASSWORD);
  assert.equal((await b.seal("--passwords", dir)).code, 0);
});

test("seal names every failed keystore, and seals nothing", async (t) => {
  const b = await bench(t);
  await b.keystore("a.json", 1);
  await b.keystore("b.json", 1);
  await b.keystore("c.json", 2, { pubkey: Buffer.from(bundleKeyOf(3).publicKey).toString("hex") });
  await b.file("d.json", "{");
  await b.file("e.json", JSON.stringify({ crypto: {}, version: 4 }));
  await b.file("f.json", JSON.stringify({ crypto: {}, version: 3 }));
  const wish = { secret: secretOf(4), password: "another", kdf: "pbkdf2" as const };
  await b.file("g.json", JSON.stringify(await createKeystore({ ...wish, cheap: { c: 1 } })));
  const { code, report } = await b.sealWithOnePassword();
  assert.equal(code, 1);
  assert.equal(report.isSealed, false);
  assert.deepEqual(
    report.keystores.map(({ reason }) => reason),
    [
      undefined,
      "duplicate of a.json",
      "public key is not that of the secret",
      "bad JSON",
      "malformed keystore",
      "unsupported keystore",
      "wrong password",
    ],
  );
  assert.equal(b.kms.generateCount, 0);
  assert.ok(!(await readdir(b.dir)).includes("keys.bundle"));

  const skipping = await b.sealWithOnePassword("--skip-failed");
  assert.equal(skipping.code, 0);
  assert.equal(skipping.report.resumedCount, 2);
  assert.equal((await b.keysOf(b.out)).keyCount, 1);
});

test("a repaired run opens only what was not opened before", async (t) => {
  const b = await bench(t);
  for (const number of [1, 2, 3]) await b.keystore(`${number}.json`, number);
  const dir = join(b.dir, "passwords");
  await mkdir(dir);
  for (const name of ["1", "2"]) await writeFile(join(dir, `${name}.txt`), PASSWORD);
  await writeFile(join(dir, "3.txt"), "wrong");
  const first = await b.seal("--passwords", dir);
  assert.deepEqual([first.code, first.report.resumedCount], [1, 0]);
  await writeFile(join(dir, "3.txt"), PASSWORD);
  const second = await b.seal("--passwords", dir);
  assert.deepEqual([second.code, second.report.resumedCount], [0, 2]);
  assert.equal((await b.keysOf(b.out)).keyCount, 3);
});

test("the partial file holds no secret, and is worth nothing with another password", async (t) => {
  const b = await bench(t);
  await b.keystore("1.json", 0x11223344);
  const failing = { ...b.ports(), generateDataKey: () => Promise.resolve(err("no network")) };
  await writeFile(join(b.dir, "password.txt"), PASSWORD);
  const args = ["--keystores", join(b.dir, "keystores"), "--kms-key", KEY_ARN, "--out", b.out];
  const withPassword = [...args, "--password-file", join(b.dir, "password.txt"), "--json"];
  assert.equal(await runSeal(withPassword, failing), 1);
  const partial = await readFile(`${b.out}.partial`);
  assert.ok(partial.length > 100);
  assert.equal(partial.indexOf(secretOf(0x11223344)), -1);
  assert.equal(partial.indexOf(bundleKeyOf(0x11223344).publicKey), -1);
  await writeFile(join(b.dir, "password.txt"), "another");
  const other = await b.seal("--password-file", join(b.dir, "password.txt"));
  assert.deepEqual([other.code, other.report.resumedCount], [1, 0]);
  const again = await b.sealWithOnePassword();
  assert.deepEqual([again.code, again.report.resumedCount], [0, 1]);
});

test("a damaged partial file only costs the work again", async (t) => {
  const b = await bench(t);
  await b.keystore("1.json", 1);
  await b.file("2.json", "{");
  assert.equal((await b.sealWithOnePassword()).code, 1);
  const path = `${b.out}.partial`;
  const whole = await readFile(path);
  const rows = [
    whole.subarray(0, 0),
    whole.subarray(0, 20),
    whole.subarray(0, -1),
    Buffer.concat([whole, whole.subarray(37, 60)]),
    Buffer.from(whole.with(whole.length - 1, (whole.at(-1) ?? 0) ^ 1)),
    Buffer.from(whole.with(10, (whole.at(10) ?? 0) ^ 1)),
    Buffer.from("something else"),
  ];
  for (const [index, bytes] of rows.entries()) {
    await writeFile(path, bytes);
    const { code, report } = await b.sealWithOnePassword();
    assert.equal(code, 1, `row ${index}`);
    assert.equal(report.keystores[0]?.status, "sealed", `row ${index}`);
    assert.equal(report.resumedCount, index === 3 ? 1 : 0, `row ${index}`);
    await writeFile(path, whole);
    assert.equal((await b.sealWithOnePassword()).report.resumedCount, 1, `row ${index}`);
  }
});

test("an interrupted run keeps what it has opened, and the next one goes on", async (t) => {
  const b = await bench(t);
  for (const number of [1, 2, 3, 4, 5]) await b.keystore(`${number}.json`, number);
  await writeFile(join(b.dir, "password.txt"), PASSWORD);
  const passwordFile = join(b.dir, "password.txt");
  const folder = await readKeystoreFolder(join(b.dir, "keystores"), {
    kind: "one",
    file: passwordFile,
  });
  const abort = new AbortController();
  const partial = new PartialFile(`${b.out}.partial`, COST);
  const outcomes = await openKeystores(
    folder.flatMap(({ file }) => (file.ok ? [file.value] : [])),
    {
      jobCount: 1,
      partial,
      signal: abort.signal,
      nowMs: () => 0,
      onDone: (name) => {
        if (name === "2.json") abort.abort();
      },
    },
  );
  await partial.close();
  assert.deepEqual(
    outcomes.map(({ outcome }) => (outcome.ok ? "opened" : outcome.error)),
    ["opened", "opened", "interrupted", "interrupted", "interrupted"],
  );
  const { code, report } = await b.sealWithOnePassword();
  assert.deepEqual([code, report.resumedCount], [0, 2]);
  assert.equal((await b.keysOf(b.out)).keyCount, 5);
});

test("a run that is interrupted seals nothing", async (t) => {
  const b = await bench(t);
  await b.keystore("1.json", 1);
  b.signal = AbortSignal.abort();
  const { code, report } = await b.sealWithOnePassword("--skip-failed");
  assert.equal(code, 1);
  assert.equal(report.keystores[0]?.reason, "interrupted");
  assert.equal(b.kms.generateCount, 0);
});

test("seal splits into bundles of the size asked for, each under its own data key", async (t) => {
  const b = await bench(t);
  for (const number of [1, 2, 3]) await b.keystore(`${number}.json`, number);
  const { code, report } = await b.sealWithOnePassword("--keys-per-bundle", "2");
  assert.equal(code, 0);
  assert.deepEqual(
    report.bundles.map(({ keyCount }) => keyCount),
    [2, 1],
  );
  assert.equal(b.kms.generateCount, 2);
  assert.equal((await b.keysOf(join(b.dir, "keys-001.bundle"))).keyCount, 2);
  assert.equal((await b.keysOf(join(b.dir, "keys-002.bundle"))).keyCount, 1);
});

test("seal overwrites nothing and refuses wrong options as a wrong usage", async (t) => {
  const b = await bench(t);
  await b.keystore("1.json", 1);
  assert.equal((await b.sealWithOnePassword()).code, 0);
  const before = await readFile(b.out);
  assert.equal((await b.sealWithOnePassword()).code, 2);
  assert.deepEqual(await readFile(b.out), before);
  const good = ["--keystores", b.dir, "--kms-key", KEY_ARN, "--out", join(b.dir, "n.bundle")];
  const rows: readonly (readonly string[])[] = [
    [],
    ["--unknown"],
    ["argument"],
    good,
    [...good, "--password-file", "a", "--passwords", "b"],
    [...good, "--password-file", "a", "--jobs", "0"],
    [...good, "--password-file", "a", "--jobs", "two"],
    [...good, "--password-file", "a", "--keys-per-bundle", "100001"],
    [...good, "--password-file", "a", "--kms-key", "alias/keys"],
    [...good, "--password-file", "a", "--kms-endpoint", "not a url"],
    [...good, "--password-file", "a", "--out", "keys.txt"],
    [...good, "--password-file", "a", "--keystores", join(b.dir, "nowhere")],
    [...good, "--password-file", "a", "--credentials", join(b.dir, "nowhere")],
    [...good, "--password-file", "a", "--kms-ca", join(b.dir, "nowhere")],
  ];
  for (const row of rows) assert.equal(await runSeal(row, b.ports()), 2, row.join(" "));
});

test("seal --show prints what a bundle says in the clear", async (t) => {
  const b = await bench(t);
  await b.keystore("1.json", 1);
  const { report } = await b.sealWithOnePassword();
  b.stdout = "";
  assert.equal(await runSeal(["--show", b.out, "--json"], b.ports()), 0);
  assert.deepEqual(JSON.parse(b.stdout), {
    bundle: report.bundles[0]?.id,
    purpose: "redoubt/keys",
    kmsKey: KEY_ARN,
    keyCount: 1,
    created: "2026-01-01T00:00:00.000Z",
    wrappedKeyBytes: 184,
  });
  assert.equal(await runSeal(["--show", join(b.dir, "password.txt")], b.ports()), 1);
  assert.equal(await runSeal(["--show", join(b.dir, "nowhere")], b.ports()), 1);
});
