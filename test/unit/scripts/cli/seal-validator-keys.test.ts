import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { MessageKey } from "../../../../enclave/keys/signing-key.ts";
import { runSeal } from "../../../../scripts/cli/seal.ts";
import { VALIDATOR_KEY_BYTES_MAX } from "../../../../scripts/cli/validator-key.ts";
import { isZeroBytes } from "../../../../shared/bytes/compare.ts";
import { err } from "../../../../shared/result.ts";
import { bytesOfHex, COMETBFT_KEYS, V2_ETH_FILE } from "../../../fakes/cometbft-keys.ts";
import { type Bench, bench } from "../../../fakes/seal-bench.ts";
import { KEY_ARN } from "../../../fakes/sealed-keys.ts";

const [ED, SECP, ETH, BLS, ED_ONE] = COMETBFT_KEYS;
assert(ED && SECP && ETH && BLS && ED_ONE);

type Report = {
  readonly isSealed: boolean;
  readonly error: string | null;
  readonly bundles: readonly { readonly file: string; readonly keyCount: number }[];
  readonly resumedCount: number;
  readonly keystores: readonly {
    readonly file: string;
    readonly status: string;
    readonly reason?: string;
    readonly scheme?: string;
    readonly publicKey?: string;
    readonly address?: string;
  }[];
};

async function write(b: Bench, name: string, value: unknown): Promise<string> {
  const path = join(b.dir, name);
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, text);
  return path;
}

async function seal(b: Bench, ...args: readonly string[]) {
  b.stdout = "";
  b.stderr = "";
  const place = ["--kms-key", KEY_ARN, "--out", b.out, "--json"];
  const code = await runSeal([...args, ...place], b.ports());
  const report = JSON.parse(b.stdout === "" ? "{}" : b.stdout) as Report; // oxlint-disable-line typescript/no-unsafe-type-assertion -- our own output
  return { code, report };
}

function base64Of(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}

/** In any form in which it could be printed. */
function assertNoSecret(b: Bench): void {
  for (const { secret, file } of COMETBFT_KEYS) {
    if (/^0+1$/.test(secret)) continue;
    for (const text of [secret, secret.toUpperCase(), base64Of(secret), file.priv_key.value]) {
      assert.equal(`${b.stdout}${b.stderr}`.includes(text), false);
    }
  }
}

test("seal makes a bundle of validator keys of every type, and the enclave signs with them", async (t) => {
  const b = await bench(t);
  const keys = [ED, SECP, ETH, BLS].filter(({ scheme }) => scheme !== "secp256k1");
  const paths: string[] = [];
  for (const [index, { file }] of keys.entries()) {
    paths.push(await write(b, `chain-${index}/priv_validator_key.json`, file));
  }
  const { code, report } = await seal(b, ...paths.flatMap((path) => ["--validator-keys", path]));
  assert.equal(code, 0);
  assert.deepEqual(
    report.keystores,
    keys.map(({ scheme, publicKey, address }, index) => ({
      file: paths[index],
      status: "sealed",
      publicKey: `0x${publicKey}`,
      scheme,
      address,
    })),
  );
  assert.deepEqual([report.isSealed, report.error, report.resumedCount], [true, null, 0]);
  assert.equal(report.bundles[0]?.keyCount, keys.length);
  const keyring = await b.keysOf(b.out);
  for (const { publicKey, signatures } of keys) {
    const key = keyring.find(bytesOfHex(publicKey));
    assert.ok(key instanceof MessageKey);
    const signed = key.sign(bytesOfHex(signatures[1]?.message ?? ""));
    assert.ok(signed.ok);
    assert.equal(Buffer.from(signed.value).toString("hex"), signatures[1]?.signature);
  }
  assert.ok(b.kms.released.every(isZeroBytes));
  assertNoSecret(b);
  const bundle = await readFile(b.out);
  assert.ok(keys.every(({ secret }) => !bundle.includes(bytesOfHex(secret))));
  assert.equal((await readdir(b.dir)).includes("keys.bundle.partial"), false);
});

