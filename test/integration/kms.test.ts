// The enclave's key releaser over the real relay, against the local KMS with documents of the
// simulated NSM.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { KeyReleaser, WrappedKey } from "../../enclave/core/ports.ts";
import { createLocalCa } from "../../scripts/local/ca.ts";
import { encryptForRecipient } from "../../scripts/local/recipient-envelope.ts";
import { refusal } from "../../shared/errors.ts";
import { err } from "../../shared/result.ts";
import {
  CALLER,
  CONTEXT,
  DATA_KEY,
  imagePolicy,
  type LocalAws,
  PCRS,
  startLocalAws,
} from "../fakes/local-aws.ts";

const PCR0 = PCRS.get(0) ?? new Uint8Array(48);
const GOOD_POLICY = imagePolicy(PCR0);

async function codeOf(releaser: KeyReleaser, wrapped: WrappedKey): Promise<string> {
  const released = await releaser.release(wrapped);
  return released.ok ? "released" : released.error.code;
}

async function setUp(context: TestContext): Promise<{ aws: LocalAws; wrapped: WrappedKey }> {
  const aws = await startLocalAws(context);
  return { aws, wrapped: aws.wrap(GOOD_POLICY) };
}

// The first test: whoever looks something up may keep it.
test("neither environment nor files change whom the releaser asks, and as whom", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const file = join(aws.folder, "poison");
  writeFileSync(file, "[profile poison]\ndisable_clock_skew_correction = true\n");
  utimesSync(file, 0, Date.now() / 1000);
  const poison = {
    AWS_ENDPOINT_URL: "https://evil.example.com",
    AWS_ENDPOINT_URL_KMS: "https://evil.example.com",
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "AKIAPOISONPOISONPOISON",
    AWS_SECRET_ACCESS_KEY: "poison",
    AWS_SESSION_TOKEN: "poison",
    AWS_USE_FIPS_ENDPOINT: "true",
    AWS_USE_DUALSTACK_ENDPOINT: "true",
    AWS_MAX_ATTEMPTS: "9",
    AWS_PROFILE: "poison",
    AWS_DISABLE_CLOCK_SKEW_CORRECTION: "true",
    AWS_CONFIG_FILE: file,
    AWS_SHARED_CREDENTIALS_FILE: file,
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    HTTPS_PROXY: "http://127.0.0.1:1",
  };
  const before = { ...process.env };
  Object.assign(process.env, poison);
  context.after(() => {
    for (const name of Object.keys(poison)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });
  const hourAheadMs = Date.now() + 3_600_000;
  aws.nowMs = () => hourAheadMs;
  assert.equal(await codeOf(aws.releaser(), wrapped), "released");
  // Where the file system keeps the time of reading, nobody has read the file.
  assert.equal(statSync(file).atimeMs, 0);
  const { certificatePem } = createLocalCa(`${aws.folder}/other-ca`);
  assert.equal(
    await codeOf(aws.releaser({ trustAnchors: [certificatePem] }), wrapped),
    "KMS_UNAVAILABLE",
  );
});

test("KMS releases a data key to the image that its policy names", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const releaser = aws.releaser();
  for (let round = 0; round < 2; round++) {
    const released = await releaser.release(wrapped);
    assert(released.ok, JSON.stringify(released));
    assert.deepEqual(Buffer.from(released.value), DATA_KEY);
    assert.equal(released.value.buffer.byteLength, DATA_KEY.length);
  }
  assert.equal(aws.relay.stats().acceptedCount, 2);
});

test("KMS denies the key to another image", async (context) => {
  const { aws } = await setUp(context);
  const wrapped = aws.wrap(imagePolicy(new Uint8Array(48).fill(1)));
  assert.equal(await codeOf(aws.releaser(), wrapped), "KMS_DENIED");
});

