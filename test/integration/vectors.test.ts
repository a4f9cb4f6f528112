// The runner of vectors as a process: over our own vectors, over folders in which each file is
// wrong in one more way, and over the shared vectors when they lie beside the checkout.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseEnvelope } from "../../enclave/kms/cms.ts";
import { encodeCertificatePem } from "../../scripts/local/certificate-issuer.ts";
import { encryptForRecipient } from "../../scripts/local/recipient-envelope.ts";
import { AWS_NITRO_ROOT_G1 } from "../../shared/attestation/aws-root.ts";
import { concatBytes } from "../../shared/bytes/compare.ts";
import { documentOf, ROOT as SIMULATED_ROOT } from "../fakes/attestation-fixture.ts";
import { SHARED_VECTORS, whyNoVectors } from "../fakes/shared-vectors.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const OWN = join(ROOT, "test/vectors/data");

type Run = {
  readonly code: number | null;
  readonly closing: string;
  readonly error: string;
  /** Names of the results of each outcome, without their details. */
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
};

async function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  const child = spawn(process.execPath, ["--no-warnings", ...args], {
    cwd: ROOT,
    // npm sets it for `npm test`; it is where relative folders start.
    env: { ...process.env, INIT_CWD: ROOT, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let error = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (error += chunk.toString()));
  const code = await new Promise<number | null>((settle) => child.on("close", settle));
  const lines = out.trimEnd().split("\n");
  const named = (outcome: string) =>
    lines.flatMap((line) => {
      const [found, name = ""] = /^(?:passed|failed|skipped) +([^(]+?)(?: \(|$)/.exec(line) ?? [];
      return found?.startsWith(outcome) === true ? [name] : [];
    });
  const closing = lines.at(-1) ?? "";
  return {
    code,
    closing,
    error,
    passed: named("passed"),
    failed: named("failed"),
    skipped: named("skipped"),
  };
}

function vectors(folder: string, env: NodeJS.ProcessEnv = {}): Promise<Run> {
  return start(["test/vectors/run.ts", folder], env);
}

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "redoubt-vectors-"));
});
after(() => rm(folder, { recursive: true }));

async function write(
  name: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    const whole = join(folder, name, path);
    await mkdir(dirname(whole), { recursive: true });
    await writeFile(whole, content);
  }
  return join(folder, name);
}

function ownVector(name: string): Promise<string> {
  return readFile(join(OWN, "eip3076", name), "utf8");
}

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PLAINTEXT = new Uint8Array(32).fill(7);
const VALUE = encryptForRecipient(PLAINTEXT, publicKey.export({ type: "spki", format: "der" }));
const KEY_PEM = privateKey.export({ type: "pkcs8", format: "pem" });

function partsOfValue(): Readonly<Record<string, Uint8Array>> {
  const envelope = parseEnvelope(VALUE);
  assert.ok(envelope.ok);
  return {
    "_input_ber.bin": VALUE,
    "_ciphertext_out.bin": concatBytes(...envelope.value.ciphertext),
    "_encrypted_key_out.bin": envelope.value.encryptedKey,
    "_iv_out.bin": envelope.value.initialVector,
  };
}

function renamed(
  prefix: string,
  files: Readonly<Record<string, Uint8Array>>,
): Record<string, Uint8Array> {
  return Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => [`${prefix}${name}`, bytes]),
  );
}

