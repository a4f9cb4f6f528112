import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { OPEN_COUNT_MAX } from "../../parent/api/attestation-route.ts";
import type { Signed } from "../../parent/ports.ts";
import type { Refusal } from "../../shared/errors.ts";
import { HTTP_HEADER_BYTES_MAX, IN_FLIGHT_BYTES_MAX } from "../../shared/limits.ts";
import { ok, type Result } from "../../shared/result.ts";
import { ApiRig, codeOf, type RigOptions, SIGN_PATH, textUntilClosed } from "../fakes/api-rig.ts";
import { FAKE_SIGNATURE } from "../fakes/signer.ts";
import { until } from "../fakes/until.ts";

type Outcome = Result<Signed, Refusal>;

const SIGNED: Outcome = ok({ kind: "ATTESTATION", signature: FAKE_SIGNATURE });

async function withRig(options: RigOptions, run: (rig: ApiRig) => Promise<void>): Promise<void> {
  const rig = await ApiRig.start(options);
  try {
    await run(rig);
  } finally {
    await rig.close();
  }
}

/** The signer answers nothing until `release` is called. */
function hold(rig: ApiRig): { readonly release: () => void } {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  rig.signer.answer = () => promise;
  return { release: () => resolve(SIGNED) };
}

function requestOf(body: string, ...headers: readonly string[]): string {
  const lines = [`POST ${SIGN_PATH} HTTP/1.1`, "Host: localhost", ...headers];
  return `${lines.join("\r\n")}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

test("a request beyond the queue is refused unread, and the next one is served", async () => {
  await withRig({ api: { queueCount: 2 } }, async (rig) => {
    const { release } = hold(rig);
    const held = [rig.sign(), rig.sign()];
    await until(() => rig.signer.asks.length === 2);
    const full = await rig.sign();
    assert.deepEqual([full.status, codeOf(full)], [503, "QUEUE_FULL"]);
    assert.equal(full.headers["retry-after"], "1");
    assert.equal(codeOf(await rig.call("/attestation?nonce=aa")), "QUEUE_FULL");
    assert.equal((await rig.call("/upcheck")).status, 200);
    release();
    assert.deepEqual(
      (await Promise.all(held)).map(({ status }) => status),
      [200, 200],
    );
    assert.equal((await rig.sign()).status, 200);
  });
});

test("bodies are refused when they would be too much together, and room comes back", async () => {
  await withRig({}, async (rig) => {
    const { release } = hold(rig);
    const body = new Uint8Array(IN_FLIGHT_BYTES_MAX / 8);
    const held = Array.from({ length: 8 }, () => rig.sign({ body }));
    await until(() => rig.signer.asks.length === 8);
    assert.equal(codeOf(await rig.sign({ body: "1" })), "QUEUE_FULL");
    release();
    assert.ok((await Promise.all(held)).every(({ status }) => status === 200));
    assert.equal((await rig.sign({ body: "1" })).status, 200);
  });
});

test("a request that the signer does not answer is refused at its deadline", async () => {
  await withRig({ api: { deadlineMs: 50 } }, async (rig) => {
    const { release } = hold(rig);
    const late = await rig.sign();
    assert.deepEqual([late.status, codeOf(late)], [503, "DEADLINE"]);
    release();
    assert.equal((await rig.sign()).status, 200);
  });
});

test("a body that does not arrive is refused at the deadline, and the connection closed", async () => {
  await withRig({ api: { deadlineMs: 50 } }, async (rig) => {
    const text = await rig.raw(requestOf("{}").slice(0, -1));
    assert.match(text, /^HTTP\/1\.1 503 .*connection: close.*"DEADLINE"[^\n]*$/is);
    assert.equal(rig.signer.asks.length, 0);
  });
});

test("headers that come too slowly are refused, and the connection closed", async () => {
  await withRig({ api: { deadlineMs: 50 } }, async (rig) => {
    const text = await rig.raw("POST /upcheck HTTP/1.1\r\nHost: ");
    assert.match(text, /^HTTP\/1\.1 408 .*"HTTP_MALFORMED"/s);
  });
});

test("a client that goes away frees its place", async () => {
  await withRig({ api: { queueCount: 1 } }, async (rig) => {
    const socket = await rig.socket();
    socket.write(requestOf("{}").slice(0, -1));
    const isFull = async () => codeOf(await rig.sign()) === "QUEUE_FULL";
    while (!(await isFull()));
    socket.destroy();
    while ((await rig.sign()).status !== 200);
  });
});

test("a client that sends more than its rate is refused with Retry-After", async () => {
  await withRig({ client: { ratePerSecond: 0.001, rateBurst: 2 } }, async (rig) => {
    const statuses = [await rig.sign(), await rig.call("/upcheck"), await rig.sign()];
    assert.deepEqual(
      statuses.map(({ status }) => status),
      [200, 200, 429],
    );
    assert.equal(statuses[2]?.headers["retry-after"], "1");
    assert.equal(rig.signer.asks.length, 1);
  });
});

test("keep-alive outlives the clients' idle time, and says so", async () => {
  await withRig({}, async (rig) => {
    const agent = rig.agent(rig.pair, { keepAlive: true });
    const first = await rig.sign({ agent });
    assert.equal(first.headers["keep-alive"], "timeout=75");
    agent.destroy();
  });
});

test("an idle connection is closed after the configured time", async () => {
  await withRig({ api: { keepAliveMs: 1000 } }, async (rig) => {
    const text = await rig.raw(requestOf("{}"));
    assert.match(text, /^HTTP\/1\.1 200 /);
  });
});

test("a connection that is old is closed after its next answer", async () => {
  await withRig({ api: { connectionAgeMs: 1000 } }, async (rig) => {
    const socket = await rig.socket();
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    const closed = once(socket, "close");
    let count = 0;
    while (!/connection: close/i.test(text)) {
      socket.write(requestOf("{}"));
      count += 1;
      await until(() => text.split("HTTP/1.1 200").length - 1 === count);
    }
    await closed;
    assert.ok(count > 1);
  });
});

const MALFORMED: readonly (readonly [what: string, bytes: string, status: number])[] = [
  ["no HTTP at all", "\x16\x03\x01\0\0\r\n\r\n", 400],
  ["no Host", "GET /upcheck HTTP/1.1\r\n\r\n", 400],
  ["a Host that is none", "GET /upcheck HTTP/1.1\r\nHost: a b/\r\n\r\n", 400],
  ["a backslash in the path", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a negative length", `POST ${SIGN_PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n`, 400],
  [
    "two lengths",
    `POST ${SIGN_PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    400,
  ],
  [
    "a length and chunks",
    `POST ${SIGN_PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n`,
    400,
  ],
  ["a bare line feed", "GET /upcheck HTTP/1.1\nHost: a\n\n", 400],
  ["a space before the colon", "GET /upcheck HTTP/1.1\r\nHost : a\r\n\r\n", 400],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  [
    "headers of more than the limit",
    `GET /upcheck HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(HTTP_HEADER_BYTES_MAX)}\r\n\r\n`,
    431,
  ],
];

for (const [what, bytes, status] of MALFORMED) {
  test(`a request with ${what} is refused with ${status}`, async () => {
    await withRig({ api: { deadlineMs: 200, keepAliveMs: 1000 } }, async (rig) => {
      const text = await rig.raw(bytes);
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(rig.signer.asks.length, 0);
    });
  });
}

test("headers just below the limit are taken", async () => {
  await withRig({}, async (rig) => {
    const headers = { x: "x".repeat(HTTP_HEADER_BYTES_MAX - 400) };
    assert.equal((await rig.call("/upcheck", { headers })).status, 200);
  });
});

test("pipelined requests are answered in their order", async () => {
  await withRig({ api: { keepAliveMs: 1000 } }, async (rig) => {
    const { release } = hold(rig);
    const socket = await rig.socket();
    const text = textUntilClosed(socket);
    socket.write(requestOf("{}", "Accept: application/json"));
    socket.write("GET /upcheck HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await until(() => rig.signer.asks.length === 1);
    release();
    assert.match(await text, /"signature".*OK$/s);
  });
});

test("close finishes what is in flight, and refuses what comes then", async () => {
  const rig = await ApiRig.start();
  const { release } = hold(rig);
  const held = rig.sign();
  await until(() => rig.signer.asks.length === 1);
  const closed = rig.close();
  await assert.rejects(rig.sign());
  release();
  const answer = await held;
  assert.deepEqual([answer.status, answer.headers["connection"]], [200, "close"]);
  await closed;
});

test("close does not wait longer than its deadline", async () => {
  const rig = await ApiRig.start();
  hold(rig);
  const held = assert.rejects(rig.sign());
  await until(() => rig.signer.asks.length === 1);
  await rig.api.close(20);
  await held;
  await rig.close();
});

test("a client that asks for evidence and does not read it gets no more than a few answers", async () => {
  await withRig({}, async (rig) => {
    const path = "/attestation?nonce=00";
    const document = Promise.withResolvers<typeof rig.signer.document>();
    rig.signer.attest = (nonce) => {
      rig.signer.nonces.push(nonce);
      return document.promise;
    };
    const greedy = await rig.socket();
    greedy.on("error", () => {});
    greedy.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(20));
    await until(() => rig.signer.nonces.length === OPEN_COUNT_MAX);
    // On every connection of that client; others of its requests are served.
    assert.equal(codeOf(await rig.call(path)), "QUEUE_FULL");
    assert.equal((await rig.sign()).status, 200);
    assert.equal(rig.signer.nonces.length, OPEN_COUNT_MAX);
    greedy.destroy();
    document.resolve(rig.signer.document);
    // Once the listener has seen that the connection is gone, which no answer tells.
    while ((await rig.call(path)).status !== 200) assert.ok(rig.log.lines.length < 1000);
    for (let count = 0; count < 2 * OPEN_COUNT_MAX; count++) {
      assert.equal((await rig.call(path)).status, 200);
    }
  });
});
