import assert from "node:assert/strict";
import { test } from "node:test";
import { type AwsCredentials, PushedCredentials } from "../../../../enclave/aws/credentials.ts";
import { CREDENTIAL_BYTES_MAX } from "../../../../shared/limits.ts";

const GOOD: AwsCredentials = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  sessionToken: "token+/=",
  expirationMs: 1_700_000_000_000,
};

test("pushed credentials are current until the moment they expire", () => {
  const held = new PushedCredentials();
  const none = held.current(0);
  assert(!none.ok && none.error.code === "CREDENTIALS_MISSING");
  assert(held.put(GOOD).ok);
  const current = held.current(GOOD.expirationMs - 1);
  assert(current.ok);
  assert.deepEqual(current.value, GOOD);
  const expired = held.current(GOOD.expirationMs);
  assert(!expired.ok && expired.error.code === "CREDENTIALS_MISSING");
});

test("pushed credentials without an expiration stay current", () => {
  const held = new PushedCredentials();
  assert(held.put({ ...GOOD, sessionToken: null, expirationMs: 0 }).ok);
  assert(held.current(Number.MAX_SAFE_INTEGER).ok);
});

const BROKEN: Readonly<Record<string, Partial<AwsCredentials>>> = {
  "an empty access key id": { accessKeyId: "" },
  "a short access key id": { accessKeyId: "A".repeat(15) },
  "a long access key id": { accessKeyId: "A".repeat(129) },
  "an access key id with a slash": { accessKeyId: "AKIAIOSFODNN7EXAM/LE" },
  "a short secret": { secretAccessKey: "a".repeat(15) },
  "a secret with a line break": { secretAccessKey: `${GOOD.secretAccessKey}\n` },
  "an empty token": { sessionToken: "" },
  "a token with a line break": { sessionToken: "a\r\nx: y" },
  "a token above the limit": { sessionToken: "a".repeat(CREDENTIAL_BYTES_MAX + 1) },
  "a negative expiration": { expirationMs: -1 },
  "a fractional expiration": { expirationMs: 0.5 },
};

for (const [title, changed] of Object.entries(BROKEN)) {
  test(`pushed credentials refuse ${title} and keep what they had`, () => {
    const held = new PushedCredentials();
    assert(held.put(GOOD).ok);
    const put = held.put({ ...GOOD, ...changed });
    assert(!put.ok && put.error.code === "CREDENTIALS_MALFORMED");
    const current = held.current(0);
    assert(current.ok);
    assert.deepEqual(current.value, GOOD);
  });
}

test("pushed credentials take a token at the limit", () => {
  assert(
    new PushedCredentials().put({ ...GOOD, sessionToken: "a".repeat(CREDENTIAL_BYTES_MAX) }).ok,
  );
});
