import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { z } from "zod";
import { parseManifest } from "../../../../enclave/core/manifest.ts";
import { parseConfig } from "../../../../parent/ops/config.ts";
import { runInit } from "../../../../scripts/cli/init.ts";
import { parseSealArgs } from "../../../../scripts/cli/seal-options.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";

const folder = mkdtempSync(join(tmpdir(), "redoubt-init-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const NONE: readonly string[] = [];

/** Keys A and B of tendermint.md §2.3. */
const SEED_A = "a0d068d7c44e951610d54a7eb90279e8a31b61128d44d2dd92311763c468185c";
const PUBLIC_A = "8f5a716b651b628b3e6fffd28f8b1fafc765fcfca53f7cad89f4680585c76680";
const SEED_B = "b07e65300419ce0b5d7274bcbc67fcfd3fb68272de9aa52a452a6889c7d33fd5";
const PUBLIC_B = "1ac739117419d70a79bc031b74a7dbcf3e1d6f82342693078d526ddbd41984c2";

function base64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const SOFTSIGN_KEY = write("it's a.key", `${base64(SEED_A)}\n`);
const JSON_KEY = write(
  "priv_validator_key.json",
  JSON.stringify({
    address: createHash("sha256")
      .update(Buffer.from(PUBLIC_B, "hex"))
      .digest("hex")
      .slice(0, 40)
      .toUpperCase(),
    pub_key: { type: "tendermint/PubKeyEd25519", value: base64(PUBLIC_B) },
    priv_key: { type: "tendermint/PrivKeyEd25519", value: base64(SEED_B + PUBLIC_B) },
  }),
);

/** One chain with one key in `path`, and whatever else. */
function configOf(path: string, more = ""): string {
  return `
[[chain]]
id = "cosmoshub-4"
key_format = { type = "hex" }
state_file = "${folder}/state.json"

[[validator]]
addr = "tcp://10.0.1.10:26659"
chain_id = "cosmoshub-4"
secret_key = "${folder}/kms-identity.key"
max_height = "500000"

[[providers.softsign]]
chain_ids = ["cosmoshub-4"]
path = "${path}"
${more}`;
}

const WHOLE = write("whole.toml", configOf(SOFTSIGN_KEY));
const LEDGER = `
[[providers.ledgertm]]
chain_ids = ["cosmoshub-4"]
`;
let outCount = 0;

function freshOut(): string {
  outCount += 1;
  return join(folder, `out-${outCount}`);
}

const answer = z.looseObject({
  ok: z.boolean(),
  written: z.array(z.string()),
  problems: z.array(z.string()),
});

async function init(config: string, ...more: readonly string[]) {
  const out = freshOut();
  const outcome = await runInit(["--tmkms", config, "--out", out, "--json", ...more]);
  const json = outcome.stdout === "" ? null : answer.parse(JSON.parse(outcome.stdout));
  return { out, exitCode: outcome.exitCode, json, text: outcome.stdout + outcome.stderr };
}

describe("redoubt init", () => {
  it("writes a manifest that the enclave takes, with the key of the file", async () => {
    const { out, exitCode } = await init(WHOLE, "--kms-key", KEY_ARN);
    assert.equal(exitCode, 0);
    const manifest = parseManifest(readFileSync(join(out, "manifest.json")));
    assert(manifest.ok && manifest.value.family === "tendermint");
    const { chains, kmsKeyArn, state } = manifest.value;
    assert.deepEqual(
      chains.map(({ chainId, keys, maxHeight }) => [chainId, keys.map(encodeHex), maxHeight]),
      [["cosmoshub-4", [PUBLIC_A], 500_000n]],
    );
    assert.deepEqual([kmsKeyArn, state.kind], [KEY_ARN, "parent"]);
  });

  it("writes a configuration that the parent takes, with the nodes and the identity", async () => {
    const { out } = await init(WHOLE, "--kms-key", KEY_ARN);
    const config = parseConfig(readFileSync(join(out, "parent.json")), out);
    assert.ok(config.ok, config.ok ? "" : config.error.problems.join());
    const { privval, relay } = config.value;
    assert.equal(privval?.identityFile, join(folder, "kms-identity.key"));
    assert.deepEqual(
      privval.nodes.map(({ chainId, address }) => [chainId, address.address]),
      [["cosmoshub-4", { kind: "tcp", host: "10.0.1.10", port: 26_659 }]],
    );
    assert.deepEqual(relay.allow, ["kms.eu-central-1.amazonaws.com:443"]);
  });

  it("writes files that nobody takes as long as the KMS key is missing", async () => {
    const { out, exitCode } = await init(WHOLE);
    assert.equal(exitCode, 0);
    const manifest = parseManifest(readFileSync(join(out, "manifest.json")));
    assert.equal(manifest.ok ? null : manifest.error.code, "MANIFEST_MALFORMED");
    const config = parseConfig(readFileSync(join(out, "parent.json")), out);
    assert.deepEqual(
      config.ok ? NONE : config.error.problems.map((problem) => problem.split(":")[0]),
      ["relay.allow[0]"],
    );
  });

  it("prints commands that redoubt seal takes, whatever the path", async () => {
    const { out } = await init(WHOLE, "--kms-key", KEY_ARN);
    const page = readFileSync(join(out, "NEXT-STEPS.md"), "utf8").replaceAll(/\\\n\s*/g, "");
    const [line = ""] = page.match(/scripts\/redoubt seal .*/) ?? [];
    const quoted = `'${SOFTSIGN_KEY.replace("'", String.raw`'\''`)}'`;
    assert.ok(line.includes(quoted), line);
    const args = line.replace(quoted, "PATH").split(" ").slice(2);
    assert.equal(args.at(-1), join(out, "bundles", "cosmoshub-4.bundle"));
    const parsed = await parseSealArgs(args);
    assert.equal(parsed.ok && parsed.value.kind, "validators");
    assert.ok(
      page.includes(`state import ${folder}/state.json --format tmkms --chain cosmoshub-4`),
    );
    assert.ok(page.includes(PUBLIC_A.toUpperCase()));
  });

  it("takes a key in JSON, and has it sealed as such", async () => {
    const text = configOf(JSON_KEY).replace(/(?=path = )/, 'key_format = "json"\n');
    const { out, exitCode } = await init(write("json.toml", text));
    assert.equal(exitCode, 0);
    assert.ok(readFileSync(join(out, "manifest.json"), "utf8").includes(`0x${PUBLIC_B}`));
    const page = readFileSync(join(out, "NEXT-STEPS.md"), "utf8");
    assert.ok(page.includes(`--validator-keys ${JSON_KEY}`));
  });

  it("never shows a secret", async () => {
    const { out, text } = await init(WHOLE);
    const files = ["manifest.json", "parent.json", "NEXT-STEPS.md"];
    const all = files.map((name) => readFileSync(join(out, name), "utf8")).join() + text;
    assert.ok(!all.includes(SEED_A) && !all.includes(base64(SEED_A)));
  });

  it("never overwrites a file, and writes none beside one that is there", async () => {
    const out = freshOut();
    mkdirSync(out);
    writeFileSync(join(out, "parent.json"), "mine");
    const { exitCode } = await runInit(["--tmkms", WHOLE, "--out", out]);
    assert.equal(exitCode, 1);
    assert.equal(readFileSync(join(out, "parent.json"), "utf8"), "mine");
    assert.ok(!existsSync(join(out, "manifest.json")));
  });

  it("ends with 1 when a key of tmkms is left out, and writes the rest", async () => {
    const config = write("ledger.toml", configOf(SOFTSIGN_KEY, LEDGER));
    const { exitCode, json, out } = await init(config);
    assert.deepEqual([exitCode, json?.ok, json?.written.length], [1, false, 3]);
    assert.match(readFileSync(join(out, "NEXT-STEPS.md"), "utf8"), /providers\.ledgertm\[0\]/);
  });

  it("writes nothing when a key can't be opened, and says which", async () => {
    const expanded = write("expanded.key", base64("01".repeat(64)));
    for (const path of [join(folder, "none"), expanded, JSON_KEY]) {
      const { exitCode, json, out } = await init(write("broken.toml", configOf(path)));
      assert.deepEqual([exitCode, json?.ok, json?.written], [1, false, []]);
      assert.equal(json?.problems[0]?.split(":")[0], "providers.softsign[0].path");
      assert.ok(!existsSync(out));
    }
  });

  it("refuses one secret under two paths for two chains", async () => {
    const copy = write("copy.key", base64(SEED_A));
    const more = `
[[chain]]
id = "osmosis-1"
key_format = { type = "hex" }
[[providers.softsign]]
chain_ids = ["osmosis-1"]
path = "${copy}"
`;
    const config = write("twins.toml", configOf(SOFTSIGN_KEY, more));
    const { exitCode, json } = await init(config);
    assert.equal(exitCode, 1);
    assert.equal(json?.problems[0]?.split(":")[0], "providers.softsign[1].path");
    const one = await init(config, "--chain", "osmosis-1");
    assert.equal(one.exitCode, 0);
  });

  it("ends with 1 for what is no configuration of tmkms", async () => {
    const { exitCode, json } = await init(write("wrong.toml", "colour = 1"));
    assert.deepEqual([exitCode, json?.ok], [1, false]);
  });

  it("ends with 2 for wrong use", async () => {
    const rows: readonly (readonly string[])[] = [
      [],
      ["--tmkms", WHOLE],
      ["--out", folder],
      ["--tmkms", join(folder, "none"), "--out", freshOut()],
      ["--tmkms", WHOLE, "--out", freshOut(), "--kms-key", "alias/redoubt"],
      ["--tmkms", WHOLE, "--out", freshOut(), "--chain", "other"],
      ["--tmkms", WHOLE, "--tmkms", WHOLE, "--out", freshOut()],
      ["--tmkms", WHOLE, "--out", freshOut(), "stray"],
    ];
    for (const args of rows) assert.equal((await runInit(args)).exitCode, 2, args.join(" "));
  });
});