test("KMS denies everything under a policy that is not understood", async (context) => {
  const { aws } = await setUp(context);
  const wrapped = aws.wrap({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", NotAction: "x" }],
  });
  assert.equal(await codeOf(aws.releaser(), wrapped), "KMS_DENIED");
});

test("KMS finds another encryption context, ciphertext or key invalid", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const releaser = aws.releaser();
  const otherContext = { ...CONTEXT, "redoubt:bundle": "validators-2" };
  assert.equal(
    await codeOf(releaser, { ...wrapped, encryptionContext: otherContext }),
    "KMS_INVALID",
  );
  const ciphertext = Buffer.from(wrapped.ciphertext);
  ciphertext.writeUInt8(ciphertext.readUInt8(ciphertext.length - 1) ^ 1, ciphertext.length - 1);
  assert.equal(await codeOf(releaser, { ...wrapped, ciphertext }), "KMS_INVALID");
  const { keyArn } = aws.wrap(GOOD_POLICY);
  assert.equal(await codeOf(releaser, { ...wrapped, keyArn }), "KMS_INVALID");
  assert.equal(await codeOf(releaser, { ...wrapped, keyArn: "alias/redoubt" }), "KMS_INVALID");
});

test("KMS denies callers with unknown, expired or wrongly signing credentials", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const caller = { ...CALLER, expirationMs: 0 };
  const unknown = { ...caller, accessKeyId: "ASIAUNKNOWNUNKNOWN00" };
  assert.equal(await codeOf(aws.releaser({}, unknown), wrapped), "KMS_DENIED");
  const wrongSecret = { ...caller, secretAccessKey: "another/secret+access/key+of/forty+chars" };
  assert.equal(await codeOf(aws.releaser({}, wrongSecret), wrapped), "KMS_DENIED");
  const wrongToken = { ...caller, sessionToken: null };
  assert.equal(await codeOf(aws.releaser({}, wrongToken), wrapped), "KMS_DENIED");
  const expired = { ...caller, expirationMs: 1 };
  assert.equal(await codeOf(aws.releaser({}, expired), wrapped), "CREDENTIALS_MISSING");
});

test("a request is signed with trusted time, not with the system's", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const hourAheadMs = Date.now() + 3_600_000;
  aws.nowMs = () => hourAheadMs;
  assert.equal(await codeOf(aws.releaser(), wrapped), "released");
  assert.equal(await codeOf(aws.releaser({ nowMs: () => Date.now() }), wrapped), "KMS_DENIED");
});

test("KMS's certificate must be valid at trusted time, not at the system's alone", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const dayMs = 86_400_000;
  const nowMs = Date.now();
  // The local CA's certificates are of yesterday, and last for two years.
  for (const [days, code] of [
    [-2, "KMS_UNAVAILABLE"],
    [0, "released"],
    [700, "released"],
    [800, "KMS_UNAVAILABLE"],
  ] as const) {
    aws.nowMs = () => nowMs + days * dayMs;
    assert.equal(await codeOf(aws.releaser(), wrapped), code, `${days} days`);
  }
});

test("a document that is too old is invalid to KMS", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const startMs = Date.now();
  // Each look at the clock is 6 minutes after the one before: so old is the document when it comes.
  let lookCount = 0;
  const nsmMs = startMs - 6 * 60_000;
  aws.nowMs = () => (lookCount++ === 0 ? nsmMs : startMs);
  const releaser = aws.releaser({ nowMs: () => startMs });
  assert.equal(await codeOf(releaser, wrapped), "KMS_INVALID");
});

test("a server under another CA, and one of another name, is not KMS", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const { certificatePem } = createLocalCa(`${aws.folder}/other-ca`);
  const otherCa = aws.releaser({ trustAnchors: [certificatePem] });
  assert.equal(await codeOf(otherCa, wrapped), "KMS_UNAVAILABLE");
  const frankfurt = wrapped.keyArn;
  const dialer = { connect: () => aws.dialer.connect("kms.eu-central-1.amazonaws.com", 443) };
  const paris = { ...wrapped, keyArn: frankfurt.replace("eu-central-1", "eu-west-3") };
  assert.equal(await codeOf(aws.releaser({ dialer }), paris), "KMS_UNAVAILABLE");
});

