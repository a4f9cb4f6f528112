import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseCredentials } from "../../../../parent/ops/credential-format.ts";
import { renewalMs, type Sleep, startCredentials } from "../../../../parent/ops/credentials.ts";
import { readInstanceCredentials } from "../../../../parent/ops/imds.ts";
import type { Credentials } from "../../../../parent/ports.ts";
import { CREDENTIAL_BYTES_MAX } from "../../../../shared/limits.ts";
import { SilentLog } from "../../../fakes/silent-log.ts";

const FIELDS = {
  AccessKeyId: "ASIAEXAMPLEEXAMPLE00",
  SecretAccessKey: "secret",
  Token: "token",
  Expiration: "2026-11-21T12:00:00Z",
};
const CREDENTIALS: Credentials = {
  accessKeyId: FIELDS.AccessKeyId,
  secretAccessKey: FIELDS.SecretAccessKey,
  sessionToken: FIELDS.Token,
  expirationMs: Date.parse(FIELDS.Expiration),
};

test("parseCredentials takes what IMDS and the AWS tools write", () => {
  const parsed = parseCredentials(JSON.stringify({ Code: "Success", Type: "AWS-HMAC", ...FIELDS }));
  assert(parsed.ok);
  assert.deepEqual(parsed.value, CREDENTIALS);
  const { AccessKeyId, SecretAccessKey } = FIELDS;
  const lasting = parseCredentials(JSON.stringify({ AccessKeyId, SecretAccessKey }));
  assert(lasting.ok);
  assert.equal(lasting.value.sessionToken, null);
  assert.equal(lasting.value.expirationMs, 0);
});

const MALFORMED: Readonly<Record<string, unknown>> = {
  "a text": "x",
  "a list": [],
  null: null,
  "a failure of IMDS": { Code: "Failed" },
  "no access key id": { ...FIELDS, AccessKeyId: undefined },
  "no secret": { ...FIELDS, SecretAccessKey: undefined },
  "a numeric token": { ...FIELDS, Token: 1 },
  "an expiration that is no time": { ...FIELDS, Expiration: "soon" },
  "an expiration without a zone": { ...FIELDS, Expiration: "2026-11-21T12:00:00" },
  "an expiration that is no date": { ...FIELDS, Expiration: "2026-13-21T12:00:00Z" },
  "an expiration as a number": { ...FIELDS, Expiration: 1 },
  "a token above the limit": { ...FIELDS, Token: "x".repeat(CREDENTIAL_BYTES_MAX) },
};

for (const [title, value] of Object.entries(MALFORMED)) {
  test(`parseCredentials refuses ${title}`, () => {
    const parsed = parseCredentials(JSON.stringify(value));
    assert(!parsed.ok && parsed.error.code === "CREDENTIALS_MALFORMED");
  });
}

function at(expirationMs: number, random: number): number {
  return renewalMs({ ...CREDENTIALS, expirationMs }, 1_000_000, () => random);
}

test("renewalMs is ten minutes before the end, at least each hour, never at once", () => {
  const minute = 60_000;
  assert.equal(at(1_000_000 + 40 * minute, 1), 30 * minute);
  assert.equal(at(1_000_000 + 40 * minute, 0), 27 * minute);
  assert.equal(at(1_000_000 + 600 * minute, 1), 60 * minute);
  assert.equal(at(0, 1), 60 * minute);
  assert.equal(at(1_000_000 + 10 * minute, 1), 15_000);
  assert.equal(at(1, 1), 15_000);
});

type Imds = { readonly url: string; readonly asked: string[]; answer: (path: string) => string };

/** IMDSv2 as far as credentials go: it answers 401 to whoever has no token. */
async function startImds(context: TestContext): Promise<Imds> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(`${request.method} ${path}`);
    if (!isAllowed(request)) return void response.writeHead(401).end();
    const body = imds.answer(path);
    response.writeHead(body === "" ? 404 : 200).end(body);
  });
  await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo; // oxlint-disable-line typescript/no-unsafe-type-assertion -- a TCP server
  const imds: Imds = { url: `http://127.0.0.1:${port}`, asked, answer: answerOfImds };
  return imds;
}

function isAllowed(request: IncomingMessage): boolean {
  const { headers } = request;
  return request.method === "PUT"
    ? headers["x-aws-ec2-metadata-token-ttl-seconds"] !== undefined
    : headers["x-aws-ec2-metadata-token"] === "the-token";
}

function answerOfImds(path: string): string {
  if (path === "/latest/api/token") return "the-token";
  if (path === "/latest/meta-data/iam/security-credentials/") return "redoubt-role\n";
  return path.endsWith("/redoubt-role") ? JSON.stringify(FIELDS) : "";
}

