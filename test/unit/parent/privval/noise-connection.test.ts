// Noise's frames over a pair of streams in memory, against a side that shares no code with ours:
// frames that are forged, repeated, cut or empty, and streams that nobody reads.

import assert from "node:assert/strict";
import { type Duplex, duplexPair } from "node:stream";
import { test } from "node:test";
import { StreamFault } from "../../../../parent/privval/secured-stream.ts";
import {
  encodePayload,
  type NoiseCipher,
  NoiseResponder,
} from "../../../../scripts/local/noise-handshake.ts";
import { acceptNoise, frameOf, readFrame } from "../../../../scripts/local/noise-stream.ts";
import { settled } from "../../../fakes/manual-timers.ts";
import {
  NODE_ID,
  OUR_ID,
  openByHand,
  openOurs,
  openPair,
  PATIENT_MS,
} from "../../../fakes/noise-rig.ts";
import { SIDE_B } from "../../../fakes/secret-vectors.ts";
import { until } from "../../../fakes/until.ts";

const FRAME_DATA_BYTES_MAX = 65_519;

function nextData(stream: Duplex): Promise<unknown> {
  return new Promise((settle) => {
    stream.once("data", settle);
  });
}

test("both sides know each other by name, and understand what they send", async () => {
  const [left, right] = duplexPair();
  const [ours, theirs] = await Promise.all([
    openOurs(left),
    acceptNoise(right, SIDE_B.identity, PATIENT_MS),
  ]);
  assert(ours.ok && theirs !== null);
  assert.deepEqual([ours.value.peerId, theirs.peerId], [NODE_ID, OUR_ID]);
  ours.value.write("from the signer");
  assert.deepEqual(await nextData(theirs.stream), Buffer.from("from the signer"));
  theirs.stream.write("from the node");
  assert.deepEqual(await nextData(ours.value), Buffer.from("from the node"));
  ours.value.destroy();
});

test("bytes cross in order in both directions, whatever the cuts, and the end follows them", async () => {
  const { ours, theirs } = await openPair();
  const sent = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7) % 256));
  for (const [from, to] of [
    [theirs, ours],
    [ours, theirs],
  ] as const) {
    for (let at = 0; at < sent.length; at += 70_000) from.write(sent.subarray(at, at + 70_000));
    from.end();
    const received: Uint8Array[] = [];
    to.on("data", (chunk: Buffer) => received.push(chunk));
    await new Promise((settle) => {
      to.once("end", settle);
    });
    assert.deepEqual(Buffer.concat(received), sent);
  }
});

test("a node that closes behind its handshake, as with a signer that it does not admit, ends the stream", async () => {
  const [carrier, node] = duplexPair();
  const opening = openOurs(carrier);
  const accepted = await acceptNoise(node, SIDE_B.identity, PATIENT_MS);
  assert(accepted !== null);
  node.destroy();
  carrier.destroy();
  const ours = await opening;
  assert(ours.ok);
  await until(() => ours.value.destroyed);
});

test("a frame that is not authentic ends the stream, and says so", async () => {
  const spoil: readonly ((send: NoiseCipher) => Uint8Array)[] = [
    () => frameOf(Buffer.alloc(40)),
    () => frameOf(Buffer.alloc(16)),
    () => frameOf(Buffer.alloc(15)),
    () => frameOf(Buffer.alloc(0)),
    (send) => {
      const frame = frameOf(send.seal(Buffer.from("changed")));
      frame.writeUInt8(frame.readUInt8(4) ^ 1, 4);
      return frame;
    },
    // Left out, so that the next one has come too early.
    (send) => {
      send.seal(Buffer.from("first"));
      return frameOf(send.seal(Buffer.from("second")));
    },
  ];
  for (const bytes of spoil) {
    const { ours, node, send, carrier } = await openByHand();
    const received: unknown[] = [];
    ours.on("data", (chunk) => received.push(chunk));
    node.write(bytes(send));
    await until(() => ours.destroyed);
    const fault = ours.errored;
    assert.equal(fault instanceof StreamFault ? fault.code : "none", "PRIVVAL_MALFORMED");
    assert.deepEqual([received, carrier.destroyed], [[], true]);
  }
});

