import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { createRelayDialer } from "../../../../enclave/aws/relay-dialer.ts";
import { EnclavePeer } from "../../../../parent/link/enclave-peer.ts";
import { connectTo } from "../../../../parent/platform/socket.ts";
import { type Relay, type RelayOptions, startRelay } from "../../../../parent/relay/relay.ts";
import type { Address } from "../../../../shared/address.ts";
import { ok } from "../../../../shared/result.ts";
import { encodeFrame } from "../../../../shared/wire/frame.ts";
import {
  encodeRelayTarget,
  parseRelayAnswer,
  takePreface,
} from "../../../../shared/wire/relay-preface.ts";
import { CID_ANY } from "../../../../shared/wire/vsock.ts";
import { PairVsock, VSOCK_MISSING } from "../../../fakes/pair-vsock.ts";
import { SilentLog } from "../../../fakes/silent-log.ts";

const HOST = "kms.eu-central-1.amazonaws.com";
const pairs = await PairVsock.load();

type Bench = { readonly relay: Relay; readonly upstream: Server; readonly log: SilentLog };

/** A relay to one upstream server on this machine, under the name of KMS. */
async function startBench(
  context: TestContext,
  onUpstream: (socket: Socket) => void,
  options: Partial<RelayOptions> = {},
): Promise<Bench> {
  const log = new SilentLog();
  const upstream = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    context.after(() => socket.destroy());
    onUpstream(socket);
  });
  await new Promise<void>((settle) => upstream.listen(0, "127.0.0.1", settle));
  const path = join(mkdtempSync(join(tmpdir(), "redoubt-relay-")), "relay.sock");
  const { port } = upstream.address() as AddressInfo; // oxlint-disable-line typescript/no-unsafe-type-assertion -- a TCP server
  const relay = await startRelay({
    listen: { kind: "unix", path },
    allow: [`${HOST}:443`],
    hosts: new Map([[`${HOST}:443`, `127.0.0.1:${port}`]]),
    log,
    ...options,
  });
  context.after(async () => {
    await relay.close();
    upstream.close();
  });
  return { relay, upstream, log };
}

async function dial(relay: Relay, host = HOST, port = 443): Promise<Duplex> {
  const stream = await dialer(relay.address).connect(host, port);
  assert(stream.ok);
  return stream.value;
}

function dialer(address: Address): ReturnType<typeof createRelayDialer> {
  return createRelayDialer(() => connectTo(address, 5000, { allowHalfOpen: true }));
}

/** Not `for await`: at the end of reading, that destroys the side that still writes. */
function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<Buffer>((settle) =>
    stream.once("end", () => settle(Buffer.concat(chunks))),
  );
  stream.resume();
  return ended;
}

test("the relay carries bytes both ways and passes half-closes on", async (context) => {
  // The upstream answers only after it has seen the end of the request.
  const { relay } = await startBench(context, (socket) => {
    void readAll(socket).then((request) => socket.end(request));
  });
  const stream = await dial(relay);
  const sent = Buffer.alloc(3_000_000, 7);
  stream.end(sent);
  assert.deepEqual(await readAll(stream), sent);
  await closedUpstream(relay);
  const stats = relay.stats();
  assert.equal(stats.sentBytes, sent.length);
  assert.equal(stats.receivedBytes, sent.length);
  assert.equal(stats.acceptedCount, 1);
  assert.equal(stats.openCount, 0);
});

test("the relay is the same over vsock: half-closes, bytes, the allow-list and who may connect", {
  skip: pairs === null ? VSOCK_MISSING : false,
}, async (context) => {
  assert(pairs !== null);
  const peer = new EnclavePeer();
  peer.takeSeat().allow(16);
  const { relay } = await startBench(
    context,
    (socket) => void readAll(socket).then((request) => socket.end(request)),
    {
      listen: { kind: "vsock", cid: CID_ANY, port: 8002 },
      openVsock: pairs.open,
      isPeerAllowed: (cid) => peer.isAllowed(cid),
    },
  );
  assert.equal(pairs.connectFrom(17, 8002), null);
  assert.equal(peer.refusedCount, 1);
  const connectRelay = (): ReturnType<typeof connectTo> => {
    const socket = pairs.connectFrom(16, 8002);
    assert(socket !== null);
    return Promise.resolve(ok(socket));
  };
  const denied = await createRelayDialer(connectRelay).connect(`x${HOST}`, 443);
  assert(!denied.ok && denied.error.code === "RELAY_HOST_DENIED");
  const stream = await createRelayDialer(connectRelay).connect(HOST, 443);
  assert(stream.ok);
  const sent = Buffer.alloc(3_000_000, 7);
  stream.value.end(sent);
  assert.deepEqual(await readAll(stream.value), sent);
  await closedUpstream(relay);
  const { sentBytes, receivedBytes, acceptedCount, refusedCounts } = relay.stats();
  assert.deepEqual([sentBytes, receivedBytes, acceptedCount], [sent.length, sent.length, 1]);
  assert.equal(refusedCounts.RELAY_HOST_DENIED, 1);
});

