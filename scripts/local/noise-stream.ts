// A connection that a node has accepted, over Noise: the handshake, then a stream of frames. As
// with CometBFT the node admits one signer by its name, and closes the connection of any other
// after the handshake.

import { Duplex } from "node:stream";
import { peerIdOfEd25519 } from "../../parent/privval/peer-id.ts";
import type { PrivvalIdentity } from "../../parent/privval/privval-identity.ts";
import { encodePayload, type NoiseCipher, NoiseResponder, openPayload } from "./noise-handshake.ts";

const LENGTH_BYTES = 2;
const FRAME_BYTES_MAX = 65_535;
const TAG_BYTES = 16;

export type NoiseSigner = { readonly stream: Duplex; readonly peerId: string };

/** Null for a carrier that ended, was late, or brought something else. */
export async function acceptNoise(
  carrier: Duplex,
  identity: PrivvalIdentity,
  deadlineMs: number,
): Promise<NoiseSigner | null> {
  carrier.on("error", () => {});
  const timer = setTimeout(() => carrier.destroy(), deadlineMs);
  try {
    const responder = new NoiseResponder();
    responder.takeFirst(await readFrame(carrier));
    carrier.write(frameOf(responder.second(encodePayload(identity, responder.staticKey))));
    const { staticKey, payload } = responder.takeThird(await readFrame(carrier));
    const peerId = peerIdOfEd25519(openPayload(payload, staticKey));
    return { stream: new NoiseStream(carrier, responder.split()), peerId };
  } catch {
    carrier.destroy();
    return null;
  } finally {
    clearTimeout(timer);
  }
}

export function frameOf(body: Uint8Array): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(body.length);
  return Buffer.concat([length, body]);
}

/** Rejects when the stream ends before. */
export async function readFrame(carrier: Duplex): Promise<Buffer> {
  const length = await readExactly(carrier, LENGTH_BYTES);
  return readExactly(carrier, length.readUInt16BE());
}

function readExactly(carrier: Duplex, byteCount: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      carrier.off("readable", pull).off("end", end).off("close", end);
    };
    const end = (): void => {
      stop();
      reject(new Error("the stream has ended"));
    };
    const pull = (): void => {
      const bytes: unknown = carrier.read(byteCount);
      if (!Buffer.isBuffer(bytes)) return;
      if (bytes.length < byteCount) return end();
      stop();
      resolve(bytes);
    };
    carrier.on("readable", pull).on("end", end).on("close", end);
    if (carrier.destroyed) end();
    else pull();
  });
}

class NoiseStream extends Duplex {
  readonly #carrier: Duplex;
  readonly #send: NoiseCipher;

  constructor(
    carrier: Duplex,
    keys: { readonly send: NoiseCipher; readonly receive: NoiseCipher },
  ) {
    super();
    this.#carrier = carrier;
    this.#send = keys.send;
    this.on("error", () => {});
    void this.#receive(keys.receive);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const frames: Buffer[] = [];
    for (let at = 0; at < chunk.length; at += FRAME_BYTES_MAX - TAG_BYTES) {
      const piece = chunk.subarray(at, at + FRAME_BYTES_MAX - TAG_BYTES);
      frames.push(frameOf(this.#send.seal(piece)));
    }
    this.#carrier.write(Buffer.concat(frames), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#carrier.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#carrier.destroy();
    done(error);
  }

  /** A stand-in reads as fast as it can, until the carrier ends or brings something else. */
  async #receive(cipher: NoiseCipher): Promise<void> {
    try {
      for (;;) this.push(cipher.open(await readFrame(this.#carrier)));
    } catch {
      if (this.#carrier.readableEnded) this.push(null);
      else this.destroy();
    }
  }
}
