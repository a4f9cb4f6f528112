// The stand-ins of AWS as the program that `npm start` runs, asked by the real AWS SDK.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent } from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetKeyPolicyCommand,
  KMSClient,
} from "@aws-sdk/client-kms";
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { createBundleReader } from "../../parent/ops/bundles.ts";
import { createSecretReader } from "../../parent/ops/secret-reader.ts";
import { createLocalKmsKey, writePolicy } from "../../scripts/local/kms-keys.ts";
import { openRoot } from "../../scripts/local/nsm-pki.ts";
import { encodeBundleChunks, encodeChunkName } from "../../shared/bundle/chunks.ts";

const REGION = "eu-central-1";
const PROGRAM = resolve(import.meta.dirname, "../../scripts/local/kms-program.ts");
const FILE = { AccessKeyId: "AKIALOCALLOCALLOCAL1", SecretAccessKey: "local/secret/of/a/test" };
const CREDENTIALS = {
  accessKeyId: FILE.AccessKeyId,
  secretAccessKey: FILE.SecretAccessKey,
  sessionToken: null,
  expirationMs: 0,
};

type Program = { readonly folder: string; readonly endpoint: string; readonly caFile: string };

async function startProgram(context: TestContext): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-local-aws-"));
  openRoot(join(folder, "pki"));
  writeFileSync(join(folder, "credentials.json"), JSON.stringify(FILE));
  const args = [
    ["--dir", join(folder, "aws")],
    ["--nsm-root", join(folder, "pki", "nsm-root.pem")],
    ["--ca-dir", join(folder, "ca")],
    ["--credentials", join(folder, "credentials.json")],
  ].flat();
  const child = spawn(process.execPath, ["--no-warnings", PROGRAM, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(async () => {
    await stop(child);
    rmSync(folder, { recursive: true });
  });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string]; // oxlint-disable-line typescript/no-unsafe-type-assertion -- readline's own type
  const ready = JSON.parse(line) as { port: number }; // oxlint-disable-line typescript/no-unsafe-type-assertion -- checked by using it
  const endpoint = `https://127.0.0.1:${ready.port}`;
  return { folder, endpoint, caFile: join(folder, "ca", "ca.crt") };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
  assert.equal(child.exitCode, 0);
}

function clientConfig({ endpoint, caFile }: Program) {
  const httpsAgent = new Agent({ ca: readFileSync(caFile) });
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  return {
    region: REGION,
    endpoint,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
    requestHandler: new NodeHttpHandler({ httpsAgent }),
  };
}

const ALLOW_ALL = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" }],
});

test("the local KMS answers the AWS SDK and follows the policy's file", async (context) => {
  const program = await startProgram(context);
  const keys = join(program.folder, "aws", "keys");
  const spec = { region: REGION, accountId: "000000000000", policy: ALLOW_ALL };
  const KeyId = createLocalKmsKey(keys, spec);
  const client = new KMSClient(clientConfig(program));
  context.after(() => client.destroy());
  const EncryptionContext = { a: "1", b: "2" };

  const made = await client.send(
    new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256", EncryptionContext }),
  );
  assert.equal(made.KeyId, KeyId);
  assert.equal(made.Plaintext?.length, 32);
  const { CiphertextBlob } = made;
  const opened = await client.send(
    new DecryptCommand({ KeyId, CiphertextBlob, EncryptionContext: { b: "2", a: "1" } }),
  );
  assert.deepEqual(opened.Plaintext, made.Plaintext);
  await assert.rejects(client.send(new DecryptCommand({ CiphertextBlob })), {
    name: "InvalidCiphertextException",
  });
  const encrypted = await client.send(
    new EncryptCommand({ KeyId, Plaintext: Buffer.from("x"), EncryptionContext }),
  );
  const again = await client.send(
    new DecryptCommand({ CiphertextBlob: encrypted.CiphertextBlob, EncryptionContext }),
  );
  assert.equal(Buffer.from(again.Plaintext ?? []).toString(), "x");
  const described = await client.send(new DescribeKeyCommand({ KeyId }));
  assert.equal(described.KeyMetadata?.Arn, KeyId);
  const policy = await client.send(new GetKeyPolicyCommand({ KeyId }));
  assert.equal(policy.Policy, ALLOW_ALL);

  writePolicy(keys, KeyId, ALLOW_ALL.replace("Allow", "Deny"));
  await assert.rejects(client.send(new DescribeKeyCommand({ KeyId })), {
    name: "AccessDeniedException",
  });
  const missing = KeyId.replace(/\/.{8}/, "/00000000");
  await assert.rejects(client.send(new DescribeKeyCommand({ KeyId: missing })), {
    name: "NotFoundException",
  });
});