async function closedUpstream(relay: Relay): Promise<void> {
  while (relay.stats().openCount > 0) await new Promise((settle) => setImmediate(settle));
}

test("the relay passes on what the upstream says first, and its end", async (context) => {
  const { relay } = await startBench(context, (socket) => socket.end("banner"));
  const stream = await dial(relay);
  assert.equal(String(await readAll(stream)), "banner");
  stream.end();
  await closedUpstream(relay);
});

test("the relay keeps bytes that follow the preface in the same write", async (context) => {
  const { relay } = await startBench(context, (socket) => socket.pipe(socket));
  const raw = await connectTo(relay.address, 5000, { allowHalfOpen: true });
  assert(raw.ok);
  const frame = encodeRelayTarget({ host: HOST, port: 443 });
  raw.value.end(Buffer.concat([frame, Buffer.from("early")]));
  const answer = await readAll(raw.value);
  assert.deepEqual(answer, Buffer.from([0, 0, 0, 2, 0x81, 0, ...Buffer.from("early")]));
});

for (const [host, port] of [
  [HOST, 444],
  [`x${HOST}`, 443],
  ["amazonaws.com", 443],
  ["127.0.0.1", 443],
  ["169.254.169.254", 80],
] as const) {
  test(`the relay does not connect to ${host}:${port}`, async (context) => {
    const { relay, log } = await startBench(context, () => assert.fail("connected"));
    const stream = await dialer(relay.address).connect(host, port);
    assert(!stream.ok && stream.error.code === "RELAY_HOST_DENIED");
    const refused = {
      level: "warn",
      event: "relay.refused",
      fields: { code: "RELAY_HOST_DENIED", host: `${host}:${port}` },
    };
    assert.deepEqual(log.lines, [refused]);
    assert.equal(relay.stats().refusedCounts.RELAY_HOST_DENIED, 1);
  });
}

test("the relay answers RELAY_UNREACHABLE when nobody listens at the host", async (context) => {
  const { relay, upstream } = await startBench(context, () => undefined);
  upstream.close();
  await once(upstream, "close");
  const stream = await dialer(relay.address).connect(HOST, 443);
  assert(!stream.ok && stream.error.code === "RELAY_UNREACHABLE");
});

/** The code that the relay answers to raw bytes. */
async function refusalOf(relay: Relay, bytes: Uint8Array, isEnded: boolean): Promise<string> {
  const raw = await connectTo(relay.address, 5000, { allowHalfOpen: true });
  assert(raw.ok);
  if (isEnded) raw.value.end(bytes);
  else raw.value.write(bytes);
  const answer = await readAll(raw.value);
  raw.value.destroy();
  const preface = takePreface(answer);
  assert(preface.ok && preface.value !== null && preface.value.rest.length === 0);
  const refused = parseRelayAnswer(preface.value.body);
  assert(!refused.ok);
  return refused.error.code;
}

test("the relay refuses prefaces that are oversize, malformed, or end early", async (context) => {
  const { relay } = await startBench(context, () => assert.fail("connected"));
  const frame = encodeRelayTarget({ host: HOST, port: 443 });
  const http = Buffer.from("GET / HTTP/1.1\r\n\r\n");
  assert.equal(await refusalOf(relay, http, false), "FRAME_OVERSIZE");
  const garbage = encodeFrame(Buffer.from("garbage"));
  assert.equal(await refusalOf(relay, garbage, false), "FRAME_MALFORMED");
  const cut = frame.subarray(0, -1);
  assert.equal(await refusalOf(relay, cut, true), "FRAME_MALFORMED");
});

