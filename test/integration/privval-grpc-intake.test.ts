// What of a call is taken before it is served, with nodes that send as no gRPC library would.

import assert from "node:assert/strict";
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { status } from "@grpc/grpc-js";
import { PRIVVAL_REQUEST_BYTES_MAX } from "../../parent/grpc/privval-call.ts";
import { MessageRoom, SMALL_MESSAGE_BYTES_MAX } from "../../parent/privval/message-room.ts";
import { PRIVVAL_ANSWER_DEADLINE_MS } from "../../shared/limits.ts";
import { ManualTimers, settled } from "../fakes/manual-timers.ts";
import { PrivvalGrpcRig, type Reply } from "../fakes/privval-grpc-rig.ts";
import { voteWire, wire } from "../fakes/privval-node.ts";
import { answerTo } from "../fakes/scripted-privval.ts";
import { until } from "../fakes/until.ts";

const PATH = "/tendermint.privval.PrivValidatorAPI/SignVote";
const VOTE = wire({ 1: voteWire(), 2: "sei-1" });
const LARGE = wire({
  1: voteWire(),
  2: "sei-1",
  15: new Uint8Array(SMALL_MESSAGE_BYTES_MAX),
});
const ROOM = PRIVVAL_REQUEST_BYTES_MAX + LARGE.length;

async function start(t: TestContext, more: Parameters<typeof PrivvalGrpcRig.start>[1] = {}) {
  const rig = await PrivvalGrpcRig.start(undefined, more);
  t.after(() => rig.close());
  return rig;
}

/** A message's head, and as much of it as is given. */
function framed(message: Uint8Array, byteCount = message.length, flag = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message.subarray(0, byteCount)]);
}

/** A call of which each byte is ours. */
function callRaw(
  t: TestContext,
  rig: PrivvalGrpcRig,
  headers: Readonly<Record<string, string>> = {},
) {
  const socket = rig.socket({});
  const session = connect("https://signer", { createConnection: () => socket });
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": PATH,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => {});
  stream.resume();
  t.after(() => session.destroy());
  return { stream, status: statusOf(stream) };
}

/** The number, and the code of ours that the text begins with. */
async function statusOf(stream: ClientHttp2Stream): Promise<string> {
  const told = await new Promise<IncomingHttpHeaders>((settle) => {
    stream.once("response", (headers) => {
      if (headers["grpc-status"] !== undefined) settle(headers);
    });
    stream.once("trailers", (headers) => settle(headers));
    stream.once("close", () => settle({}));
  });
  const [number, message] = [told["grpc-status"], told["grpc-message"]].map((text) =>
    typeof text === "string" ? text : "",
  );
  return `${number} ${decodeURI(message ?? "").split(":")[0]}`;
}

function outcome(reply: Reply): string {
  return reply.ok ? "answered" : `${reply.status} ${reply.text.split(":")[0]}`;
}

const BUSY = `${status.RESOURCE_EXHAUSTED} LINK_BUSY`;

test("large requests that have no room are refused by their first bytes, small ones never", async (t) => {
  const rig = await start(t, { room: new MessageRoom(ROOM) });
  const release = rig.signer.holdNext();
  const most = wire({
    1: voteWire(),
    2: "sei-1",
    15: new Uint8Array(PRIVVAL_REQUEST_BYTES_MAX - VOTE.length - 4),
  });
  assert.equal(most.length, PRIVVAL_REQUEST_BYTES_MAX);
  const held = rig.call("SignVote", most, rig.node());
  await until(() => rig.signer.asks.length === 1);
  // Just as much as there is, and it is not even there yet.
  const dripping = callRaw(t, rig);
  dripping.stream.write(framed(LARGE, 1));
  await awaitOutcome(rig, BUSY);
  const head = callRaw(t, rig);
  head.stream.write(framed(LARGE, 0));
  assert.equal(await head.status, BUSY);
  assert.equal(outcome(await rig.call("SignVote", LARGE, rig.node())), BUSY);
  assert.equal(outcome(await rig.call("SignVote", VOTE, rig.node())), "answered");
  assert.deepEqual(rig.observed.at(-1), ["", "LINK_BUSY"]);
  dripping.stream.end(LARGE.subarray(1));
  assert.equal(await dripping.status, "0 OK");
  assert.equal(outcome(await rig.call("SignVote", LARGE, rig.node())), "answered");
  release(answerTo(wire({ 3: VOTE })));
  assert.equal(outcome(await held), "answered");
});

