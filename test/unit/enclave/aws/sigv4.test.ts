// Signatures against AWS's published test suite (aws-sig-v4-test-suite, the requests of our form),
// against the SDK's signer, and against the local stand-in's verifier.

import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { SignatureV4 } from "@smithy/signature-v4";
import { type SignableRequest, signRequest } from "../../../../enclave/aws/sigv4.ts";
import { verifySignature } from "../../../../scripts/local/sigv4.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import { Random } from "../../../simulation/random.ts";

const SUITE_MS = Date.UTC(2015, 7, 30, 12, 36, 0);
const SUITE_KEY = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  sessionToken: null,
};
const SUITE = { credentials: SUITE_KEY, region: "us-east-1", service: "service", nowMs: SUITE_MS };
const HOST = { host: "example.amazonaws.com" };
const NOTHING = new Uint8Array(0);

type Vector = {
  readonly method: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly sessionToken?: string;
  readonly signedHeaders: string;
  readonly signature: string;
};

const FORM = {
  "content-length": "13",
  "x-amz-content-sha256": "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
};
const FORM_NAMES = "content-length;content-type;host;x-amz-content-sha256;x-amz-date";

const VECTORS: Readonly<Record<string, Vector>> = {
  "get-vanilla": {
    method: "GET",
    signedHeaders: "host;x-amz-date",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  },
  "get-vanilla-with-session-token": {
    method: "GET",
    sessionToken: "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
    signedHeaders: "host;x-amz-date;x-amz-security-token",
    signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
  },
  "get-header-value-trim (in its canonical form)": {
    method: "GET",
    headers: { "my-header2": '"a b c"', "my-header1": "value1" },
    signedHeaders: "host;my-header1;my-header2;x-amz-date",
    signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
  },
  "post-vanilla": {
    method: "POST",
    signedHeaders: "host;x-amz-date",
    signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
  },
  "post-header-key-sort": {
    method: "POST",
    headers: { "my-header1": "value1" },
    signedHeaders: "host;my-header1;x-amz-date",
    signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
  },
  "post-header-value-case": {
    method: "POST",
    headers: { "my-header1": "VALUE1" },
    signedHeaders: "host;my-header1;x-amz-date",
    signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
  },
  "post-sts-header-before": {
    method: "POST",
    sessionToken:
      "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSP" +
      "fIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT" +
      "7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlz" +
      "m8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==",
    signedHeaders: "host;x-amz-date;x-amz-security-token",
    signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
  },
  "post-x-www-form-urlencoded": {
    method: "POST",
    headers: { ...FORM, "content-type": "application/x-www-form-urlencoded" },
    body: "Param1=value1",
    signedHeaders: FORM_NAMES,
    signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
  },
  "post-x-www-form-urlencoded-parameters": {
    method: "POST",
    headers: { ...FORM, "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
    body: "Param1=value1",
    signedHeaders: FORM_NAMES,
    signature: "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
  },
};

for (const [title, vector] of Object.entries(VECTORS)) {
  test(`a request is signed as in AWS's test suite: ${title}`, () => {
    const { method, headers = {}, body = "", sessionToken = null } = vector;
    const scope = { ...SUITE, credentials: { ...SUITE_KEY, sessionToken } };
    const request = { method, headers: { ...headers, ...HOST }, body: Buffer.from(body) };
    assert.deepEqual(signRequest(request, scope), {
      ...headers,
      ...HOST,
      "x-amz-date": "20150830T123600Z",
      ...(sessionToken === null ? {} : { "x-amz-security-token": sessionToken }),
      authorization:
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " +
        `SignedHeaders=${vector.signedHeaders}, Signature=${vector.signature}`,
    });
  });
}

/** What the SDK wants as a hash. */
class Sha256 {
  readonly #hash: ReturnType<typeof createHash> | ReturnType<typeof createHmac>;

  constructor(secret?: unknown) {
    const isKeyed = typeof secret === "string" || secret instanceof Uint8Array;
    this.#hash = isKeyed ? createHmac("sha256", secret) : createHash("sha256");
  }

  update(data: string | Uint8Array): void {
    this.#hash.update(data);
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }

  reset(): void {}
}

/** As KMS and DynamoDB are called, with the parts chosen at random. */
function randomCase(random: Random) {
  const pick = (count: number, alphabet: string): string =>
    Array.from({ length: count }, () => alphabet.charAt(random.below(alphabet.length))).join("");
  const credentials = {
    accessKeyId: `ASIA${pick(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")}`,
    secretAccessKey: pick(40, "abcXYZ019/+="),
    sessionToken: random.below(2) === 0 ? null : pick(1 + random.below(500), "abcXYZ019/+=%-_~"),
  };
  const service = random.below(2) === 0 ? "kms" : "dynamodb";
  const region = random.below(2) === 0 ? "eu-central-1" : "us-gov-west-1";
  const body = Buffer.from(pick(random.below(2000), '{}":,abc019\u00e4\u{1f511}'));
  const request: SignableRequest = {
    method: "POST",
    headers: {
      "content-length": String(body.length),
      "content-type": `application/x-amz-json-1.${random.below(2)}`,
      host: `${service}.${region}.amazonaws.com`,
      "x-amz-target": pick(1 + random.below(40), "abcXYZ019._"),
    },
    body,
  };
  const nowMs = random.below(2 ** 31) * 1000 + random.below(1000);
  return { request, scope: { credentials, service, region, nowMs } };
}

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));

