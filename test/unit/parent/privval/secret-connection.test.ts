// A SecretConnection over a pair of streams in memory: the published vector to the byte, peers that
// are somebody else, are slow, cheat or go away, and streams that nobody reads.

import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { type Duplex, duplexPair } from "node:stream";
import { test } from "node:test";
import {
  openSecretConnection,
  type SecretConnection,
  type SecretOptions,
} from "../../../../parent/privval/secret-connection.ts";
import { FrameSealer, SEALED_FRAME_BYTES } from "../../../../parent/privval/secret-frame.ts";
import {
  deriveSecrets,
  encodeAuth,
  encodeEphemeral,
} from "../../../../parent/privval/secret-handshake.ts";
import { StreamFault } from "../../../../parent/privval/secured-stream.ts";
import { ManualTimers, settled } from "../../../fakes/manual-timers.ts";
import { type SecretSide, SIDE_A, SIDE_B } from "../../../fakes/secret-vectors.ts";
import { until } from "../../../fakes/until.ts";

const DEADLINE_MS = 2000;
const A_ID = "53ac1ab90ae04fe50c1ed6293c1fde802858bf87";
/** Of side A with these keys, so that both sides' frames are those of the vector. */
const A_SEND = Buffer.from(
  "a34390198e6cd8ca13d3de08622412e789a8996785e3860953c4e7cd16959950",
  "hex",
);

function open(carrier: Duplex, side: SecretSide, options: Partial<SecretOptions> = {}) {
  return openSecretConnection(carrier, {
    ...side,
    peerId: null,
    deadlineMs: DEADLINE_MS,
    timers: new ManualTimers(),
    ...options,
  });
}

async function openPair(): Promise<{
  readonly a: SecretConnection;
  readonly b: SecretConnection;
  readonly carriers: readonly [Duplex, Duplex];
}> {
  const carriers = duplexPair();
  const [a, b] = await Promise.all([open(carriers[0], SIDE_A), open(carriers[1], SIDE_B)]);
  assert(a.ok && b.ok);
  return { a: a.value, b: b.value, carriers };
}

/** Keeps what is written to a stream. */
function tap(stream: Duplex): Buffer[] {
  const chunks: Buffer[] = [];
  const write = stream.write.bind(stream);
  stream.write = (chunk: Uint8Array, ...rest: never[]) => {
    chunks.push(Buffer.from(chunk));
    return write(chunk, ...rest);
  };
  return chunks;
}

function nextData(stream: Duplex): Promise<unknown> {
  return new Promise((settle) => {
    stream.once("data", settle);
  });
}

function sha256(bytes: Uint8Array | undefined): string {
  return createHash("sha256")
    .update(bytes ?? "")
    .digest("hex");
}

function codeOf(result: { ok: true } | { ok: false; error: { code: string } }): string {
  return result.ok ? "ok" : result.error.code;
}

test("both sides of the vector send its very bytes, and know each other's id", async () => {
  const [left, right] = duplexPair();
  const written = { a: tap(left), b: tap(right) };
  const [a, b] = await Promise.all([
    open(left, SIDE_A, { peerId: SIDE_B.identity.id }),
    open(right, SIDE_B, { peerId: A_ID }),
  ]);
  assert(a.ok && b.ok);
  assert.deepEqual([a.value.peerId, b.value.peerId], [SIDE_B.identity.id, A_ID]);
  b.value.write(Buffer.from("023a00", "hex"));
  assert.deepEqual(await nextData(a.value), Buffer.from("023a00", "hex"));
  assert.deepEqual(written.a.map(sha256).slice(1), [
    "5ddcb2933cebff5592ecb7e512c433d18bf20ac2f61678944fc07a927c724c83",
  ]);
  assert.deepEqual(written.b.map(sha256).slice(1), [
    "b64826c1486cca94ba37c4423f4637891e3ff9be0da28692c7f0ec36809a7ff7",
    "15b58d5337588a45529ee7d6ff3943d6e0a66cc6bf1757fbd3ed66cb47c3a418",
  ]);
});

test("bytes cross in order in both directions, whatever the cuts, and the end follows them", async () => {
  const { a, b } = await openPair();
  const sent = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256));
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    for (let at = 0; at < sent.length; at += 3333) from.write(sent.subarray(at, at + 3333));
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
  const [left, right] = duplexPair();
  right.write(encodeEphemeral(SIDE_B.ephemeral));
  const opening = open(left, SIDE_A, { timers });
  timers.advance(DEADLINE_MS - 1);
  await settled();
  assert.equal(left.destroyed, false);
  timers.advance(1);
  assert.equal(codeOf(await opening), "PRIVVAL_TIMEOUT");
  assert.equal(left.destroyed, true);

  const pair = duplexPair();
  const both = [open(pair[0], SIDE_A, { timers }), open(pair[1], SIDE_B, { timers })];
  for (const each of both) assert.equal(codeOf(await each), "ok");
  assert.equal(timers.count, 0);
});

test("a peer with another identity than the pinned one is refused", async () => {
  const [left, right] = duplexPair();
  const theirs = open(right, SIDE_B);
  const ours = await open(left, SIDE_A, { peerId: "00".repeat(20) });
  assert.equal(codeOf(ours), "PRIVVAL_PEER_ID");
  assert.equal(left.destroyed, true);
  const connection = await theirs;
  if (connection.ok) connection.value.destroy();
});

test("a peer with our own identity is refused: two of our connections joined", async () => {
  const [left, right] = duplexPair();
  const joined = { identity: SIDE_A.identity, ephemeral: SIDE_B.ephemeral };
  const both = await Promise.all([open(left, SIDE_A), open(right, joined)]);
  assert.deepEqual(both.map(codeOf), ["PRIVVAL_HANDSHAKE", "PRIVVAL_HANDSHAKE"]);
});

