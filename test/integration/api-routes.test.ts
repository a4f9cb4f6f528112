import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { HTTP_STATUS } from "../../parent/api/status.ts";
import { ERRORS, type ErrorCode, isErrorCode, refusal } from "../../shared/errors.ts";
import { BODY_BYTES_MAX } from "../../shared/limits.ts";
import { hasOperation } from "../../shared/operation.ts";
import { err } from "../../shared/result.ts";
import { ApiRig, codeOf, jsonOf, SIGN_PATH } from "../fakes/api-rig.ts";
import { FAKE_SIGNATURE, FakeSigner, fakeKey, fakeStatus } from "../fakes/signer.ts";

const JSON_TYPE = "application/json; charset=utf-8";
const TEXT_TYPE = "text/plain; charset=utf-8";
const SIGNATURE = `0x${Buffer.from(FAKE_SIGNATURE).toString("hex")}`;
const AA = "aa".repeat(48);

let rig: ApiRig;
before(async () => {
  rig = await ApiRig.start({
    clients: ({ ca, pair }) => [
      { name: "all", fingerprint: pair.fingerprint, keys: "all", operations: "default" },
      {
        name: "one",
        fingerprint: onePair(ca).fingerprint,
        keys: [`0x${AA}`],
        operations: ["ATTESTATION"],
      },
    ],
  });
});
after(() => rig.close());
beforeEach(() => {
  Object.assign(rig.signer, new FakeSigner());
  rig.signer.asks.length = 0;
  rig.log.lines.length = 0;
});

let one: ReturnType<ApiRig["ca"]["leaf"]> | null = null;
function onePair(ca: ApiRig["ca"]) {
  one ??= ca.leaf("one");
  return one;
}

const NEGOTIATIONS: readonly (readonly [accept: string | undefined, isJson: boolean])[] = [
  [undefined, false],
  ["text/plain", false],
  ["application/json", true],
  ["*/*", true],
  ["text/plain, application/json;q=0.1", true],
];