test("a folder is read as a whole: keys are sealed, and what is no key is listed and ignored", async (t) => {
  const b = await bench(t);
  const { address, pub_key, priv_key } = ED.file;
  await write(b, "config/addrbook.json", { key: "00", addrs: [] });
  await write(b, "config/genesis.json", { validators: [{ address, pub_key }] });
  await write(b, "config/large.json", JSON.stringify(ED.file).padEnd(VALIDATOR_KEY_BYTES_MAX + 1));
  await write(b, "config/node_key.json", { priv_key });
  await write(b, "config/priv_validator_key.json", ED.file);
  await write(b, "config/config.toml", "not read");
  const { code, report } = await seal(b, "--validator-keys", join(b.dir, "config"));
  assert.equal(code, 0);
  assert.deepEqual(
    report.keystores.map(({ file, status, reason }) => [file, status, reason]),
    [
      [join(b.dir, "config/addrbook.json"), "ignored", "not a validator key"],
      [join(b.dir, "config/genesis.json"), "ignored", "not a validator key"],
      [join(b.dir, "config/large.json"), "ignored", "not a validator key"],
      [join(b.dir, "config/node_key.json"), "ignored", "not a validator key"],
      [join(b.dir, "config/priv_validator_key.json"), "sealed", undefined],
    ],
  );
  assert.equal((await b.keysOf(b.out)).keyCount, 1);
});

test("a damaged key in a folder is a failure, and is not ignored", async (t) => {
  const b = await bench(t);
  await write(b, "config/a.json", JSON.stringify(ED.file).padEnd(VALIDATOR_KEY_BYTES_MAX));
  await write(b, "config/b.json", { ...BLS.file, address: ED.address });
  await write(b, "config/c.json", JSON.stringify(SECP.file).slice(0, -1));
  await mkdir(join(b.dir, "config", "d.json"));
  const { code, report } = await seal(b, "--validator-keys", join(b.dir, "config"));
  assert.deepEqual([code, report.isSealed], [1, false]);
  assert.deepEqual(
    report.keystores.map(({ status, reason }) => [status, reason]),
    [
      ["sealed", undefined],
      ["failed", "address is not that of the public key"],
      ["failed", "malformed validator key"],
      ["failed", "unreadable"],
    ],
  );
});

test("nothing is sealed without a key, and KMS is not asked", async (t) => {
  const b = await bench(t);
  await write(b, "config/genesis.json", {});
  const { code, report } = await seal(b, "--validator-keys", join(b.dir, "config"));
  assert.deepEqual([code, report.isSealed, report.error === null], [1, false, false]);
  assert.equal(report.keystores[0]?.status, "ignored");
  assert.equal(b.kms.generateCount, 0);
});

test("none of several bundles overwrites a file, and none is written without the others", async (t) => {
  const b = await bench(t);
  const keys = await Promise.all(
    [ED, BLS].map(({ file }, index) => write(b, `${index}.json`, file)),
  );
  const taken = await write(b, "keys-002.bundle", "something else");
  const args = [...keys.flatMap((path) => ["--validator-keys", path]), "--keys-per-bundle", "1"];
  const { code, report } = await seal(b, ...args);
  assert.deepEqual([code, report.isSealed], [1, false]);
  assert.equal(await readFile(taken, "utf8"), "something else");
  assert.deepEqual((await readdir(b.dir)).sort(), ["0.json", "1.json", "keys-002.bundle"]);
});

test("a bundle that can't be written is not sealed", async (t) => {
  const b = await bench(t);
  const path = await write(b, "a.json", ED.file);
  const out = join(b.dir, "nowhere", "keys.bundle");
  const args = ["--validator-keys", path, "--kms-key", KEY_ARN, "--out", out];
  assert.equal(await runSeal([...args, "--json"], b.ports()), 1);
  assert.match(b.stdout, /"isSealed":false/);
});

