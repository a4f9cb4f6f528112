// `redoubt seal` into the local KMS and Secrets Manager over the real SDK, and the parent's reader
// of bundles, which has to find the same bytes.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createBundleReader } from "../../parent/ops/bundles.ts";
import { sealBundle } from "../../scripts/cli/bundle-sealer.ts";
import { createDataKeyGenerator } from "../../scripts/cli/data-key.ts";
import { PARTIAL_COST } from "../../scripts/cli/partial-file.ts";
import { runSeal } from "../../scripts/cli/seal.ts";
import { createLocalCa } from "../../scripts/local/ca.ts";
import { createFreshKeystores } from "../../scripts/local/keystores.ts";
import { createLocalKmsKey } from "../../scripts/local/kms-keys.ts";
import { compareKeys } from "../../shared/bundle/keys.ts";
import { parseKeyArn } from "../../shared/key-arn.ts";
import { ACCOUNT_ID, CALLER, type LocalAws, REGION, startLocalAws } from "../fakes/local-aws.ts";

const PASSWORD = "correct horse";
const POLICY = JSON.stringify({
  Version: "2012-10-17",
  Statement: [
    { Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:GenerateDataKey", Resource: "*" },
  ],
});

type Run = { readonly code: number; readonly report: Readonly<Record<string, unknown>> };

class Rig {
  readonly aws: LocalAws;
  readonly endpoint: string;
  readonly caFile: string;
  readonly keyArn: string;
  readonly #credentialsFile: string;

  constructor(aws: LocalAws) {
    this.aws = aws;
    this.endpoint = `https://127.0.0.1:${aws.server.port}`;
    this.caFile = aws.ca.certificatePath;
    const spec = { region: REGION, accountId: ACCOUNT_ID, policy: POLICY };
    this.keyArn = createLocalKmsKey(join(aws.folder, "keys"), spec);
    this.#credentialsFile = join(aws.folder, "credentials.json");
    const { accessKeyId, secretAccessKey, sessionToken } = CALLER;
    const credentials = {
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      SessionToken: sessionToken,
    };
    writeFileSync(this.#credentialsFile, JSON.stringify(credentials));
  }

  /** Another folder for each: a bundle's name is that of its file. */
  fileIn(folder: string): string {
    mkdirSync(join(this.aws.folder, folder), { recursive: true });
    return join(this.aws.folder, folder, "validators.bundle");
  }

  async run(...args: readonly string[]): Promise<Run> {
    let stdout = "";
    const usual = [
      ["--to-secrets-manager", "redoubt/bundles"],
      ["--secrets-endpoint", this.endpoint],
      ["--kms-ca", this.caFile],
      ["--credentials", this.#credentialsFile],
    ];
    // An option is given once: what a test gives stands in the place of the usual.
    const given = usual.filter(([name = ""]) => !args.includes(name)).flat();
    const code = await runSeal([...given, ...args, "--json"], {
      stdout: { write: (text) => (stdout += text) },
      stderr: { write: () => true },
      signal: new AbortController().signal,
      nowMs: Date.now,
      generateDataKey: null,
      secrets: null,
      partialCost: PARTIAL_COST,
    });
    return { code, report: JSON.parse(stdout) as Run["report"] }; // oxlint-disable-line typescript/no-unsafe-type-assertion -- our own output
  }

  async seal(keyCount: number, out: string): Promise<Run> {
    const keystores = join(this.aws.folder, `keystores-${keyCount}`);
    await createFreshKeystores(keystores, keyCount, PASSWORD, { n: 4 });
    const passwordFile = join(this.aws.folder, "password.txt");
    writeFileSync(passwordFile, PASSWORD);
    const given = [
      ["--keystores", keystores],
      ["--password-file", passwordFile],
      ["--kms-key", this.keyArn],
      ["--kms-endpoint", this.endpoint],
      ["--out", out],
    ].flat();
    return this.run(...given);
  }

  /** A bundle of keys that are none, but as many as wanted. */
  async writeLargeBundle(file: string, keyCount: number): Promise<void> {
    const arn = parseKeyArn(this.keyArn);
    assert(arn.ok);
    const aws = { endpoint: this.endpoint, caFile: this.caFile, credentials: credentialsOf() };
    const generate = await createDataKeyGenerator(arn.value, aws);
    const keys = Array.from({ length: keyCount }, () => ({
      scheme: "bls12381-pop" as const,
      publicKey: randomBytes(48),
      secret: new Uint8Array(randomBytes(32)),
    }));
    const sealed = await sealBundle(keys.toSorted(compareKeys), this.keyArn, Date.now(), generate);
    assert(sealed.ok);
    writeFileSync(file, sealed.value.bytes);
  }

  /** As a parent reads them: with a right to list, and by name. */
  async assertStored(file: string): Promise<void> {
    const bytes = readFileSync(file);
    for (const names of [{}, { names: ["validators"] }]) {
      const source = {
        kind: "secrets-manager" as const,
        region: REGION,
        prefix: "redoubt/bundles",
        endpoint: this.endpoint,
        caFile: this.caFile,
        ...names,
      };
      const credentials = { ...CALLER, expirationMs: 0 };
      const read = createBundleReader({ sources: [source], credentials: () => credentials });
      const { bundles, failures } = await read();
      assert.deepEqual(failures, []);
      assert.deepEqual(
        bundles.map(({ name }) => name),
        ["validators"],
      );
      assert(bytes.equals(bundles[0]?.bytes ?? new Uint8Array(0)));
    }
  }
}

function credentialsOf() {
  const { accessKeyId, secretAccessKey, sessionToken } = CALLER;
  assert(sessionToken !== null);
  return { accessKeyId, secretAccessKey, sessionToken };
}

async function startRig(context: TestContext): Promise<Rig> {
  return new Rig(await startLocalAws(context));
}

const PLACE = { bundle: "validators", prefix: "redoubt/bundles", region: REGION };

test("seal writes a bundle that the parent reads back bit for bit", async (context) => {
  const rig = await startRig(context);
  const file = rig.fileIn("one");
  const { code, report } = await rig.seal(2, file);
  assert.equal(code, 0, JSON.stringify(report));
  assert.deepEqual(report["secrets"], [{ ...PLACE, chunkCount: 1, removedCount: 0 }]);
  await rig.assertStored(file);
});

test("a smaller bundle of the same name leaves nothing of the larger one", async (context) => {
  const rig = await startRig(context);
  const large = rig.fileIn("large");
  await rig.writeLargeBundle(large, 2000);
  const sent = await rig.run("--send", large);
  assert.equal(sent.code, 0, JSON.stringify(sent.report));
  assert.deepEqual(sent.report["secrets"], [{ ...PLACE, chunkCount: 3, removedCount: 0 }]);
  await rig.assertStored(large);

  const small = rig.fileIn("small");
  const resealed = await rig.seal(1, small);
  assert.equal(resealed.code, 0, JSON.stringify(resealed.report));
  assert.deepEqual(resealed.report["secrets"], [{ ...PLACE, chunkCount: 1, removedCount: 2 }]);
  await rig.assertStored(small);

  const again = await rig.run("--send", large);
  assert.equal(again.code, 0, JSON.stringify(again.report));
  await rig.assertStored(large);
});

test("a failure of Secrets Manager is named, and sending again repairs it", async (context) => {
  const rig = await startRig(context);
  const file = rig.fileIn("one");
  const denial = { __type: "AccessDeniedException", Message: "not authorized" };
  for (const operation of ["PutSecretValue", "CreateSecret", "DescribeSecret"]) {
    rig.aws.fault = (target) =>
      target === `secretsmanager.${operation}`
        ? { status: 400, body: JSON.stringify(denial) }
        : undefined;
    const { code, report } =
      operation === "PutSecretValue" ? await rig.seal(1, file) : await rig.run("--send", file);
    assert.equal(code, 1, operation);
    assert.deepEqual(report["secrets"], []);
    const wanted = new RegExp(`${operation} of redoubt/bundles/validators/\\d{4} .*AccessDenied`);
    assert.match(String(report["error"]), wanted);
  }
  rig.aws.fault = () => undefined;
  assert.equal((await rig.run("--send", file)).code, 0);
  await rig.assertStored(file);
});

test("nothing is sent to a listener that the trust anchors don't vouch for", async (context) => {
  const rig = await startRig(context);
  const file = rig.fileIn("one");
  await rig.writeLargeBundle(file, 1);
  const other = createLocalCa(join(rig.aws.folder, "other-ca")).certificatePath;
  const { code, report } = await rig.run("--send", file, "--kms-ca", other);
  assert.deepEqual([code, report["secrets"]], [1, []]);
});