test("bundles in the local Secrets Manager are read back whole", async (context) => {
  const program = await startProgram(context);
  const client = new SecretsManagerClient(clientConfig(program));
  context.after(() => client.destroy());
  const bundle = Buffer.alloc(150_000, "bundle");
  for (const [index, SecretBinary] of encodeBundleChunks(bundle).entries()) {
    const Name = encodeChunkName("redoubt", { bundle: "validators", index });
    await client.send(new CreateSecretCommand({ Name, SecretBinary }));
  }
  const { endpoint, caFile } = program;
  const source = {
    kind: "secrets-manager",
    region: REGION,
    prefix: "redoubt",
    endpoint,
    caFile,
  } as const;
  const bundles = (names?: string[]) => {
    const sources = [names === undefined ? source : { ...source, names }];
    return createBundleReader({ sources, credentials: () => CREDENTIALS })();
  };
  for (const read of [await bundles(), await bundles(["validators"])]) {
    assert.deepEqual(read.failures, []);
    assert.equal(read.bundles[0]?.name, "validators");
    assert(bundle.equals(read.bundles[0].bytes));
  }

  const SecretId = encodeChunkName("redoubt", { bundle: "validators", index: 1 });
  await client.send(new PutSecretValueCommand({ SecretId, SecretBinary: Buffer.from("x") }));
  assert.deepEqual((await bundles()).failures, [{ name: "validators", code: "BUNDLE_MALFORMED" }]);
  await client.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
  const incomplete = [{ name: "validators", code: "BUNDLE_INCOMPLETE" }];
  assert.deepEqual((await bundles()).failures, incomplete);
  assert.deepEqual((await bundles(["validators"])).failures, incomplete);
});

test("a secret that is to be deleted later keeps its name and answers nothing", async (context) => {
  const program = await startProgram(context);
  const client = new SecretsManagerClient(clientConfig(program));
  context.after(() => client.destroy());
  const SecretId = "later/a/0000";
  const create = new CreateSecretCommand({ Name: SecretId, SecretString: "x" });
  await client.send(create);
  const described = await client.send(new DescribeSecretCommand({ SecretId }));
  assert.equal(described.DeletedDate, undefined);
  for (const days of [6, 31]) {
    const bad = new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: days });
    await assert.rejects(client.send(bad), { name: "InvalidParameterException" });
  }
  const { DeletionDate } = await client.send(
    new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }),
  );
  const scheduled = await client.send(new DescribeSecretCommand({ SecretId }));
  assert.deepEqual(scheduled.DeletedDate, DeletionDate);
  const invalid = { name: "InvalidRequestException" };
  const put = new PutSecretValueCommand({ SecretId, SecretString: "y" });
  await assert.rejects(client.send(put), invalid);
  await assert.rejects(client.send(create), invalid);
  const { endpoint, caFile } = program;
  const caPem = readFileSync(caFile, "utf8");
  const reader = createSecretReader({ region: REGION, endpoint, caPem, credentials: CREDENTIALS });
  context.after(() => reader.close());
  assert.deepEqual(await reader.list("later/"), { ok: true, value: [] });
  const refused = await reader.read(SecretId);
  assert(!refused.ok && refused.error.code === "BUNDLE_SOURCE");

  const remove = new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true });
  await client.send(remove);
  // Once more, and nothing is there.
  await client.send(remove);
  await assert.rejects(client.send(new DescribeSecretCommand({ SecretId })), {
    name: "ResourceNotFoundException",
  });
  await client.send(create);
});

test("the names of more secrets than fit on a page are all listed", async (context) => {
  const program = await startProgram(context);
  const client = new SecretsManagerClient(clientConfig(program));
  context.after(() => client.destroy());
  const names = Array.from(
    { length: 101 },
    (_, index) => `many/a/${String(index).padStart(4, "0")}`,
  );
  await Promise.all(
    names.map((Name) => client.send(new CreateSecretCommand({ Name, SecretString: "x" }))),
  );
  const { endpoint, caFile } = program;
  const caPem = readFileSync(caFile, "utf8");
  const reader = createSecretReader({ region: REGION, endpoint, caPem, credentials: CREDENTIALS });
  context.after(() => reader.close());
  const listed = await reader.list("many/");
  assert(listed.ok);
  assert.deepEqual(listed.value, names);
  const denied = createSecretReader({
    region: REGION,
    endpoint,
    caPem,
    credentials: { ...CREDENTIALS, secretAccessKey: "another/secret/key" },
  });
  context.after(() => denied.close());
  const refused = await denied.list("many/");
  assert(!refused.ok && refused.error.code === "BUNDLE_SOURCE");
});
