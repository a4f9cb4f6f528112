// libp2p's Noise over any stream, as CometBFT v0.40 listens for its signer: the handshake XX with
// both identities in its payload, and frames straight behind it; no protocol is negotiated before
// or in it, no streams are multiplexed. We are always the one that dials. It must never send our
// identity, and never hand on a byte, before the peer has proved to be the pinned one.
// Handshake and frames are `@chainsafe/libp2p-noise`'s (docs/decisions/0017-noise.md). It is large:
// load this file only where a node is dialled over Noise.

import { Duplex } from "node:stream";
import { noise } from "@chainsafe/libp2p-noise";
import { privateKeyFromRaw } from "@libp2p/crypto/keys";
import type { MessageStream, PrivateKey, Upgrader } from "@libp2p/interface";
import { peerIdFromPrivateKey, peerIdFromString } from "@libp2p/peer-id";
import { refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { NoiseCarrier, SILENT } from "./noise-carrier.ts";
import type { PrivvalIdentity } from "./privval-identity.ts";
import {
  SECURED_BUFFER_BYTES,
  type SecureOptions,
  type SecureRefusal,
  StreamFault,
  secureInTime,
} from "./secured-stream.ts";

export type NoiseOptions = SecureOptions & {
  /** The only peer to talk to: a name that has a public key in it (peer-id.ts). */
  readonly peerId: string;
};

type Opened = Result<NoiseConnection, SecureRefusal>;

/** After a refusal the carrier is destroyed; after success it belongs to the connection. */
export function openNoiseConnection(carrier: Duplex, options: NoiseOptions): Promise<Opened> {
  return secureInTime(carrier, options, () => shakeHands(carrier, options));
}

async function shakeHands(carrier: Duplex, { identity, peerId }: NoiseOptions): Promise<Opened> {
  if (carrier.destroyed || carrier.readableEnded) return err(refusal("PRIVVAL_CLOSED"));
  const link = new NoiseCarrier(carrier);
  const pinned = peerIdFromString(peerId);
  const answer = handOverOne(carrier, link);
  try {
    const secured = await encrypterOf(identity).secureOutbound(link, {
      remotePeer: pinned,
      skipStreamMuxerNegotiation: true,
    });
    // The package has compared the keys already, where the name has one.
    if (!pinned.equals(secured.remotePeer)) return err(refusal("PRIVVAL_PEER_ID"));
    return ok(new NoiseConnection(carrier, link, secured.connection, peerId));
  } catch (error) {
    if (answer.isCut) return err(refusal("PRIVVAL_CLOSED"));
    // Another key, or no signature by it: in words of the package alone.
    const isOther = error instanceof Error && error.name === "UnexpectedPeerError";
    return err(refusal(isOther ? "PRIVVAL_PEER_ID" : "PRIVVAL_HANDSHAKE"));
  } finally {
    answer.stop();
  }
}

/** Of the handshake we read one message; what follows it has to wait for its reader. */
function handOverOne(
  carrier: Duplex,
  link: NoiseCarrier,
): { readonly isCut: boolean; readonly stop: () => void } {
  const state = { isCut: false, stop };
  function stop(): void {
    carrier.off("readable", pull).off("end", cut).off("close", cut);
  }
  function cut(): void {
    stop();
    state.isCut = true;
    link.abort(new StreamFault("PRIVVAL_CLOSED"));
  }
  function pull(): void {
    const handed = link.handOver();
    if (handed === "waiting") return;
    stop();
    if (handed === "cut") cut();
    if (handed === "short") link.abort(new StreamFault("PRIVVAL_HANDSHAKE"));
  }
  carrier.on("readable", pull).on("end", cut).on("close", cut);
  pull();
  return state;
}

/** One for each connection: it makes the static key of one handshake. */
function encrypterOf(identity: PrivvalIdentity): ReturnType<ReturnType<typeof noise>> {
  const privateKey = privateKeyOf(identity);
  return noise()({
    privateKey,
    peerId: peerIdFromPrivateKey(privateKey),
    logger: { forComponent: () => SILENT },
    upgrader: NO_UPGRADER,
  });
}

/** Asked for multiplexers alone, and not where their negotiation is skipped. */
const NO_UPGRADER = { getStreamMuxers: () => new Map() } as Upgrader; // oxlint-disable-line typescript/no-unsafe-type-assertion -- see above

/** The seed, then the public key, as libp2p takes it. */
function privateKeyOf({ privateKey, publicKey }: PrivvalIdentity): PrivateKey {
  const seed = Buffer.from(privateKey.export({ format: "jwk" }).d ?? "", "base64url");
  const raw = Buffer.concat([seed, publicKey]);
  seed.fill(0);
  return privateKeyFromRaw(raw);
}

/** Every connection has a listener for `error` already: why one failed is in `errored`. */
export class NoiseConnection extends Duplex {
  readonly peerId: string;
  readonly #carrier: Duplex;
  readonly #link: NoiseCarrier;
  readonly #secured: MessageStream;
  /** The reader has room: frames are opened only then. */
  #isWanted = false;

  constructor(carrier: Duplex, link: NoiseCarrier, secured: MessageStream, peerId: string) {
    super({ highWaterMark: SECURED_BUFFER_BYTES });
    this.peerId = peerId;
    this.#carrier = carrier;
    this.#link = link;
    this.#secured = secured;
    this.on("error", ignore);
    secured.addEventListener("message", ({ data }) => {
      this.#isWanted = this.push(data.slice());
    });
    carrier.on("readable", () => this.#pull());
    carrier.once("end", () => this.push(null));
    carrier.once("close", () => this.destroy());
    if (carrier.destroyed || carrier.readableEnded) this.destroy();
  }

  override _read(): void {
    this.#isWanted = true;
    this.#pull();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    // Of nothing there is no frame.
    if (chunk.length === 0) return done();
    this.#link.onTaken = done;
    try {
      this.#secured.send(chunk);
    } catch {
      done(new StreamFault("PRIVVAL_CLOSED"));
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#carrier.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#carrier.destroy();
    done(error);
  }

  #pull(): void {
    while (this.#isWanted && !this.destroyed) {
      const handed = this.#link.handOver();
      if (handed === "waiting") return;
      // The rest of a stream that was cut in the middle of a frame.
      if (handed === "cut") return void this.destroy();
      // A frame that can't be opened has aborted the package's stream.
      if (handed === "short" || this.#secured.status !== "open") {
        return void this.destroy(new StreamFault("PRIVVAL_MALFORMED"));
      }
    }
  }
}

function ignore(): void {}