test("the relay refuses a preface that does not come within its deadline", async (context) => {
  const { relay } = await startBench(context, () => assert.fail("connected"), {
    connectDeadlineMs: 20,
  });
  assert.equal(await refusalOf(relay, Uint8Array.of(0), false), "LINK_TIMEOUT");
});

test("the relay answers LINK_BUSY to one stream more than its count", async (context) => {
  const { relay } = await startBench(context, () => undefined, { connectionCountMax: 2 });
  const first = await dial(relay);
  await dial(relay);
  const third = await dialer(relay.address).connect(HOST, 443);
  assert(!third.ok && third.error.code === "LINK_BUSY");
  assert.equal(relay.stats().refusedCounts.LINK_BUSY, 1);
  first.destroy();
});

test("the relay closes streams beyond twice its count at once, and counts them", async (context) => {
  const { relay } = await startBench(context, () => undefined, { connectionCountMax: 1 });
  const first = await dial(relay);
  // Refused, and not yet closed by this side: it still counts.
  const second = await connectTo(relay.address, 5000, { allowHalfOpen: true });
  assert(second.ok);
  const third = await connectTo(relay.address, 5000);
  assert(third.ok);
  assert.equal((await readAll(third.value)).length, 0);
  assert.equal(relay.stats().refusedCounts.LINK_BUSY, 2);
  second.value.destroy();
  first.destroy();
});

test("the relay closes a stream that is silent for too long", async (context) => {
  const { relay } = await startBench(context, () => undefined, { idleMs: 20 });
  const stream = await dial(relay);
  assert.equal((await readAll(stream)).length, 0);
  await closedUpstream(relay);
});

test("the relay closes the enclave's stream when the upstream resets", async (context) => {
  const { relay } = await startBench(context, (socket) => {
    socket.once("data", () => socket.resetAndDestroy());
  });
  const stream = await dial(relay);
  stream.write("request");
  assert.equal((await readAll(stream)).length, 0);
});

test("the relay does not read on while the upstream does not", async (context) => {
  let upstreamSocket: Socket | undefined;
  const { relay } = await startBench(context, (socket) => {
    upstreamSocket = socket.pause();
  });
  const stream = await dial(relay);
  const sent = Buffer.alloc(64 * 1024 * 1024);
  stream.end(sent);
  // Until the sockets' buffers are full and nothing moves any more.
  let before = -1;
  while (relay.stats().sentBytes !== before) {
    before = relay.stats().sentBytes;
    await new Promise((settle) => setTimeout(settle, 50));
  }
  assert(relay.stats().sentBytes < sent.length);
  assert(upstreamSocket !== undefined);
  assert.equal((await readAll(upstreamSocket)).length, sent.length);
});

test("the dialer gives up on a relay that never answers", async (context) => {
  const silent = createServer({ allowHalfOpen: true }, (socket) => socket.resume());
  const path = join(mkdtempSync(join(tmpdir(), "redoubt-relay-")), "relay.sock");
  await new Promise<void>((settle) => silent.listen(path, settle));
  context.after(() => silent.close());
  const connectRelay = (): ReturnType<typeof connectTo> => connectTo({ kind: "unix", path }, 5000);
  const stream = await createRelayDialer(connectRelay, 20).connect(HOST, 443);
  assert(!stream.ok && stream.error.code === "RELAY_UNREACHABLE");
});

test("the dialer refuses an answer that is none", async (context) => {
  for (const bytes of [
    Buffer.from("HTTP/1.1 200 OK"),
    encodeFrame(Buffer.from("x")),
    Buffer.alloc(0),
  ]) {
    const server = createServer((socket) => socket.end(bytes));
    const path = join(mkdtempSync(join(tmpdir(), "redoubt-relay-")), "relay.sock");
    await new Promise<void>((settle) => server.listen(path, settle));
    context.after(() => server.close());
    const connectRelay = (): ReturnType<typeof connectTo> =>
      connectTo({ kind: "unix", path }, 5000);
    const stream = await createRelayDialer(connectRelay).connect(HOST, 443);
    assert(!stream.ok);
    assert.notEqual(stream.error.code, "RELAY_HOST_DENIED");
  }
});