/** Asks for the same until this becomes of it: what others took or left takes effect by and by. */
async function awaitOutcome(rig: PrivvalGrpcRig, expected: string): Promise<void> {
  const node = rig.node();
  while (outcome(await rig.call("SignVote", LARGE, node)) !== expected);
}

test("a request keeps its room while the signer has it, also when the node has given up", async (t) => {
  const rig = await start(t, { room: new MessageRoom(LARGE.length) });
  const release = rig.signer.holdNext();
  const call = callRaw(t, rig);
  call.stream.end(framed(LARGE));
  await until(() => rig.signer.asks.length === 1);
  call.stream.close();
  await call.status;
  assert.equal(outcome(await rig.call("SignVote", LARGE, rig.node())), BUSY);
  release(answerTo(wire({ 3: VOTE })));
  await awaitOutcome(rig, "answered");
});

test("a node that goes away in the middle of a request leaves its room", async (t) => {
  const rig = await start(t, { room: new MessageRoom(LARGE.length) });
  const call = callRaw(t, rig);
  call.stream.write(framed(LARGE, 1));
  await awaitOutcome(rig, BUSY);
  call.stream.session?.destroy();
  await awaitOutcome(rig, "answered");
});

test("what is compressed needs the room of the longest", async (t) => {
  const rig = await start(t, { room: new MessageRoom(PRIVVAL_REQUEST_BYTES_MAX) });
  const release = rig.signer.holdNext();
  const headers = { "grpc-encoding": "gzip" };
  const first = callRaw(t, rig, headers);
  first.stream.end(framed(gzipSync(VOTE), undefined, 1));
  await until(() => rig.signer.asks.length === 1);
  const second = callRaw(t, rig, headers);
  second.stream.end(framed(gzipSync(VOTE), undefined, 1));
  assert.equal(await second.status, BUSY);
  release(answerTo(wire({ 3: VOTE })));
  assert.equal(await first.status, "0 OK");
});

test("a request that has not come in the time of an answer is refused", async (t) => {
  const timers = new ManualTimers();
  const rig = await start(t, { timers });
  const call = callRaw(t, rig);
  call.stream.write(framed(VOTE, 3));
  await until(() => timers.nextMs !== null);
  assert.equal(timers.nextMs, PRIVVAL_ANSWER_DEADLINE_MS);
  timers.advance(PRIVVAL_ANSWER_DEADLINE_MS - 1);
  await settled();
  assert.deepEqual(rig.observed, []);
  timers.advance(1);
  assert.equal(await call.status, `${status.DEADLINE_EXCEEDED} PRIVVAL_LATE`);
  assert.equal(timers.count, 0);
});

test("more than one message in a call is malformed, before the second is read", async (t) => {
  const rig = await start(t);
  const call = callRaw(t, rig);
  call.stream.write(framed(VOTE));
  call.stream.write(framed(LARGE, 0));
  assert.equal(await call.status, `${status.INVALID_ARGUMENT} REQUEST_MALFORMED`);
  assert.equal(rig.signer.asks.length, 0);
});

test("a call's head may come byte by byte", async (t) => {
  const rig = await start(t, { room: new MessageRoom(PRIVVAL_REQUEST_BYTES_MAX) });
  const call = callRaw(t, rig);
  for (const byte of framed(VOTE)) {
    call.stream.write(Uint8Array.of(byte));
    await settled();
  }
  call.stream.end();
  assert.equal(await call.status, "0 OK");
});
