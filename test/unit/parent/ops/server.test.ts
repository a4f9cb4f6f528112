import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Metrics } from "../../../../parent/ops/metrics.ts";
import { type OpsServer, startOps } from "../../../../parent/ops/server.ts";
import { ERRORS, isErrorCode, refusal } from "../../../../shared/errors.ts";
import { FakeSigner, fakeStatus } from "../../../fakes/signer.ts";
import { SilentLog } from "../../../fakes/silent-log.ts";

const signer = new FakeSigner();
const metrics = new Metrics();
metrics.watch(signer);
let server: OpsServer;
let base = "";

before(async () => {
  const listen = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;
  const started = await startOps({ listen, signer, metrics, log: new SilentLog() });
  assert.ok(started.ok);
  server = started.value;
  assert.ok(server.address.kind === "tcp");
  base = `http://127.0.0.1:${server.address.port}`;
});
after(() => server.close());
beforeEach(() => {
  signer.reason = null;
  signer.statusNow = fakeStatus();
});

async function get(path: string, init: RequestInit = {}) {
  const response = await fetch(base + path, init);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

test("livez answers as long as the program runs", async () => {
  signer.statusNow = null;
  signer.reason = refusal("LINK_DOWN");
  assert.equal((await get("/livez")).status, 200);
});

test("readyz is 200 when requests are signed, and says from which floor on", async () => {
  signer.statusNow = fakeStatus({ floor: { slot: 64n, source: 1n, target: 2n ** 63n } });
  const { status, text } = await get("/readyz");
  const body = jsonOf(text);
  assert.equal(status, 200);
  assert.deepEqual(
    [body["ready"], body["code"], body["phase"], body["store"]],
    [true, null, "Ready", "ok"],
  );
  assert.deepEqual(body["floor"], {
    slot: "64",
    sourceEpoch: "1",
    targetEpoch: "9223372036854775808",
  });
});

test("readyz is 503 and says why when the store is down", async () => {
  signer.reason = refusal("STORE_FULL");
  const { status, text } = await get("/readyz");
  const body = jsonOf(text);
  assert.equal(status, 503);
  assert.deepEqual(
    [body["ready"], body["code"], body["store"]],
    [false, "STORE_FULL", "STORE_FULL"],
  );
});

test("readyz is 503 without a link", async () => {
  signer.statusNow = null;
  signer.reason = refusal("LINK_DOWN");
  const { status, text } = await get("/readyz");
  const body = jsonOf(text);
  assert.equal(status, 503);
  assert.deepEqual([body["link"], body["phase"], body["store"]], ["down", null, "unknown"]);
});

test("the operations listener has no other pages and no other methods", async () => {
  assert.equal((await get("/api/v1/eth2/publicKeys")).status, 404);
  assert.equal((await get("/metrics", { method: "POST" })).status, 405);
});

function jsonOf(text: string): Readonly<Record<string, unknown>> {
  const body: unknown = JSON.parse(text);
  assert.ok(typeof body === "object");
  return { ...body };
}

function sampleOf(page: string, name: string): number {
  const line = page.split("\n").find((text) => text.startsWith(`${name} `));
  assert.notEqual(line, undefined, name);
  return Number(line?.slice(name.length + 1));
}

test("metrics count signatures and refusals under our names and Web3Signer's", async () => {
  metrics.signed("BLOCK", 3);
  metrics.signed("RANDAO_REVEAL", 0.1);
  metrics.refused("GUARD_BLOCK_DOUBLE");
  metrics.refused("KEY_UNKNOWN");
  metrics.refused("REQUEST_MALFORMED");
  metrics.certificateExpires("server", 1_700_000_000_000);
  const { text } = await get("/metrics");
  const samples = {
    'redoubt_requests_total{kind="BLOCK",result="signed",code=""}': 1,
    'redoubt_requests_total{kind="",result="refused",code="GUARD_BLOCK_DOUBLE"}': 1,
    redoubt_signatures_total: 2,
    'redoubt_request_duration_seconds_bucket{le="0.00025"}': 1,
    'redoubt_request_duration_seconds_bucket{le="0.004"}': 2,
    'redoubt_request_duration_seconds_bucket{le="+Inf"}': 2,
    redoubt_request_duration_seconds_count: 2,
    redoubt_request_duration_seconds_sum: 0.0031,
    eth2_slashingprotection_permitted_signings_total: 1,
    eth2_slashingprotection_prevented_signings_total: 1,
    signing_bls_missing_identifier_count_total: 1,
    http_bls_malformed_request_count_total: 1,
    signing_signers_loaded_count: 2,
    redoubt_ready: 1,
    'redoubt_certificate_expiry_timestamp_seconds{certificate="server"}': 1_700_000_000,
  };
  for (const [name, value] of Object.entries(samples)) {
    assert.equal(sampleOf(text, name), value, name);
  }
});

test("metrics have a series for every error code from the start, and none for a key", async () => {
  const { text } = await get("/metrics");
  for (const code of Object.keys(ERRORS).filter(isErrorCode)) {
    assert.ok(text.includes(`code="${code}"`), code);
  }
  assert.equal(text.includes("0xaa"), false);
});

test("startOps answers LISTEN_FAILED where it can't listen", async () => {
  const parts = { listen: server.address, signer, metrics, log: new SilentLog() };
  const second = await startOps(parts);
  assert.ok(!second.ok);
  assert.equal(second.error.code, "LISTEN_FAILED");
});