describe("npm run vectors", () => {
  it("passes every vector of our own through the whole enclave", async (context) => {
    const count = readdirSync(join(OWN, "eip3076")).length;
    const run = await vectors(OWN);
    assert.deepEqual(run.failed, []);
    assert.equal(run.passed.length, count);
    assert.equal(run.closing, `${count} passed, 0 failed`);
    assert.equal(run.code, 0);
    context.diagnostic(`${count} of our own EIP-3076 vectors ran`);
  });

  it("takes a folder with nothing but files, relative to where npm was called", async () => {
    const run = await vectors("eip3076", { INIT_CWD: OWN });
    assert.match(run.closing, /^[1-9]\d* passed, 0 failed$/);
    assert.equal(run.code, 0);
  });

  it("passes every other kind that can be made here, and says what it skips", async () => {
    const good = await write("good", {
      "README.md": "# for people\n",
      "root.pem": encodeCertificatePem(AWS_NITRO_ROOT_G1),
      "kms-recipient/own_ciphertextforrecipient.bin": VALUE,
      "kms-recipient/own_plaintext.bin": PLAINTEXT,
      "kms-recipient/own_key.pem": KEY_PEM,
      ...renamed("kms-recipient/parts", partsOfValue()),
      "tezos-payloads.json": JSON.stringify({ chain_id: {}, keys: {}, payloads: {} }),
    });
    const run = await vectors(good);
    assert.deepEqual(run.passed, [
      "kms-recipient/own_ciphertextforrecipient.bin",
      "kms-recipient/parts_input_ber.bin",
      "good/root.pem",
    ]);
    assert.deepEqual(run.skipped, ["good/tezos-payloads.json"]);
    assert.equal(run.closing, "3 passed, 0 failed");
    assert.equal(run.code, 0);
  });

  it("fails a vector whose expectation is turned around, each attempt and import", async () => {
    const names = ["double_block.json", "double_vote.json", "wrong_network.json"];
    const files: Record<string, string> = {};
    for (const name of names) {
      const text = await ownVector(name);
      // Not the exact repeats, where a full history and a watermark differ.
      const pattern = /"should_succeed": (true|false),(?!\s*"should_succeed_complete": (?!\1))/g;
      for (const [index, found] of [...text.matchAll(pattern)].entries()) {
        const turned = found[0].replace(found[1] ?? "", found[1] === "true" ? "false" : "true");
        const changed =
          text.slice(0, found.index) + turned + text.slice(found.index + found[0].length);
        files[`${index}-${name}`] = changed;
      }
    }
    const run = await vectors(await write("turned", files));
    const count = Object.keys(files).length;
    assert.ok(count > 20);
    assert.deepEqual(run.passed, []);
    assert.equal(run.closing, `0 passed, ${count} failed`);
    assert.equal(run.code, 1);
  });

  it("fails each file that is broken, unknown or not what it seems, and goes on", async () => {
    const good = await ownVector("double_block.json");
    const bad = await write("bad", {
      "a/broken.json": "{",
      "a/crash.json": good.replaceAll('"slot": "11"', '"slot": "011"'),
      "a/latin.json": Uint8Array.of(0x22, 0xe9, 0x22),
      "a/other.json": "{}",
      "a/shape.json": '{"steps": 1}',
      "a/short-key.json": good.replace(/"pubkey": "0x(..)/, '"pubkey": "0x'),
      "k/another_ciphertextforrecipient.bin": VALUE,
      "k/another_key.pem": KEY_PEM,
      "k/another_plaintext.bin": PLAINTEXT.slice(1),
      "k/lonely_ciphertextforrecipient.bin": VALUE,
      "k/orphan_plaintext.bin": PLAINTEXT,
      ...renamed("k/swapped", { ...partsOfValue(), "_iv_out.bin": new Uint8Array(16) }),
      "k/wrongkey_ciphertextforrecipient.bin": VALUE,
      "k/wrongkey_key.pem": "no key",
      "k/wrongkey_plaintext.bin": PLAINTEXT,
      "attestation-documents/empty.bin": new Uint8Array(),
      "attestation-documents/simulated.bin": documentOf(),
      "z/certificate.pem": encodeCertificatePem(SIMULATED_ROOT.der),
      "z/nothing.pem": "nothing",
      "z/notes.txt": "notes",
      "z/unknown.bin": new Uint8Array(8),
      "z/vector.json": good,
    });
    await symlink(join(bad, "nowhere"), join(bad, "z/dangling.json"));
    const run = await vectors(bad);
    assert.deepEqual(run.failed, [
      "a/broken.json",
      "a/crash.json",
      "a/latin.json",
      "a/other.json",
      "a/shape.json",
      // Our import refuses a file whose key is short, and so does the vector's own form.
      "a/short-key.json",
      "attestation-documents/empty.bin",
      "attestation-documents/simulated.bin: verifies",
      "k/another_ciphertextforrecipient.bin",
      "k/lonely_ciphertextforrecipient.bin",
      "k/orphan_plaintext.bin",
      "k/swapped_input_ber.bin",
      "k/wrongkey_ciphertextforrecipient.bin",
      "z/certificate.pem",
      join(bad, "z/dangling.json"),
      "z/notes.txt",
      "z/nothing.pem",
      "z/unknown.bin",
    ]);
    assert.ok(run.passed.includes("z/vector.json"));
    assert.equal(run.closing, `${run.passed.length} passed, ${run.failed.length} failed`);
    assert.equal(run.code, 1);
  });

  it("fails when it finds no vector at all, and takes nothing but one folder", async () => {
    const empty = await write("empty", { "README.md": "" });
    const none = await vectors(empty);
    assert.equal(none.closing, "0 passed, 0 failed");
    assert.equal(none.code, 1);
    assert.equal((await vectors(join(folder, "missing"))).code, 2);
    assert.equal((await vectors(join(empty, "README.md"))).code, 2);
    assert.equal((await start(["test/vectors/run.ts"])).code, 2);
    assert.equal((await start(["test/vectors/run.ts", OWN, OWN])).code, 2);
  });

  it("counts what nobody can catch, and silence, as a failure of that case", async () => {
    const program = join(folder, "program.mjs");
    const result = JSON.stringify(join(ROOT, "test/vectors/vector-result.ts"));
    await writeFile(
      program,
      `import { passed, runCase } from ${result};
      const later = (run) => new Promise((settle) => setImmediate(() => { run(); settle(); }));
      const results = [
        await runCase("a", () => passed("")),
        await runCase("b", () => later(() => { throw new Error("in a callback"); })),
        await runCase("c", async () => {
          Promise.reject(new Error("left alone"));
          for (let turn = 0; turn < 3; turn++) await later(() => {});
          return passed("");
        }),
        await runCase("d", () => { throw "no error"; }),
        await runCase("e", () => new Promise(() => {}), 10),
        await runCase("f", async () => passed("")),
      ];
      for (const { outcome, name } of results) console.log(outcome.padEnd(7), name);
      console.log("end");`,
    );
    const run = await start([program]);
    assert.deepEqual(run.passed, ["a", "f"]);
    assert.deepEqual(run.failed, ["b", "c", "d", "e"]);
    assert.equal(run.closing, "end", run.error);
    assert.equal(run.code, 0);
  });
});

/** Why the shared vectors don't run here; false when they do. */
const WHY_NOT = whyNoVectors("");

describe("the shared vectors", () => {
  it("all pass", { skip: WHY_NOT }, async (context) => {
    const run = await vectors(SHARED_VECTORS);
    assert.deepEqual(run.failed, []);
    assert.equal(run.closing, `${run.passed.length} passed, 0 failed`);
    assert.equal(run.code, 0);
    const skipped = run.skipped.length === 0 ? "" : `, ${run.skipped.length} skipped`;
    context.diagnostic(`${run.passed.length} of the shared vectors ran${skipped}`);
  });

  it("run from any one of their folders alone", { skip: WHY_NOT }, async () => {
    for (const name of ["kms-recipient", "attestation-documents"]) {
      if (!existsSync(join(SHARED_VECTORS, name))) continue;
      const copy = join(folder, "alone", name);
      await cp(join(SHARED_VECTORS, name), copy, { recursive: true });
      const run = await vectors(copy);
      assert.deepEqual(run.failed, []);
      assert.equal(run.code, 0);
    }
  });
});
