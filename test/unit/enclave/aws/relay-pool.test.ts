import assert from "node:assert/strict";
import { test } from "node:test";
import { callAwsJson } from "../../../../enclave/aws/json-call.ts";
import { RelayPool } from "../../../../enclave/aws/relay-pool.ts";
import { ticker } from "../../../../enclave/platform/clock.ts";
import { ENDPOINT_HOST, issue, startEndpoint } from "../../../fakes/tls-endpoint.ts";
import { until } from "../../../fakes/until.ts";

const root = issue({ name: "root", issuer: null });
const leaf = issue({ name: "leaf", issuer: root, dnsName: ENDPOINT_HOST });
const AGE_MS_MAX = 1000;
const REQUEST = {
  host: ENDPOINT_HOST,
  region: "eu-central-1",
  service: "dynamodb",
  target: "DynamoDB_20120810.GetItem",
  jsonVersion: "1.0",
  body: {},
  credentials: {
    accessKeyId: "AKIALOCALLOCALLOCAL1",
    secretAccessKey: "local/secret+access/key+of/forty+chars+00",
    sessionToken: null,
  },
  nowMs: Date.now(),
  deadlineMs: 30_000,
  answerBytesMax: 100,
} as const;

test("a connection is kept for the next call, until it is too old", async (context) => {
  const endpoint = await startEndpoint(context, [leaf], (socket) => {
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("utf8");
      if (!received.endsWith("}")) return;
      received = "";
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    });
  });
  const time = { nowMs: 0 };
  const pool = new RelayPool({
    dialer: endpoint.dialer,
    host: ENDPOINT_HOST,
    port: 443,
    trustAnchors: [root.pem],
    nowMs: () => Date.now(),
    clock: { nowMs: () => time.nowMs },
    ticker,
    keptCountMax: 2,
    ageMsMax: AGE_MS_MAX,
  });
  const call = () => pool.use(30_000, (agent) => callAwsJson(agent, REQUEST));
  const callOnce = async () => {
    const answer = await call();
    assert(answer?.ok === true);
    await new Promise((resolve) => setImmediate(resolve));
  };
  await callOnce();
  await callOnce();
  time.nowMs = AGE_MS_MAX - 1;
  await callOnce();
  assert.equal(endpoint.dialled.length, 1);
  time.nowMs = AGE_MS_MAX;
  await callOnce();
  assert.equal(endpoint.dialled.length, 2);
  // The old agent is destroyed with the connections that it kept; the new one keeps its own.
  assert.equal(endpoint.dialled[0]?.destroyed, true);
  await callOnce();
  assert.equal(endpoint.dialled.length, 2);
  const many = await Promise.all([call(), call(), call(), call()]);
  assert(many.every((answer) => answer?.ok === true));
  assert.equal(endpoint.dialled.length, 3, "two at once, the others wait");
  time.nowMs *= 3;
  await callOnce();
  assert.equal(endpoint.dialled[1]?.destroyed, true);
  await pool.use(0, (agent) => Promise.resolve(agent.destroy()));
});

test("a call whose turn does not come is not made", async (context) => {
  const endpoint = await startEndpoint(context, [leaf]);
  const timers: (() => void)[] = [];
  const pool = new RelayPool({
    dialer: endpoint.dialer,
    host: ENDPOINT_HOST,
    port: 443,
    trustAnchors: [root.pem],
    nowMs: () => Date.now(),
    clock: { nowMs: () => 0 },
    ticker: {
      after: (_delayMs, run) => {
        timers.push(run);
        return { stop: () => undefined };
      },
    },
    keptCountMax: 1,
    ageMsMax: AGE_MS_MAX,
  });
  const held = Promise.withResolvers<string>();
  const first = pool.use(1, () => held.promise);
  const late = pool.use(1, () => Promise.resolve("late"));
  const second = pool.use(1, () => Promise.resolve("second"));
  timers[0]?.();
  assert.equal(await late, null);
  held.resolve("first");
  assert.deepEqual(await Promise.all([first, second]), ["first", "second"]);
  assert.equal(await pool.use(1, () => Promise.resolve("third")), "third");
  assert.equal(timers.length, 2, "its turn was free");
});

test("a burst opens few connections at once, and all that may be kept in the end", async (context) => {
  const gates: (() => void)[] = [];
  const endpoint = await startEndpoint(context, [leaf], (socket) => {
    socket.on("data", (chunk: Buffer) => {
      if (!chunk.toString("utf8").endsWith("}")) return;
      gates.push(() => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"));
    });
  });
  const pool = new RelayPool({
    dialer: endpoint.dialer,
    host: ENDPOINT_HOST,
    port: 443,
    trustAnchors: [root.pem],
    nowMs: () => Date.now(),
    clock: { nowMs: () => 0 },
    ticker,
    keptCountMax: 20,
    ageMsMax: AGE_MS_MAX,
  });
  const calls = Array.from({ length: 40 }, () =>
    pool.use(30_000, (agent) => callAwsJson(agent, REQUEST)),
  );
  // Eight are made; none more before one of them has had an answer.
  await until(() => gates.length === 8);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(endpoint.dialled.length, 8);
  gates.shift()?.();
  // The one that is free again, and as many as are open: 8 more.
  await until(() => gates.length === 16);
  assert.equal(endpoint.dialled.length, 16);
  gates.shift()?.();
  // All that may be kept.
  await until(() => gates.length === 20);
  assert.equal(endpoint.dialled.length, 20);
  const answering = setInterval(() => gates.splice(0).forEach((answer) => answer()), 1);
  const answers = await Promise.all(calls);
  clearInterval(answering);
  assert.ok(answers.every((answer) => answer?.ok === true));
  assert.equal(endpoint.dialled.length, 20);
  await pool.use(0, (agent) => Promise.resolve(agent.destroy()));
});