for (const [accept, isJson] of NEGOTIATIONS) {
  test(`sign answers ${isJson ? "JSON" : "text"} for ${accept ?? "no Accept"}`, async () => {
    const answer = await rig.sign({ headers: accept === undefined ? {} : { accept } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-type"], isJson ? JSON_TYPE : TEXT_TYPE);
    assert.equal(answer.text, isJson ? JSON.stringify({ signature: SIGNATURE }) : SIGNATURE);
  });
}

test("sign hands the body on as it came, with the key, the dialect and the client's kinds", async () => {
  const body = '{"type": "ATTESTATION",\n "é": 1}';
  await rig.sign({ body, pair: onePair(rig.ca) });
  const [ask] = rig.signer.asks;
  assert.equal(Buffer.from(ask?.body ?? []).toString(), body);
  assert.equal(Buffer.from(ask?.key ?? []).toString("hex"), AA);
  assert.equal(ask?.dialect, "web3signer");
  assert.equal(hasOperation(ask?.kinds ?? 0, "ATTESTATION"), true);
  assert.equal(hasOperation(ask?.kinds ?? 0, "BLOCK"), false);
});

test("sign of EIP-3030 answers JSON whatever is accepted", async () => {
  const answer = await rig.call(`/sign/0x${AA}`, { method: "POST", body: "{}" });
  assert.deepEqual(JSON.parse(answer.text), { signature: SIGNATURE });
  assert.equal(answer.headers["content-type"], JSON_TYPE);
  assert.equal(rig.signer.asks[0]?.dialect, "eip3030");
});

const IDENTIFIERS: readonly (readonly [identifier: string, status: number])[] = [
  [`0x${AA}`, 200],
  [AA, 200],
  [`0X${AA}`, 200],
  [`0x${AA.toUpperCase()}`, 200],
  [`0x${AA}?a=b`, 200],
  [`0x${AA.slice(2)}`, 400],
  [`0x${AA}aa`, 400],
  [`0x${AA.slice(1)}`, 400],
  [`0x${AA.slice(1)}g`, 400],
  [`0x0x${AA}`, 400],
  [`0x%20${AA.slice(2)}`, 400],
  ["0x", 400],
  ["..%2f", 400],
];

for (const [identifier, status] of IDENTIFIERS) {
  test(`sign answers ${status} for the identifier ${identifier.slice(0, 12)}… (${identifier.length})`, async () => {
    const path = `/api/v1/eth2/sign/${identifier}`;
    const answer = await rig.call(path, { method: "POST", body: "{}" });
    assert.equal(answer.status, status);
    assert.equal(rig.signer.asks.length, status === 200 ? 1 : 0);
    if (status === 400) assert.equal(codeOf(answer), "REQUEST_MALFORMED");
  });
}

for (const code of Object.keys(ERRORS).filter(isErrorCode)) {
  test(`sign answers ${HTTP_STATUS[code]} for ${code}, in both shapes of an error`, async () => {
    rig.signer.answer = () => Promise.resolve(err(refusal(code)));
    const answer = await rig.sign({ headers: { accept: "text/plain" } });
    assert.equal(answer.status, HTTP_STATUS[code]);
    assert.equal(answer.headers["content-type"], JSON_TYPE);
    const { text } = ERRORS[code];
    assert.deepEqual(JSON.parse(answer.text), { code, message: text, error: text });
    const isRetryable = answer.status === 503 || answer.status === 429;
    assert.equal(answer.headers["retry-after"], isRetryable ? "1" : undefined);
  });
}

function isDouble(code: ErrorCode): boolean {
  return code === "GUARD_BLOCK_DOUBLE";
}

test("a refusal is one log line with code, details, client and key, and is counted", async () => {
  rig.signer.answer = () => Promise.resolve(err(refusal("GUARD_BLOCK_DOUBLE", 7n)));
  const countBefore = rig.metrics.refusedCount(isDouble);
  const answer = await rig.sign();
  assert.equal(jsonOf(answer.text)["slot"], "7");
  assert.equal(rig.metrics.refusedCount(isDouble), countBefore + 1);
  assert.deepEqual(
    rig.log.lines.map(({ event, fields }) => [event, fields]),
    [
      [
        "request.refused",
        {
          code: "GUARD_BLOCK_DOUBLE",
          status: 412,
          client: "all",
          key: `0x${AA}`,
          reason: "slot 7",
          address: "127.0.0.1",
        },
      ],
    ],
  );
});

test("sign refuses a key that the client may not use, and does not ask the enclave", async () => {
  const path = `/api/v1/eth2/sign/0x${"bb".repeat(48)}`;
  const answer = await rig.call(path, { method: "POST", body: "{}", pair: onePair(rig.ca) });
  assert.deepEqual([answer.status, codeOf(answer)], [403, "ACL_KEY_DENIED"]);
  assert.equal(rig.signer.asks.length, 0);
});

const KEY_LISTS: readonly (readonly [path: string, wrap: (keys: string[]) => unknown])[] = [
  ["/api/v1/eth2/publicKeys", (keys) => keys],
  ["/keys", (keys) => ({ keys })],
];

for (const [path, wrap] of KEY_LISTS) {
  test(`${path} lists the keys that the client may use, as they are now`, async () => {
    const both = [fakeKey(0xaa).text, fakeKey(0xbb).text];
    assert.deepEqual(JSON.parse((await rig.call(path)).text), wrap(both));
    const forOne = await rig.call(path, { pair: onePair(rig.ca) });
    assert.deepEqual(JSON.parse(forOne.text), wrap(both.slice(0, 1)));
    rig.signer.keyList = [fakeKey(0xbb).text];
    assert.deepEqual(JSON.parse((await rig.call(path)).text), wrap(both.slice(1)));
  });

  test(`${path} is refused, not empty, before keys are loaded`, async () => {
    rig.signer.keyList = [];
    rig.signer.reason = refusal("PHASE_REFUSED", "Measured");
    const answer = await rig.call(path);
    assert.deepEqual([answer.status, codeOf(answer)], [503, "PHASE_REFUSED"]);
    rig.signer.reason = null;
    assert.deepEqual(JSON.parse((await rig.call(path)).text), wrap([]));
  });
}

test("upcheck is text for Web3Signer's clients and JSON for those that ask for it", async () => {
  const plain = await rig.call("/upcheck");
  assert.deepEqual([plain.status, plain.text], [200, "OK"]);
  assert.equal(plain.headers["content-type"], TEXT_TYPE);
  assert.equal((await rig.call("/upcheck", { headers: { accept: "*/*" } })).text, "OK");
  const json = await rig.call("/upcheck", { headers: { accept: "application/json" } });
  assert.deepEqual(JSON.parse(json.text), { status: "OK" });
});

const KEYS_CHECK = "keys-check/config-files-loading";
const DATABASE_CHECK = "slashing-protection-db-health-check";

test("healthcheck is 200 and UP when requests are signed", async () => {
  const answer = await rig.call("/healthcheck");
  assert.equal(answer.status, 200);
  assert.deepEqual(jsonOf(answer.text), {
    status: "UP",
    checks: [
      { id: "default-check", status: "UP" },
      { id: DATABASE_CHECK, status: "UP" },
      { id: KEYS_CHECK, status: "UP", data: { "keys-loaded": 2, "error-count": 0 } },
    ],
    outcome: "UP",
  });
});

test("healthcheck is 503 and DOWN when they are not, and shows the store's fault", async () => {
  rig.signer.reason = refusal("STORE_UNAVAILABLE");
  rig.signer.reload = { status: "failed", lastOperationTime: null, lastError: "KMS_DENIED" };
  const answer = await rig.call("/healthcheck");
  assert.equal(answer.status, 503);
  assert.deepEqual(jsonOf(answer.text), {
    status: "DOWN",
    checks: [
      { id: "default-check", status: "DOWN", data: { code: "STORE_UNAVAILABLE" } },
      { id: DATABASE_CHECK, status: "DOWN" },
      { id: KEYS_CHECK, status: "UP", data: { "keys-loaded": 2, "error-count": 1 } },
    ],
    outcome: "DOWN",
  });
});

test("highWatermark is empty without one, text numbers with one, refused without a link", async () => {
  const path = "/api/v1/eth2/highWatermark";
  assert.deepEqual(JSON.parse((await rig.call(path)).text), {});
  rig.signer.statusNow = fakeStatus({ highWatermark: { slot: 2n ** 63n, epoch: 5n } });
  const marked = await rig.call(path);
  assert.deepEqual(JSON.parse(marked.text), { epoch: "5", slot: "9223372036854775808" });
  rig.signer.statusNow = null;
  assert.equal(codeOf(await rig.call(path)), "LINK_DOWN");
});

test("reload starts with 202, is refused with 409 while one runs, and shows its state", async () => {
  const accepted = await rig.call("/reload", { method: "POST" });
  assert.deepEqual([accepted.status, jsonOf(accepted.text)["status"]], [202, "accepted"]);
  assert.equal(rig.signer.reloadCount, 1);
  rig.signer.isReloading = true;
  const refused = await rig.call("/reload", { method: "POST" });
  assert.deepEqual([refused.status, jsonOf(refused.text)["status"]], [409, "error"]);
  assert.equal(codeOf(refused), "RELOAD_RUNNING");
  const lastOperationTime = "2026-11-21T00:00:00.000Z";
  rig.signer.reload = { status: "completed", lastOperationTime, lastError: null };
  const state = await rig.call("/reload");
  assert.equal(state.status, 200);
  const expected = { status: "completed", lastOperationTime, lastError: null };
  assert.deepEqual(JSON.parse(state.text), expected);
});

const NONCES: readonly (readonly [query: string, bytes: number | null])[] = [
  ["?nonce=00", 1],
  [`?nonce=${"ab".repeat(64)}`, 64],
  ["?nonce=0xabcd", 2],
  [`?nonce=${"ab".repeat(65)}`, null],
  ["?nonce=", null],
  ["", null],
  ["?nonce=abc", null],
  ["?nonce=zz", null],
  ["?nonce=aa&nonce=bb", null],
];

for (const [query, bytes] of NONCES) {
  test(`attestation ${bytes === null ? "refuses" : "takes"} ${query.slice(0, 20) || "no nonce"}`, async () => {
    rig.signer.nonces.length = 0;
    const answer = await rig.call(`/attestation${query}`);
    assert.equal(answer.status, bytes === null ? 400 : 200);
    assert.equal(rig.signer.nonces[0]?.length ?? null, bytes);
  });
}

test("attestation answers document, manifest and keys, or the bare document", async () => {
  const json = await rig.call("/attestation?nonce=aabb");
  assert.deepEqual(JSON.parse(json.text), {
    document: Buffer.from([0x84, 1, 2, 3]).toString("base64"),
    manifest: Buffer.from('{"manifest":1}').toString("base64"),
    publicKeys: [fakeKey(0xaa).text, fakeKey(0xbb).text],
  });
  const headers = { accept: "application/octet-stream" };
  const bare = await rig.call("/attestation?nonce=aabb", { headers });
  assert.equal(bare.headers["content-type"], "application/octet-stream");
  assert.equal(bare.headers["content-length"], "4");
  rig.signer.document = err(refusal("NSM_UNAVAILABLE"));
  assert.equal(codeOf(await rig.call("/attestation?nonce=aabb")), "NSM_UNAVAILABLE");
});

const GET_PATHS = ["/upcheck", "/healthcheck", "/keys", "/attestation"];
const ROUTES: readonly (readonly [path: string, allow: string])[] = [
  [SIGN_PATH, "POST"],
  [`/sign/${AA}`, "POST"],
  ["/reload", "GET, POST"],
  ["/api/v1/eth2/publicKeys", "GET"],
  ["/api/v1/eth2/highWatermark", "GET"],
  ...GET_PATHS.map((path) => [path, "GET"] as const),
];

for (const [path, allow] of ROUTES) {
  for (const method of ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"]) {
    if (allow.includes(method)) continue;
    test(`${method} ${path.slice(0, 24)} is refused with 405 and what is allowed`, async () => {
      const answer = await rig.call(path, { method });
      assert.equal(answer.status, 405);
      assert.equal(answer.headers["allow"], allow);
      if (method !== "HEAD") assert.equal(codeOf(answer), "HTTP_METHOD");
    });
  }
}

for (const path of [
  "/",
  "/nope",
  "/api/v1/eth2/sign",
  "/api/v1/eth2/sign/",
  "/upcheck/",
  "/sign/a/b",
]) {
  test(`GET ${path} is 404`, async () => {
    const answer = await rig.call(path);
    assert.deepEqual([answer.status, codeOf(answer)], [404, "HTTP_NOT_FOUND"]);
  });
}

for (const byteCount of [BODY_BYTES_MAX - 1, BODY_BYTES_MAX]) {
  test(`sign takes a body of ${byteCount} bytes`, async () => {
    assert.equal((await rig.sign({ body: new Uint8Array(byteCount) })).status, 200);
    assert.equal(rig.signer.asks[0]?.body.length, byteCount);
  });
}

for (const headers of [{}, { "transfer-encoding": "chunked" }, { expect: "100-continue" }]) {
  const name = Object.keys(headers)[0] ?? "content-length";
  test(`sign refuses a body of one byte too many (${name})`, async () => {
    const answer = await rig.sign({ body: new Uint8Array(BODY_BYTES_MAX + 1), headers });
    assert.deepEqual([answer.status, codeOf(answer)], [413, "BODY_OVERSIZE"]);
    assert.equal(rig.signer.asks.length, 0);
  });
}

test("sign takes a chunked body, and one of no bytes", async () => {
  await rig.sign({ body: "{}", headers: { "transfer-encoding": "chunked" } });
  await rig.sign({ body: "" });
  assert.deepEqual(
    rig.signer.asks.map(({ body }) => body.length),
    [2, 0],
  );
});

test("a body that is announced far too large is refused, and the connection closed", async () => {
  const head = `POST ${SIGN_PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n`;
  const text = await rig.raw(head);
  assert.match(text, /^HTTP\/1\.1 413 /);
  assert.match(text, /connection: close/i);
});

test("an exception in a route is HTTP_INTERNAL, and its text stays inside", async (t) => {
  t.mock.method(rig.signer, "reloadState", () => {
    throw new Error("s3cr3t");
  });
  const answer = await rig.call("/reload");
  assert.deepEqual([answer.status, codeOf(answer)], [500, "HTTP_INTERNAL"]);
  assert.equal(answer.text.includes("s3cr3t"), false);
  assert.equal(JSON.stringify(rig.log.lines).includes("s3cr3t"), false);
});
