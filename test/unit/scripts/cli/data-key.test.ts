import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readCredentials } from "../../../../scripts/cli/aws-options.ts";
import { createDataKeyGenerator } from "../../../../scripts/cli/data-key.ts";
import { parseKeyArn } from "../../../../shared/key-arn.ts";
import { KEY_ARN } from "../../../fakes/sealed-keys.ts";

const CONTEXT = { "redoubt:bundle": "00".repeat(16), "redoubt:purpose": "redoubt/keys" };

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

type Kms = { readonly endpoint: string; readonly asked: { target: string; body: unknown }[] };

/** A server that gives one answer to every call. */
async function serveKms(t: TestContext, status: number, answer: object): Promise<Kms> {
  const asked: Kms["asked"] = [];
  const server: Server = createServer((request, response) => {
    void textOf(request).then((text) => {
      const target = String(request.headers["x-amz-target"]);
      asked.push({ target, body: JSON.parse(text) as unknown });
      response.writeHead(status, { "content-type": "application/x-amz-json-1.1" });
      response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return { endpoint: `http://127.0.0.1:${address.port}`, asked };
}

async function generate(kms: Kms) {
  const arn = parseKeyArn(KEY_ARN);
  assert.ok(arn.ok);
  const generator = await createDataKeyGenerator(arn.value, {
    endpoint: kms.endpoint,
    caFile: null,
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
  });
  return generator(KEY_ARN, CONTEXT);
}

const PLAINTEXT = Buffer.alloc(32, 7).toString("base64");
const WRAPPED = Buffer.alloc(184, 8).toString("base64");

test("a data key is asked for with the bundle's context, for the full ARN", async (t) => {
  const kms = await serveKms(t, 200, {
    KeyId: KEY_ARN,
    Plaintext: PLAINTEXT,
    CiphertextBlob: WRAPPED,
  });
  const dataKey = await generate(kms);
  assert.ok(dataKey.ok);
  assert.deepEqual(dataKey.value.plaintext, new Uint8Array(32).fill(7));
  assert.equal(Buffer.from(dataKey.value.wrapped).toString("base64"), WRAPPED);
  assert.deepEqual(kms.asked, [
    {
      target: "TrentService.GenerateDataKey",
      body: { KeyId: KEY_ARN, KeySpec: "AES_256", EncryptionContext: CONTEXT },
    },
  ]);
});

test("an answer for another key, of another size, or a refusal gives no data key", async (t) => {
  const good = { KeyId: KEY_ARN, Plaintext: PLAINTEXT, CiphertextBlob: WRAPPED };
  const rows: readonly (readonly [number, object])[] = [
    [200, { ...good, KeyId: KEY_ARN.replace("1234abcd", "00000000") }],
    [200, { ...good, Plaintext: Buffer.alloc(16).toString("base64") }],
    [200, { ...good, CiphertextBlob: Buffer.alloc(6145).toString("base64") }],
    [200, { ...good, CiphertextBlob: undefined }],
    [200, { ...good, Plaintext: undefined }],
    [400, { __type: "AccessDeniedException", Message: "not authorized" }],
  ];
  for (const [status, answer] of rows) {
    const dataKey = await generate(await serveKms(t, status, answer));
    assert.equal(dataKey.ok, false, JSON.stringify(answer));
  }
});

test("readCredentials takes the JSON of the AWS tools and nothing else", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "redoubt-credentials-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, "credentials.json");
  const pair = { AccessKeyId: "a", SecretAccessKey: "b" };
  const rows: readonly (readonly [unknown, object | null])[] = [
    [pair, { accessKeyId: "a", secretAccessKey: "b" }],
    [
      { ...pair, SessionToken: "c" },
      { accessKeyId: "a", secretAccessKey: "b", sessionToken: "c" },
    ],
    [
      { ...pair, Token: "c" },
      { accessKeyId: "a", secretAccessKey: "b", sessionToken: "c" },
    ],
    [{ ...pair, SessionToken: 1 }, null],
    [{ AccessKeyId: "a" }, null],
    [[], null],
    ["text", null],
  ];
  for (const [value, expected] of rows) {
    await writeFile(file, JSON.stringify(value));
    const read = await readCredentials(file);
    assert.deepEqual(read.ok ? read.value : null, expected);
  }
});
