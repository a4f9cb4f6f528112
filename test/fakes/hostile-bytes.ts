// Bytes that nobody should send, and peers that nobody should be: for every socket of the signer,
// whatever it speaks. Nothing here waits for an answer to be right; what counts is who survives.

import { createConnection, type Socket } from "node:net";
import { type CborValue, encodeCbor } from "../../shared/bytes/cbor.ts";
import { FRAME_BYTES_MAX } from "../../shared/limits.ts";
import { encodeFrame } from "../../shared/wire/frame.ts";
import { ENCLAVE_METHODS, STORE_METHODS } from "../../shared/wire/methods.ts";
import type { Random } from "../simulation/random.ts";

/** Where to connect: a path, or a port of this machine. */
export type Target = { readonly path: string } | { readonly host: string; readonly port: number };

const CONNECT_MS_MAX = 5000;
/** How long a peer may take to react; most close at once, some wait for the rest. */
const LINGER_MS = 60;

export class Attacker {
  readonly #open: (target: Target) => Socket;
  connectionCount = 0;
  sentBytes = 0;

  /** `open` may put TLS around the stream. */
  constructor(open: (target: Target) => Socket = (target) => createConnection(target)) {
    this.#open = open;
  }

  /** Null when the other side does not take it. */
  connect(target: Target): Promise<Socket | null> {
    return new Promise((settle) => {
      const socket = this.#open(target);
      this.connectionCount += 1;
      const timer = setTimeout(() => {
        socket.destroy();
        settle(null);
      }, CONNECT_MS_MAX);
      socket.on("error", () => {});
      socket.once("close", () => {
        clearTimeout(timer);
        settle(null);
      });
      socket.once("encrypted" in socket ? "secureConnect" : "connect", () => {
        clearTimeout(timer);
        settle(socket);
      });
    });
  }

  /** Sends, reads what comes, and leaves; true when the other side had closed by then. */
  async throwAt(target: Target, bytes: Uint8Array): Promise<boolean> {
    const socket = await this.connect(target);
    if (socket === null) return true;
    socket.resume();
    this.#write(socket, bytes);
    await pause(LINGER_MS);
    const isClosed = socket.closed || socket.readableEnded;
    socket.destroy();
    return isClosed;
  }

  /** Opened and dropped as fast as it goes, with and without a few bytes. */
  async churn(target: Target, count: number, atOnce: number): Promise<void> {
    for (let at = 0; at < count; at += atOnce) {
      const sockets = await Promise.all(Array.from({ length: atOnce }, () => this.connect(target)));
      sockets.forEach((socket, index) => {
        if (socket === null) return;
        if (index % 3 === 0) this.#write(socket, Uint8Array.of(0, 0, 0, 9, 1));
        // A reset, where the stream knows one.
        if (index % 2 === 0 && "port" in target && !("encrypted" in socket)) {
          socket.resetAndDestroy();
        } else socket.destroy();
      });
    }
  }

  /** Silent connections, every other one with its sending side closed already. */
  async linger(target: Target, count: number): Promise<readonly Socket[]> {
    const sockets = await Promise.all(Array.from({ length: count }, () => this.connect(target)));
    return sockets.flatMap((socket, index) => {
      if (socket === null) return [];
      if (index % 2 === 0) socket.end();
      return [socket];
    });
  }

  /** Asks and asks and never reads an answer, until it is cut off or has asked enough. */
  async neverRead(target: Target, request: Uint8Array, byteCount: number): Promise<void> {
    const socket = await this.connect(target);
    if (socket === null) return;
    socket.pause();
    const repeated = Buffer.concat(
      Array.from({ length: Math.ceil(65_536 / request.length) }, () => request),
    );
    for (let sent = 0; sent < byteCount && !socket.destroyed; sent += repeated.length) {
      // A peer that has stopped reading too is left alone after a while.
      const isTaken = this.#write(socket, repeated);
      if (!isTaken && !(await drained(socket))) break;
    }
    await pause(LINGER_MS);
    socket.destroy();
  }

