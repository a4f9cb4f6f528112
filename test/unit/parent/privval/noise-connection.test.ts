// Noise over a pair of streams in memory, against a responder that shares no code with ours: nodes
// that are somebody else, are slow, cheat or go away, and streams that nobody reads.

import assert from "node:assert/strict";
import { type Duplex, duplexPair } from "node:stream";
import { test } from "node:test";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { base58btc } from "multiformats/bases/base58";
import {
  type NoiseConnection,
  type NoiseOptions,
  openNoiseConnection,
} from "../../../../parent/privval/noise-connection.ts";
import { peerIdOfEd25519 } from "../../../../parent/privval/peer-id.ts";
import { StreamFault } from "../../../../parent/privval/secured-stream.ts";
import {
  encodePayload,
  type NoiseCipher,
  NoiseResponder,
  openPayload,
} from "../../../../scripts/local/noise-handshake.ts";
import { acceptNoise, frameOf, readFrame } from "../../../../scripts/local/noise-stream.ts";
import { protoBytes, protoMessage, protoVarint } from "../../../../shared/bytes/protobuf.ts";
import { ManualTimers, settled } from "../../../fakes/manual-timers.ts";
import { SIDE_A, SIDE_B } from "../../../fakes/secret-vectors.ts";
import { until } from "../../../fakes/until.ts";

const DEADLINE_MS = 2000;
const PATIENT_MS = 60_000;
const FRAME_DATA_BYTES_MAX = 65_519;
const OUR_ID = peerIdOfEd25519(SIDE_A.identity.publicKey);
const NODE_ID = peerIdOfEd25519(SIDE_B.identity.publicKey);

function open(carrier: Duplex, options: Partial<NoiseOptions> = {}) {
  return openNoiseConnection(carrier, {
    identity: SIDE_A.identity,
    peerId: NODE_ID,
    deadlineMs: DEADLINE_MS,
    timers: new ManualTimers(),
    ...options,
  });
}

function codeOf(result: { ok: true } | { ok: false; error: { code: string } }): string {
  return result.ok ? "ok" : result.error.code;
}

async function openPair(): Promise<{ readonly ours: NoiseConnection; readonly theirs: Duplex }> {
  const [left, right] = duplexPair();
  const [ours, theirs] = await Promise.all([
    open(left),
    acceptNoise(right, SIDE_B.identity, PATIENT_MS),
  ]);
  assert(ours.ok && theirs !== null);
  return { ours: ours.value, theirs: theirs.stream };
}

type ByHand = {
  readonly ours: NoiseConnection;
  readonly carrier: Duplex;
  readonly node: Duplex;
  readonly send: NoiseCipher;
  readonly receive: NoiseCipher;
};

/** With the node's side as the tests want it, frame by frame. */
async function openByHand(): Promise<ByHand> {
  const [carrier, node] = duplexPair();
  node.on("error", () => {});
  const responder = new NoiseResponder();
  const opening = open(carrier);
  responder.takeFirst(await readFrame(node));
  node.write(frameOf(responder.second(encodePayload(SIDE_B.identity, responder.staticKey))));
  responder.takeThird(await readFrame(node));
  const ours = await opening;
  assert(ours.ok);
  return { ours: ours.value, carrier, node, ...responder.split() };
}

/** Up to the node's only message of the handshake, which `answer` makes. */
async function openAgainst(
  answer: (responder: NoiseResponder) => Uint8Array,
  options: Partial<NoiseOptions> = {},
): Promise<{ readonly code: string; readonly afterBytes: number }> {
  const [carrier, node] = duplexPair();
  node.on("error", () => {});
  const opening = open(carrier, options);
  const responder = new NoiseResponder();
  responder.takeFirst(await readFrame(node));
  node.write(answer(responder));
  const opened = await opening;
  if (opened.ok) opened.value.destroy();
  else assert.equal(carrier.destroyed, true);
  await settled();
  let afterBytes = 0;
  node.on("data", (chunk: Buffer) => {
    afterBytes += chunk.length;
  });
  await settled();
  return { code: codeOf(opened), afterBytes };
}

function nextData(stream: Duplex): Promise<unknown> {
  return new Promise((settle) => {
    stream.once("data", settle);
  });
}