test("readInstanceCredentials asks for a token, the role and its credentials", async (context) => {
  const imds = await startImds(context);
  const credentials = await readInstanceCredentials(imds.url);
  assert(credentials.ok);
  assert.deepEqual(credentials.value, CREDENTIALS);
  assert.deepEqual(imds.asked, [
    "PUT /latest/api/token",
    "GET /latest/meta-data/iam/security-credentials/",
    "GET /latest/meta-data/iam/security-credentials/redoubt-role",
  ]);
});

for (const [title, change, code] of [
  ["refuses the token", { "/latest/api/token": "" }, "CREDENTIALS_MISSING"],
  ["gives another token", { "/latest/api/token": "other" }, "CREDENTIALS_MISSING"],
  ["gives a token that is no header", { "/latest/api/token": "a b" }, "CREDENTIALS_MALFORMED"],
  ["knows no role", { "security-credentials/": "" }, "CREDENTIALS_MISSING"],
  ["names a role that is a path", { "security-credentials/": "../x" }, "CREDENTIALS_MALFORMED"],
  ["answers in HTML", { "/redoubt-role": "<html>" }, "CREDENTIALS_MALFORMED"],
  ["answers too much", { "/redoubt-role": "x".repeat(10_000) }, "CREDENTIALS_MISSING"],
] as const) {
  test(`readInstanceCredentials is refused when IMDS ${title}`, async (context) => {
    const imds = await startImds(context);
    imds.answer = (path) => {
      const changed = Object.entries(change).find(([end]) => path.endsWith(end));
      return changed === undefined ? answerOfImds(path) : changed[1];
    };
    const credentials = await readInstanceCredentials(imds.url);
    assert(!credentials.ok);
    assert.equal(credentials.error.code, code);
  });
}

/** Runs `onWait` in place of every wait, and stops the feed after the last. */
function scripted(...steps: readonly (() => void)[]): { wait: Sleep; done: Promise<number[]> } {
  const delays: number[] = [];
  const { promise, resolve } = Promise.withResolvers<number[]>();
  const wait: Sleep = (delayMs) => {
    const step = steps[delays.length];
    delays.push(delayMs);
    if (step !== undefined) {
      step();
      return Promise.resolve();
    }
    resolve(delays);
    return Promise.reject(new Error("the end of the script"));
  };
  return { wait, done: promise };
}

test("a file is read again when it has changed, and told of only when it differs", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-credentials-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "credentials.json");
  const told: string[] = [];
  const log = new SilentLog();
  const write = (fields: object): void => writeFileSync(path, JSON.stringify(fields));
  const script = scripted(
    () => write(FIELDS),
    () => undefined,
    () => write({ ...FIELDS, Comment: "the same credentials, more bytes" }),
    () => writeFileSync(path, "{"),
    () => rmSync(path),
    () => write({ ...FIELDS, AccessKeyId: "ASIAEXAMPLEEXAMPLE01" }),
  );
  startCredentials(
    { kind: "file", path },
    (credentials) => told.push(credentials.accessKeyId),
    log,
    script.wait,
  );
  await script.done;
  assert.deepEqual(told, ["ASIAEXAMPLEEXAMPLE00", "ASIAEXAMPLEEXAMPLE01"]);
  assert.deepEqual(
    log.lines.map((line) => line.fields.code),
    ["CREDENTIALS_MISSING", "CREDENTIALS_MALFORMED", "CREDENTIALS_MISSING"],
  );
});

test("a failing source is asked again with growing delays, logged once, and recovers", async (context) => {
  const imds = await startImds(context);
  const healthy = imds.answer;
  imds.answer = () => "";
  const told: Credentials[] = [];
  const log = new SilentLog();
  const script = scripted(
    () => undefined,
    () => undefined,
    () => {
      imds.answer = healthy;
    },
  );
  const source = { kind: "imds", baseUrl: imds.url } as const;
  startCredentials(source, (credentials) => told.push(credentials), log, script.wait);
  const delays = await script.done;
  assert.equal(told.length, 1);
  assert.equal(log.lines.length, 1);
  for (const [index, maxMs] of [1000, 2000, 4000].entries()) {
    const delayMs = delays[index] ?? 0;
    assert(delayMs >= maxMs / 2 && delayMs <= maxMs, `${delayMs}`);
  }
});

test("a stopped feed tells nothing any more", async (context) => {
  const imds = await startImds(context);
  const { promise, resolve } = Promise.withResolvers<null>();
  imds.answer = (path) => {
    resolve(null);
    return answerOfImds(path);
  };
  const source = { kind: "imds", baseUrl: imds.url } as const;
  const feed = startCredentials(source, () => assert.fail("told"), new SilentLog());
  await promise;
  feed.stop();
  await readInstanceCredentials(imds.url);
});