  /** A large frame, byte by byte, for so long. */
  async drip(target: Target, lastingMs: number): Promise<void> {
    const socket = await this.connect(target);
    if (socket === null) return;
    socket.setNoDelay(true);
    socket.resume();
    this.#write(socket, header(FRAME_BYTES_MAX));
    const startMs = performance.now();
    while (performance.now() - startMs < lastingMs && !socket.destroyed) {
      for (let count = 0; count < 200; count++) this.#write(socket, Uint8Array.of(0x5a));
      await new Promise(setImmediate);
    }
    socket.destroy();
  }

  #write(socket: Socket, bytes: Uint8Array): boolean {
    this.sentBytes += bytes.length;
    return socket.write(bytes);
  }
}

function drained(socket: Socket): Promise<boolean> {
  return new Promise((settle) => {
    const timer = setTimeout(() => settle(false), 300);
    const done = (isDrained: boolean) => () => {
      clearTimeout(timer);
      settle(isDrained);
    };
    socket.once("drain", done(true));
    socket.once("close", done(false));
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((settle) => setTimeout(settle, ms));
}

function header(length: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, length);
  return bytes;
}

/** Bytes that are no request, by what is wrong with them. */
export function malformedBytes(random: Random): Readonly<Record<string, Uint8Array>> {
  const whole = encodeFrame(encodeCbor([7, "status", []]));
  return {
    "random bytes": randomBytes(random, 65_536),
    "few random bytes": randomBytes(random, 3),
    "the largest length": Buffer.concat([header(0xffff_ffff), randomBytes(random, 64)]),
    "a length one above the limit": header(FRAME_BYTES_MAX + 1),
    "an empty frame": header(0),
    "a frame of random bytes": encodeFrame(randomBytes(random, 512)),
    "a whole frame and random bytes": Buffer.concat([whole, randomBytes(random, 4096)]),
    "deep arrays": encodeFrame(new Uint8Array(200_000).fill(0x81)),
    "deep maps": encodeFrame(new Uint8Array(200_000).fill(0xa1)),
    "deep indefinite arrays": encodeFrame(new Uint8Array(200_000).fill(0x9f)),
    "an array that says it is huge": encodeFrame(
      Uint8Array.of(0x9b, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3),
    ),
    "many small items": encodeFrame(
      Buffer.concat([Uint8Array.of(0x9f), new Uint8Array(1_000_000), Uint8Array.of(0xff)]),
    ),
    "a text that is no UTF-8": encodeFrame(Uint8Array.of(0x83, 1, 0x62, 0xff, 0xfe, 0x80)),
    "a negative id": encodeFrame(encodeCbor([-1, "status", []])),
    "an id of 2^64 - 1": encodeFrame(encodeCbor([2n ** 64n - 1n, "status", []])),
    "a method of 4000 letters": encodeFrame(encodeCbor([1, "x".repeat(4000), []])),
    "a map": encodeFrame(encodeCbor(new Map([["id", 1]]))),
    "an answer": encodeFrame(encodeCbor([1, 0, null])),
    "an HTTP request": Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
  };
}

/** A frame that is right, cut at each of its bytes. */
export function truncatedFrames(): readonly Uint8Array[] {
  const whole = encodeFrame(encodeCbor([7, "status", []]));
  return Array.from({ length: whole.length }, (_, end) => whole.subarray(0, end));
}

const ODD_VALUES: readonly CborValue[] = [
  null,
  -1,
  2n ** 64n - 1n,
  "text",
  new Uint8Array(3),
  [],
  [[[[]]]],
  new Map([[1, 2]]),
  true,
];

/** Well-formed requests whose method or parameters are nobody's. None of them is a valid call. */
export function misshapenRequests(): readonly Uint8Array[] {
  const names = [
    ...Object.keys(ENCLAVE_METHODS),
    ...Object.keys(STORE_METHODS),
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "",
    "sign ",
  ];
  let id = 0;
  const request = (name: string, params: readonly CborValue[]) => {
    id += 1;
    return encodeFrame(encodeCbor([id, name, params]));
  };
  return names.flatMap((name) => [
    // No method has seven parameters.
    request(name, ODD_VALUES.slice(0, 7)),
    ...ODD_VALUES.map((value) => request(name, [value, value, value, value, value, value])),
    ...ODD_VALUES.filter((value) => !Array.isArray(value)).map((value) => request(name, [value])),
  ]);
}

function randomBytes(random: Random, byteCount: number): Uint8Array {
  return Uint8Array.from({ length: byteCount }, () => random.below(256));
}