test("a file that is named has to be a key", async (t) => {
  const b = await bench(t);
  const { priv_key } = ED.file;
  const rows: readonly (readonly [string, string])[] = [
    [await write(b, "node_key.json", { priv_key }), "malformed validator key"],
    [
      await write(b, "large.json", JSON.stringify(ED.file).padEnd(VALIDATOR_KEY_BYTES_MAX + 1)),
      "too large",
    ],
    [join(b.dir, "nowhere.json"), "unreadable"],
  ];
  for (const [path, reason] of rows) {
    const { code, report } = await seal(b, "--validator-keys", path);
    assert.deepEqual([code, report.isSealed], [1, false]);
    assert.deepEqual(report.keystores, [{ file: path, status: "failed", reason }]);
  }
  assert.equal(b.kms.generateCount, 0);
});

test("seal names every failed key file, seals nothing, and the others when told to", async (t) => {
  const b = await bench(t);
  const wrongAddress = { ...SECP.file, address: ED.file.address };
  const paths = [
    await write(b, "a.json", ED.file),
    await write(b, "b.json", ED.file),
    await write(b, "c.json", wrongAddress),
    await write(b, "d.json", { ...BLS.file, pub_key: ED.file.pub_key }),
    await write(b, "e.json", {
      ...ED.file,
      priv_key: { type: "cometbft/PrivKeyMlDsa65", value: "" },
    }),
    await write(b, "f.json", BLS.file),
  ];
  const args = paths.flatMap((path) => ["--validator-keys", path]);
  const { code, report } = await seal(b, ...args);
  assert.deepEqual([code, report.isSealed, report.bundles.length], [1, false, 0]);
  assert.deepEqual(
    report.keystores.map(({ reason }) => reason),
    [
      undefined,
      `duplicate of ${paths[0] ?? ""}`,
      "address is not that of the public key",
      "malformed validator key",
      "unsupported type of key",
      undefined,
    ],
  );
  assert.equal(b.kms.generateCount, 0);
  assertNoSecret(b);
  const skipping = await seal(b, ...args, "--skip-failed", "--keys-per-bundle", "1");
  assert.equal(skipping.code, 0);
  assert.equal((await b.keysOf(join(b.dir, "keys-001.bundle"))).keyCount, 1);
  assert.equal((await b.keysOf(join(b.dir, "keys-002.bundle"))).keyCount, 1);
});

test("one public key is sealed once, under whatever scheme or form it comes", async (t) => {
  const b = await bench(t);
  const paths = [
    await write(b, "a.json", ETH.file),
    await write(b, "b.json", V2_ETH_FILE),
    await write(b, "c.json", SECP.file),
  ];
  const { code, report } = await seal(b, ...paths.flatMap((path) => ["--validator-keys", path]));
  assert.equal(code, 1);
  const duplicate = `duplicate of ${paths[0] ?? ""}`;
  assert.deepEqual(
    report.keystores.map(({ reason }) => reason),
    [undefined, duplicate, duplicate],
  );
});

test("keys of tmkms are of the type that the option says, and their address is printed", async (t) => {
  const b = await bench(t);
  const same = await write(b, "consensus.key", `${base64Of(ED.secret)}\n`);
  const other = await write(b, "one.key", base64Of(ED_ONE.secret));
  const { code, report } = await seal(
    b,
    "--tmkms-ed25519",
    same,
    "--tmkms-ed25519",
    other,
    "--tmkms-secp256k1",
    same,
  );
  assert.equal(code, 0);
  assert.deepEqual(
    report.keystores.map(({ file, scheme, address }) => [file, scheme, address]),
    [
      [same, "ed25519", ED.address],
      [other, "ed25519", ED_ONE.address],
      [same, "secp256k1", SECP.address],
    ],
  );
  assert.equal((await b.keysOf(b.out)).keyCount, 3);
  assertNoSecret(b);
});