test("both sides know each other by name, and understand what they send", async () => {
  const [left, right] = duplexPair();
  const [ours, theirs] = await Promise.all([
    open(left),
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

test("our handshake is of three messages, and of the sizes that libp2p's have", async () => {
  const [carrier, node] = duplexPair();
  const responder = new NoiseResponder();
  const opening = open(carrier);
  const first = await readFrame(node);
  assert.equal(first.length, 32);
  responder.takeFirst(first);
  node.write(frameOf(responder.second(encodePayload(SIDE_B.identity, responder.staticKey))));
  const { payload, staticKey } = responder.takeThird(await readFrame(node));
  assert.deepEqual(openPayload(payload, staticKey), Buffer.from(SIDE_A.identity.publicKey));
  assert.deepEqual(payload, Buffer.from(encodePayload(SIDE_A.identity, staticKey)));
  const ours = await opening;
  assert(ours.ok);
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

test("a handshake has its deadline to the millisecond, and leaves no alarm behind", async () => {
  const timers = new ManualTimers();
  const [left] = duplexPair();
  const opening = open(left, { timers });
  await settled();
  timers.advance(DEADLINE_MS - 1);
  await settled();
  assert.equal(left.destroyed, false);
  timers.advance(1);
  assert.equal(codeOf(await opening), "PRIVVAL_TIMEOUT");
  assert.equal(left.destroyed, true);

  const pair = duplexPair();
  const accepting = acceptNoise(pair[1], SIDE_B.identity, PATIENT_MS);
  const opened = await open(pair[0], { timers });
  assert(opened.ok && (await accepting) !== null);
  assert.equal(timers.count, 0);
  opened.value.destroy();
});

test("a node that answers byte for byte is late all the same", async () => {
  const timers = new ManualTimers();
  const [left, right] = duplexPair();
  right.on("error", () => {});
  const responder = new NoiseResponder();
  const opening = open(left, { timers });
  responder.takeFirst(await readFrame(right));
  const second = frameOf(responder.second(encodePayload(SIDE_B.identity, responder.staticKey)));
  for (const byte of second.subarray(0, -1)) {
    right.write(Buffer.of(byte));
    timers.advance(1);
    await new Promise((settle) => setImmediate(settle));
  }
  timers.advance(DEADLINE_MS);
  assert.equal(codeOf(await opening), "PRIVVAL_TIMEOUT");
});

test("a node with another identity is refused, before it learns who we are", async () => {
  const { code, afterBytes } = await openAgainst((responder) =>
    frameOf(responder.second(encodePayload(SIDE_A.identity, responder.staticKey))),
  );
  assert.deepEqual([code, afterBytes], ["PRIVVAL_PEER_ID", 0]);
});

test("a node that is named by a digest, which says nothing before the end, is refused too", async () => {
  const { code } = await openAgainst(
    (responder) => frameOf(responder.second(encodePayload(SIDE_B.identity, responder.staticKey))),
    { peerId: "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N" },
  );
  assert.equal(code, "PRIVVAL_PEER_ID");
});

/** As `encodePayload`, of what each part says it is. */
function payloadOf(type: bigint, key: Uint8Array, signature: Uint8Array): Uint8Array {
  const identity = Buffer.concat([protoVarint(1, type), protoBytes(2, key)]);
  return Buffer.concat([protoBytes(1, identity), protoBytes(2, signature)]);
}

test("a node whose key is secp256k1 is known by it", async () => {
  const { secretKey, publicKey } = secp256k1.keygen();
  const signed = (staticKey: Uint8Array) =>
    secp256k1.sign(Buffer.concat([Buffer.from("noise-libp2p-static-key:"), staticKey]), secretKey, {
      format: "der",
    });
  const peerId = base58btc.baseEncode(Uint8Array.of(0, 37, 8, 2, 0x12, 33, ...publicKey));
  for (const [staticKey, code] of [
    [null, "ok"],
    [new Uint8Array(32), "PRIVVAL_PEER_ID"],
  ] as const) {
    const outcome = await openAgainst(
      (responder) => {
        const signature = signed(staticKey ?? responder.staticKey);
        return frameOf(responder.second(payloadOf(2n, publicKey, signature)));
      },
      { peerId },
    );
    assert.equal(outcome.code, code);
  }
});

test("a node that cheats, or talks something else, is refused with its code", async () => {
  const { publicKey } = SIDE_B.identity;
  const stranger = new NoiseResponder().staticKey;
  type Answer = (responder: NoiseResponder) => Uint8Array;
  const saying = (payload: (staticKey: Uint8Array) => Uint8Array): Answer => {
    return (responder) => frameOf(responder.second(payload(responder.staticKey)));
  };
  const honest = saying((staticKey) => encodePayload(SIDE_B.identity, staticKey));
  const changed = (change: (frame: Buffer) => void): Answer => {
    return (responder) => {
      const frame = Buffer.from(honest(responder));
      change(frame);
      return frame;
    };
  };
  const rows: readonly (readonly [string, Answer, string])[] = [
    ["goes on as it should", honest, "ok"],
    [
      "sends fields that we do not know",
      saying((key) => Buffer.concat([encodePayload(SIDE_B.identity, key), protoMessage(9, key)])),
      "ok",
    ],
    [
      "signs another static key",
      saying(() => encodePayload(SIDE_B.identity, stranger)),
      "PRIVVAL_PEER_ID",
    ],
    [
      "shows the pinned key with no signature",
      saying(() => payloadOf(1n, publicKey, Buffer.alloc(0))),
      "PRIVVAL_PEER_ID",
    ],
    [
      "shows the pinned key with zeros for a signature",
      saying(() => payloadOf(1n, publicKey, Buffer.alloc(64))),
      "PRIVVAL_PEER_ID",
    ],
    [
      "says that the pinned key is of another kind",
      saying(() => payloadOf(2n, publicKey, Buffer.alloc(64))),
      "PRIVVAL_PEER_ID",
    ],
    ["sends an empty payload", saying(() => Buffer.alloc(0)), "PRIVVAL_PEER_ID"],
    ["sends no payload's bytes", saying(() => Buffer.alloc(50, 0xff)), "PRIVVAL_PEER_ID"],
    [
      "has its static key changed on the way",
      changed((frame) => frame.writeUInt8(frame.readUInt8(40) ^ 1, 40)),
      "PRIVVAL_HANDSHAKE",
    ],
    [
      "has its payload changed on the way",
      changed((frame) => frame.writeUInt8(frame.readUInt8(100) ^ 1, 100)),
      "PRIVVAL_HANDSHAKE",
    ],
    ["sends a key of zeros", changed((frame) => frame.fill(0, 2, 34)), "PRIVVAL_HANDSHAKE"],
    ["sends an empty frame", () => Buffer.alloc(2), "PRIVVAL_HANDSHAKE"],
    ["sends 15 bytes", () => frameOf(Buffer.alloc(15)), "PRIVVAL_HANDSHAKE"],
    ["sends 16 bytes", () => frameOf(Buffer.alloc(16)), "PRIVVAL_HANDSHAKE"],
    ["sends a key and nothing else", () => frameOf(Buffer.alloc(32, 9)), "PRIVVAL_HANDSHAKE"],
    ["sends the longest frame", () => frameOf(Buffer.alloc(65_535, 9)), "PRIVVAL_HANDSHAKE"],
    [
      "sends our own message back",
      (responder) => frameOf(responder.staticKey),
      "PRIVVAL_HANDSHAKE",
    ],
    [
      "says what a web server says",
      () => Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(1000)),
      "PRIVVAL_HANDSHAKE",
    ],
  ];
  for (const [name, answer, code] of rows) {
    const outcome = await openAgainst(answer);
    assert.equal(outcome.code, code, name);
    // Of who we are, or of anything else, nothing has left.
    assert.equal(outcome.afterBytes > 0, code === "ok", name);
  }
});

test("a node that goes away during the handshake is PRIVVAL_CLOSED, wherever it stops", async () => {
  const halves: readonly ((frame: Buffer) => Buffer)[] = [
    (frame) => frame.subarray(0, 0),
    (frame) => frame.subarray(0, 1),
    (frame) => frame.subarray(0, 2),
    (frame) => frame.subarray(0, -1),
  ];
  for (const half of halves) {
    const [carrier, node] = duplexPair();
    const opening = open(carrier);
    const responder = new NoiseResponder();
    responder.takeFirst(await readFrame(node));
    const payload = encodePayload(SIDE_B.identity, responder.staticKey);
    node.end(half(frameOf(responder.second(payload))));
    assert.equal(codeOf(await opening), "PRIVVAL_CLOSED");
    assert.equal(carrier.destroyed, true);
  }
  const [destroyed] = duplexPair();
  const opening = open(destroyed);
  destroyed.destroy();
  assert.equal(codeOf(await opening), "PRIVVAL_CLOSED");
  assert.equal(codeOf(await open(destroyed)), "PRIVVAL_CLOSED");
});

test("a node that closes behind its handshake, as with a signer that it does not admit, ends the stream", async () => {
  const [carrier, node] = duplexPair();
  const opening = open(carrier);
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
  const opening = open(carrier);
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