test("a frame that comes twice is taken once, and ends the stream", async () => {
  const { ours, node, send } = await openByHand();
  const received: Buffer[] = [];
  ours.on("data", (chunk: Buffer) => received.push(chunk));
  const frame = frameOf(send.seal(Buffer.from("once")));
  node.write(Buffer.concat([frame, frame]));
  await until(() => ours.destroyed);
  assert.equal(Buffer.concat(received).toString(), "once");
});

test("a frame that is cut only ends the stream", async () => {
  const { ours, node, send } = await openByHand();
  ours.resume();
  node.end(frameOf(send.seal(Buffer.from("cut"))).subarray(0, -1));
  await until(() => ours.destroyed);
  assert.equal(ours.errored, null);
});

test("frames of no data are passed over, and what follows them is not", async () => {
  const { ours, node, send } = await openByHand();
  for (let count = 0; count < 3; count++) node.write(frameOf(send.seal(Buffer.alloc(0))));
  node.write(frameOf(send.seal(Buffer.of(5))));
  assert.deepEqual(await nextData(ours), Buffer.of(5));
  ours.destroy();
});

test("frames take as much data as there is room for, and no more", async () => {
  const { ours, node, receive, send } = await openByHand();
  for (const [byteCount, sizes] of [
    [0, []],
    [1, [1]],
    [FRAME_DATA_BYTES_MAX, [FRAME_DATA_BYTES_MAX]],
    [FRAME_DATA_BYTES_MAX + 1, [FRAME_DATA_BYTES_MAX, 1]],
  ] as const) {
    const written = new Promise((settle) => ours.write(Buffer.alloc(byteCount, 7), settle));
    for (const size of sizes) {
      assert.deepEqual(receive.open(await readFrame(node)), Buffer.alloc(size, 7));
    }
    assert.equal((await written) ?? null, null);
  }
  node.write(frameOf(send.seal(Buffer.alloc(FRAME_DATA_BYTES_MAX, 8))));
  assert.deepEqual(await nextData(ours), Buffer.alloc(FRAME_DATA_BYTES_MAX, 8));
  ours.destroy();
});

test("what comes at once with the handshake's answer is read behind it", async () => {
  const [carrier, node] = duplexPair();
  const responder = new NoiseResponder();
  const opening = openOurs(carrier);
  responder.takeFirst(await readFrame(node));
  const payload = encodePayload(SIDE_B.identity, responder.staticKey);
  // No frame can be sealed yet: it is one that can't be opened.
  node.write(Buffer.concat([frameOf(responder.second(payload)), frameOf(Buffer.alloc(20))]));
  const ours = await opening;
  assert(ours.ok);
  ours.value.resume();
  await until(() => ours.value.destroyed);
  assert(ours.value.errored instanceof StreamFault);
});

test("a stream that nobody reads takes no more than its buffers hold", async () => {
  const { ours, theirs } = await openPair();
  let sentBytes = 0;
  const chunk = Buffer.alloc(16 * 1024);
  const send = (): void => {
    sentBytes += chunk.length;
    if (sentBytes < 4 * 1024 * 1024) theirs.write(chunk, () => send());
  };
  send();
  await settled();
  assert.ok(sentBytes < 512 * 1024, `${sentBytes} bytes`);
  assert.ok(ours.readableLength <= 32 * 1024, `${ours.readableLength} bytes`);
  ours.resume();
  await until(() => sentBytes >= 1024 * 1024);
  ours.destroy();
});

test("a write is done when the carrier has taken it, and fails without it", async () => {
  const { ours, carrier, receive, node } = await openByHand();
  let isDone = false;
  ours.write(Buffer.alloc(FRAME_DATA_BYTES_MAX), () => {
    isDone = true;
  });
  await settled();
  assert.equal(isDone, false);
  assert.equal(receive.open(await readFrame(node)).length, FRAME_DATA_BYTES_MAX);
  await until(() => isDone);
  carrier.destroy();
  await until(() => ours.destroyed);
  const failed = await new Promise<unknown>((settle) => ours.write("late", settle));
  assert(failed instanceof Error);
});

test("a connection whose carrier is destroyed is destroyed, and destroys it", async () => {
  const first = await openByHand();
  first.carrier.destroy();
  await until(() => first.ours.destroyed);
  const second = await openByHand();
  second.ours.destroy();
  await until(() => second.carrier.destroyed);
});