test("seal refuses keys of tmkms that it can't seal, each by its name", async (t) => {
  const b = await bench(t);
  const expanded = await write(b, "expanded.key", Buffer.alloc(64, 1).toString("base64"));
  const exported = await write(b, "exported.key", Buffer.alloc(96, 1).toString("base64"));
  const json = await write(b, "key.json", ED.file);
  const large = await write(b, "large.key", " ".repeat(2000));
  const files = [expanded, exported, json, large, join(b.dir, "nowhere.key")];
  const { code, report } = await seal(b, ...files.flatMap((path) => ["--tmkms-ed25519", path]));
  assert.equal(code, 1);
  const isExpanded = "an expanded key: only 32-byte seeds can be sealed";
  assert.deepEqual(
    report.keystores.map(({ status, reason }) => [status, reason]),
    [
      ["failed", isExpanded],
      ["failed", isExpanded],
      ["failed", "malformed tmkms key"],
      ["failed", "too large"],
      ["failed", "unreadable"],
    ],
  );
});

test("a report for people has each address, and no secret", async (t) => {
  const b = await bench(t);
  const path = await write(b, "a.json", BLS.file);
  const args = ["--validator-keys", path, "--kms-key", KEY_ARN, "--out", b.out];
  assert.equal(await runSeal(args, b.ports()), 0);
  assert.match(b.stdout, new RegExp(`bls12381-nul.*${BLS.address}`));
  assertNoSecret(b);
});

test("seal leaves nothing behind when KMS refuses, or when it is interrupted", async (t) => {
  const b = await bench(t);
  const path = await write(b, "a.json", ED.file);
  const args = ["--validator-keys", path, "--kms-key", KEY_ARN, "--out", b.out];
  const failing = { ...b.ports(), generateDataKey: () => Promise.resolve(err("no network")) };
  assert.equal(await runSeal(args, failing), 1);
  assert.equal(await runSeal(args, { ...b.ports(), signal: AbortSignal.abort() }), 1);
  assert.equal(b.kms.generateCount, 0);
  assert.deepEqual(await readdir(b.dir), ["a.json"]);
});

test("seal sends a bundle of validator keys to Secrets Manager, and overwrites none", async (t) => {
  const b = await bench(t);
  const path = await write(b, "a.json", ED.file);
  const { code } = await seal(b, "--validator-keys", path, "--to-secrets-manager", "redoubt");
  assert.equal(code, 0);
  assert.deepEqual([...b.secrets.values.keys()], ["redoubt/keys/0000"]);
  const before = await readFile(b.out);
  assert.equal((await seal(b, "--validator-keys", path)).code, 2);
  assert.deepEqual(await readFile(b.out), before);
});

test("seal takes validator keys or something else, never both", async (t) => {
  const b = await bench(t);
  const path = await write(b, "a.json", ED.file);
  const good = ["--kms-key", KEY_ARN, "--out", b.out];
  const rows: readonly (readonly string[])[] = [
    "--validator-keys",
    "--tmkms-ed25519",
    "--tmkms-secp256k1",
  ].flatMap((option) => [
    [option],
    [option, path],
    [option, path, ...good, "--keystores", b.dir],
    [option, path, ...good, "--password-file", "a"],
    [option, path, ...good, "--passwords", "a"],
    [option, path, ...good, "--jobs", "1"],
    [option, path, ...good, "--store-credentials", path],
    [option, path, ...good, "--keys-per-bundle", "0"],
    [option, path, ...good, "--kms-key", "alias/keys"],
    [option, path, "--send", b.out, "--to-secrets-manager", "redoubt"],
  ]);
  for (const row of rows) assert.equal(await runSeal(row, b.ports()), 2, row.join(" "));
  assert.equal(b.kms.generateCount, 0);
});
