// Noise's handshake against a responder that shares no code with ours: nodes that are somebody
// else, are slow, cheat or go away.

import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { base58btc } from "multiformats/bases/base58";
import {
  encodePayload,
  NoiseResponder,
  openPayload,
} from "../../../../scripts/local/noise-handshake.ts";
import { acceptNoise, frameOf, readFrame } from "../../../../scripts/local/noise-stream.ts";
import { protoBytes, protoMessage, protoVarint } from "../../../../shared/bytes/protobuf.ts";
import { ManualTimers, settled } from "../../../fakes/manual-timers.ts";
import {
  codeOf,
  DEADLINE_MS,
  openAgainst,
  openOurs,
  PATIENT_MS,
} from "../../../fakes/noise-rig.ts";
import { SIDE_A, SIDE_B } from "../../../fakes/secret-vectors.ts";

type Answer = (responder: NoiseResponder) => Uint8Array;

function saying(payload: (staticKey: Uint8Array) => Uint8Array): Answer {
  return (responder) => frameOf(responder.second(payload(responder.staticKey)));
}

/** As `encodePayload`, of what each part says it is. */
function payloadOf(type: bigint, key: Uint8Array, signature: Uint8Array): Uint8Array {
  const identity = Buffer.concat([protoVarint(1, type), protoBytes(2, key)]);
  return Buffer.concat([protoBytes(1, identity), protoBytes(2, signature)]);
}

test("our handshake is of three messages, and of the sizes that libp2p's have", async () => {
  const [carrier, node] = duplexPair();
  const responder = new NoiseResponder();
  const opening = openOurs(carrier);
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

test("a handshake has its deadline to the millisecond, and leaves no alarm behind", async () => {
  const timers = new ManualTimers();
  const [left] = duplexPair();
  const opening = openOurs(left, { timers });
  await settled();
  timers.advance(DEADLINE_MS - 1);
  await settled();
  assert.equal(left.destroyed, false);
  timers.advance(1);
  assert.equal(codeOf(await opening), "PRIVVAL_TIMEOUT");
  assert.equal(left.destroyed, true);

  const pair = duplexPair();
  const accepting = acceptNoise(pair[1], SIDE_B.identity, PATIENT_MS);
  const opened = await openOurs(pair[0], { timers });
  assert(opened.ok && (await accepting) !== null);
  assert.equal(timers.count, 0);
  opened.value.destroy();
});

test("a node that answers byte for byte is late all the same", async () => {
  const timers = new ManualTimers();
  const [left, right] = duplexPair();
  right.on("error", () => {});
  const responder = new NoiseResponder();
  const opening = openOurs(left, { timers });
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
    const opening = openOurs(carrier);
    const responder = new NoiseResponder();
    responder.takeFirst(await readFrame(node));
    const payload = encodePayload(SIDE_B.identity, responder.staticKey);
    node.end(half(frameOf(responder.second(payload))));
    assert.equal(codeOf(await opening), "PRIVVAL_CLOSED");
    assert.equal(carrier.destroyed, true);
  }
  const [destroyed] = duplexPair();
  const opening = openOurs(destroyed);
  destroyed.destroy();
  assert.equal(codeOf(await opening), "PRIVVAL_CLOSED");
  assert.equal(codeOf(await openOurs(destroyed)), "PRIVVAL_CLOSED");
});