/** Side B by hand, as far as `say` goes. */
async function openAgainst(say: (peer: Duplex) => void): Promise<string> {
  const [left, right] = duplexPair();
  right.on("error", () => {});
  const opening = open(left, SIDE_A);
  say(right);
  const opened = await opening;
  if (opened.ok) opened.value.destroy();
  return codeOf(opened);
}

function frameOfB(data: Uint8Array): Buffer {
  const secrets = deriveSecrets(SIDE_B.ephemeral, SIDE_A.ephemeral.publicKey);
  assert(secrets.ok);
  return new FrameSealer(secrets.value.sendKey).seal(data);
}

test("a peer that cheats, or talks something else, is refused with its code", async () => {
  const hello = encodeEphemeral(SIDE_B.ephemeral);
  const secrets = deriveSecrets(SIDE_B.ephemeral, SIDE_A.ephemeral.publicKey);
  assert(secrets.ok);
  const auth = encodeAuth(SIDE_B.identity, secrets.value.challenge);
  const stolen = encodeAuth(SIDE_B.identity, new Uint8Array(32));
  const rows: readonly (readonly [string, readonly Uint8Array[], string])[] = [
    ["goes on as it should", [hello, frameOfB(auth)], "ok"],
    [
      "says what a web server says",
      [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(2))],
      "PRIVVAL_HANDSHAKE",
    ],
    ["sends our own key back", [encodeEphemeral(SIDE_A.ephemeral)], "PRIVVAL_HANDSHAKE"],
    [
      "sends a key of zeros",
      [Buffer.concat([Uint8Array.of(0x22, 0x0a, 32), Buffer.alloc(32)])],
      "PRIVVAL_HANDSHAKE",
    ],
    ["sends a frame of noise", [hello, Buffer.alloc(SEALED_FRAME_BYTES, 1)], "PRIVVAL_HANDSHAKE"],
    ["signs another challenge", [hello, frameOfB(stolen)], "PRIVVAL_HANDSHAKE"],
    ["sends one byte less", [hello, frameOfB(auth.subarray(0, 102))], "PRIVVAL_HANDSHAKE"],
    [
      "sends one byte more",
      [hello, frameOfB(Buffer.concat([auth, Uint8Array.of(0)]))],
      "PRIVVAL_HANDSHAKE",
    ],
    ["sends nothing in a frame", [hello, frameOfB(Uint8Array.of(0)).fill(0)], "PRIVVAL_HANDSHAKE"],
  ];
  for (const [name, messages, code] of rows) {
    const outcome = await openAgainst((peer) => {
      for (const message of messages) peer.write(message);
    });
    assert.equal(outcome, code, name);
  }
});

test("a peer that goes away during the handshake is PRIVVAL_CLOSED, wherever it stops", async () => {
  const hello = encodeEphemeral(SIDE_B.ephemeral);
  for (const messages of [
    [],
    [hello.subarray(0, 34)],
    [hello],
    [hello, Buffer.alloc(SEALED_FRAME_BYTES - 1)],
  ]) {
    const outcome = await openAgainst((peer) => {
      for (const message of messages) peer.write(message);
      peer.end();
    });
    assert.equal(outcome, "PRIVVAL_CLOSED");
  }
  const [gone] = duplexPair();
  gone.destroy();
  assert.equal(codeOf(await open(gone, SIDE_A)), "PRIVVAL_CLOSED");
});

test("a frame that is not authentic ends the stream, and says so; a cut one only ends it", async () => {
  const forged = await openPair();
  forged.b.resume();
  forged.carriers[0].write(Buffer.alloc(SEALED_FRAME_BYTES));
  await until(() => forged.b.destroyed);
  const fault = forged.b.errored;
  assert.equal(fault instanceof StreamFault ? fault.code : "none", "PRIVVAL_MALFORMED");
  assert.equal(forged.carriers[1].destroyed, true);

  const cut = await openPair();
  cut.b.resume();
  cut.carriers[0].end(Buffer.alloc(SEALED_FRAME_BYTES - 1));
  await until(() => cut.b.destroyed);
  assert.equal(cut.b.errored, null);
});

test("a stream that nobody reads takes no more than its buffers hold", async () => {
  const { a, b } = await openPair();
  let sentBytes = 0;
  const chunk = Buffer.alloc(16 * 1024);
  const send = (): void => {
    sentBytes += chunk.length;
    if (sentBytes < 2 * 1024 * 1024) a.write(chunk, () => send());
  };
  send();
  await settled();
  assert.ok(sentBytes < 512 * 1024, `${sentBytes} bytes`);
  assert.ok(b.readableLength <= 17 * 1024);
  b.resume();
  await until(() => sentBytes >= 1024 * 1024);
  a.destroy();
});

test("frames of no data are passed over, and what follows them is not", async () => {
  const { b, carriers } = await openPair();
  for (let counter = 1; counter <= 3; counter++) {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt8(counter, 4);
    const cipher = createCipheriv("chacha20-poly1305", A_SEND, nonce, { authTagLength: 16 });
    carriers[0].write(Buffer.concat([cipher.update(Buffer.alloc(1028)), cipher.final()]));
    carriers[0].write(cipher.getAuthTag());
  }
  carriers[0].write(new FrameSealer(A_SEND, 4n).seal(Uint8Array.of(5)));
  assert.deepEqual(await nextData(b), Buffer.of(5));
  b.destroy();
});

test("a connection whose carrier is destroyed is destroyed, and destroys it", async () => {
  const first = await openPair();
  first.carriers[0].destroy();
  await until(() => first.a.destroyed);
  const second = await openPair();
  second.a.destroy();
  await until(() => second.carriers[0].destroyed);
});