test(`requests are signed as the SDK signs them, and verify (SEED=${seed})`, async () => {
  const random = new Random(seed);
  for (let round = 0; round < 200; round++) {
    const { request, scope } = randomCase(random);
    const { accessKeyId, secretAccessKey, sessionToken } = scope.credentials;
    const signer = new SignatureV4({
      service: scope.service,
      region: scope.region,
      credentials: {
        accessKeyId,
        secretAccessKey,
        ...(sessionToken === null ? {} : { sessionToken }),
      },
      sha256: Sha256,
      applyChecksum: false,
    });
    const { headers } = await signer.sign(
      {
        method: "POST",
        protocol: "https:",
        hostname: request.headers["host"] ?? "",
        path: "/",
        headers: { ...request.headers },
        body: request.body,
      },
      { signingDate: new Date(scope.nowMs) },
    );
    const signed = signRequest(request, scope);
    assert.deepEqual(signed, { ...headers });
    const caller = { ...scope.credentials, arn: "arn:aws:iam::111122223333:role/redoubt" };
    const sent = { method: "POST", path: "/", headers: signed, body: request.body };
    assert.equal(verifySignature(sent, scope.service, [caller], scope.nowMs), caller);
  }
});

test("every part of a request and its scope changes the signature", () => {
  const base = { method: "POST", headers: HOST, body: NOTHING } as const;
  const signatures = [
    signRequest(base, SUITE),
    signRequest({ ...base, method: "GET" }, SUITE),
    signRequest({ ...base, body: Uint8Array.of(0) }, SUITE),
    signRequest({ ...base, headers: { host: "example.amazonaws.co" } }, SUITE),
    signRequest({ ...base, headers: { ...HOST, a: "b" } }, SUITE),
    signRequest(base, { ...SUITE, region: "us-east-2" }),
    signRequest(base, { ...SUITE, service: "services" }),
    signRequest(base, { ...SUITE, nowMs: SUITE_MS + 1000 }),
    signRequest(base, { ...SUITE, credentials: { ...SUITE_KEY, secretAccessKey: "w" } }),
    signRequest(base, { ...SUITE, credentials: { ...SUITE_KEY, sessionToken: "t" } }),
  ].map((headers) => headers["authorization"]?.split("Signature=")[1]);
  assert.equal(new Set(signatures).size, signatures.length);
});

const NOT_CANONICAL: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "a space before": { a: " b" },
  "a space after": { a: "b " },
  "two spaces": { a: "b  c" },
  "a line break": { a: "b\r\nx-amz-target: c" },
  "an empty value": { a: "" },
  "text beyond ASCII": { a: "ä" },
  "a name in upper case": { A: "b" },
  "a name with a colon": { "a:b": "c" },
};

for (const [title, headers] of Object.entries(NOT_CANONICAL)) {
  test(`a header that would be signed in another form is a bug: ${title}`, () => {
    const request = { method: "POST", headers: { ...HOST, ...headers }, body: NOTHING } as const;
    assert.throws(() => signRequest(request, SUITE), InvariantError);
  });
}