test("a host that the relay refuses is told apart from KMS", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const paris = { ...wrapped, keyArn: wrapped.keyArn.replace("eu-central-1", "eu-west-3") };
  assert.equal(await codeOf(aws.releaser(), paris), "RELAY_HOST_DENIED");
  await aws.server.close();
  assert.equal(await codeOf(aws.releaser(), wrapped), "RELAY_UNREACHABLE");
  await aws.relay.close();
  assert.equal(await codeOf(aws.releaser(), wrapped), "KMS_UNAVAILABLE");
});

test("an NSM that gives no document is passed on as its refusal", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const nsm = { attest: () => Promise.resolve(err(refusal("NSM_UNAVAILABLE"))) };
  assert.equal(await codeOf(aws.releaser({ nsm }), wrapped), "NSM_UNAVAILABLE");
});

const otherRecipient = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
const toAnother = encryptForRecipient(
  DATA_KEY,
  otherRecipient.export({ type: "spki", format: "der" }),
);

function errorOf(type: string, status = 400): { status: number; body: string } {
  return { status, body: JSON.stringify({ __type: type, message: "" }) };
}

/** What KMS might answer, with `KEY` for the key's ARN, and what each means. */
const ANSWERS: readonly (readonly [string, { status: number; body: string }, string])[] = [
  ["an empty object", { status: 200, body: "{}" }, "KMS_MALFORMED"],
  ["nothing", { status: 200, body: "" }, "KMS_MALFORMED"],
  ["the key alone", { status: 200, body: '{"KeyId":"KEY"}' }, "KMS_MALFORMED"],
  ["text", { status: 200, body: "<html>" }, "KMS_MALFORMED"],
  ["a number", { status: 200, body: "1" }, "KMS_MALFORMED"],
  ["two keys", { status: 200, body: '{"KeyId":"arn:other","KeyId":"KEY"}' }, "KMS_MALFORMED"],
  ["a key that is no text", { status: 200, body: '{"KeyId":["KEY"]}' }, "KMS_MALFORMED"],
  [
    "a key of the prototype",
    { status: 200, body: '{"__proto__":{"KeyId":"KEY"}}' },
    "KMS_MALFORMED",
  ],
  ["a list", { status: 200, body: "[]" }, "KMS_MALFORMED"],
  ["half of an object", { status: 200, body: '{"KeyId":' }, "KMS_MALFORMED"],
  ["too much", { status: 200, body: `"${"x".repeat(100_000)}"` }, "KMS_MALFORMED"],
  ["another key", { status: 200, body: '{"KeyId":"arn:other"}' }, "KMS_KEY_MISMATCH"],
  [
    "a plaintext",
    { status: 200, body: '{"KeyId":"KEY","Plaintext":"AAAA","CiphertextForRecipient":"AAAA"}' },
    "KMS_MALFORMED",
  ],
  [
    "a plaintext that is no text",
    { status: 200, body: '{"KeyId":"KEY","Plaintext":[],"CiphertextForRecipient":"AAAA"}' },
    "KMS_MALFORMED",
  ],
  [
    "a plaintext of another key",
    { status: 200, body: '{"KeyId":"arn:other","Plaintext":"AAAA"}' },
    "KMS_MALFORMED",
  ],
  [
    "an empty plaintext beside an envelope",
    { status: 200, body: '{"KeyId":"KEY","Plaintext":"","CiphertextForRecipient":"AAAA"}' },
    "CMS_MALFORMED",
  ],
  [
    "no plaintext and no algorithm beside an envelope",
    {
      status: 200,
      body: '{"KeyId":"KEY","Plaintext":null,"EncryptionAlgorithm":null,"CiphertextForRecipient":"AAAA"}',
    },
    "CMS_MALFORMED",
  ],
  [
    "an envelope in base64 with bits left over",
    { status: 200, body: '{"KeyId":"KEY","CiphertextForRecipient":"AAB="}' },
    "KMS_MALFORMED",
  ],
  [
    "an envelope in base64 without padding",
    { status: 200, body: '{"KeyId":"KEY","CiphertextForRecipient":"AAA"}' },
    "KMS_MALFORMED",
  ],
  [
    "an envelope that is no text",
    { status: 200, body: '{"KeyId":"KEY","CiphertextForRecipient":[48]}' },
    "KMS_MALFORMED",
  ],
  [
    "an empty envelope",
    { status: 200, body: '{"KeyId":"KEY","CiphertextForRecipient":""}' },
    "CMS_MALFORMED",
  ],
  [
    "an envelope above its limit",
    {
      status: 200,
      body: `{"KeyId":"KEY","CiphertextForRecipient":"${"A".repeat(10_000)}"}`,
    },
    "CMS_MALFORMED",
  ],
  [
    "another algorithm",
    {
      status: 200,
      body: '{"KeyId":"KEY","EncryptionAlgorithm":"RSAES_OAEP_SHA_1","CiphertextForRecipient":"AAAA"}',
    },
    "KMS_MALFORMED",
  ],
  [
    "an envelope that is none",
    { status: 200, body: '{"KeyId":"KEY","CiphertextForRecipient":"AAAA"}' },
    "CMS_MALFORMED",
  ],
  [
    "an envelope to another key",
    {
      status: 200,
      body: `{"KeyId":"KEY","CiphertextForRecipient":"${Buffer.from(toAnother).toString("base64")}"}`,
    },
    "CMS_MALFORMED",
  ],
  ["a namespaced denial", errorOf("com.amazonaws.kms#AccessDeniedException"), "KMS_DENIED"],
  ["ThrottlingException", errorOf("ThrottlingException"), "KMS_THROTTLED"],
  ["an unnamed 429", { status: 429, body: "{}" }, "KMS_THROTTLED"],
  ["ValidationException", errorOf("ValidationException"), "KMS_INVALID"],
  ["IncorrectKeyException", errorOf("IncorrectKeyException"), "KMS_INVALID"],
  ["DisabledException", errorOf("DisabledException"), "KMS_DENIED"],
  ["KMSInternalException", errorOf("KMSInternalException", 500), "KMS_UNAVAILABLE"],
  ["an unknown fault", errorOf("SomethingException", 503), "KMS_UNAVAILABLE"],
  ["a fault in HTML", { status: 502, body: "<html>" }, "KMS_UNAVAILABLE"],
  ["an unknown error", errorOf("SomethingException"), "KMS_MALFORMED"],
  ["an error in HTML", { status: 400, body: "<html>" }, "KMS_MALFORMED"],
  ["a redirect", { status: 302, body: "{}" }, "KMS_MALFORMED"],
];

test("every answer of KMS that is not a release to us has its code", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const releaser = aws.releaser();
  for (const [title, answer, code] of ANSWERS) {
    let callCount = 0;
    aws.fault = () => {
      callCount += 1;
      return { ...answer, body: answer.body.replace("KEY", wrapped.keyArn) };
    };
    assert.equal(await codeOf(releaser, wrapped), code, title);
    assert.equal(callCount, 1, `${title} is asked for once`);
  }
});

test("a call that is not answered ends with its deadline", async (context) => {
  const { aws, wrapped } = await setUp(context);
  const { promise, resolve } = Promise.withResolvers<null>();
  const dialer = { connect: () => promise.then(() => aws.dialer.connect("x", 1)) };
  assert.equal(await codeOf(aws.releaser({ dialer, deadlineMs: 20 }), wrapped), "KMS_UNAVAILABLE");
  resolve(null);
});
