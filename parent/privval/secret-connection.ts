// A SecretConnection over any stream (tendermint.md §2): first the handshake, then a stream of
// authenticated bytes; our side is the same whoever dialled. It must never hand on bytes of a peer
// whose identity it has not verified, and never hold more than the streams' own buffers.
// There is no close frame and no rekeying: an end of the carrier is an end here.

import { Duplex } from "node:stream";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { nodeIdOf } from "./privval-identity.ts";
import { FrameOpener, FrameSealer, SEALED_FRAME_BYTES } from "./secret-frame.ts";
import {
  deriveSecrets,
  EPHEMERAL_BYTES,
  type EphemeralKey,
  encodeAuth,
  encodeEphemeral,
  type HandshakeSecrets,
  makeEphemeral,
  parseEphemeral,
  verifyAuth,
} from "./secret-handshake.ts";
import {
  SECURED_BUFFER_BYTES,
  type SecureOptions,
  type SecureRefusal,
  StreamFault,
  secureInTime,
} from "./secured-stream.ts";

export type SecretOptions = SecureOptions & {
  /** The only peer to talk to; null: whoever answers, as nodes before v0.40 change their key. */
  readonly peerId: string | null;
  /** For vectors: every connection has a key of its own. */
  readonly ephemeral?: EphemeralKey;
};

/** After a refusal the carrier is destroyed; after success it belongs to the connection. */
export function openSecretConnection(
  carrier: Duplex,
  options: SecretOptions,
): Promise<Result<SecretConnection, SecureRefusal>> {
  return secureInTime(carrier, options, () => shakeHands(carrier, options));
}

async function shakeHands(
  carrier: Duplex,
  { identity, peerId, ephemeral = makeEphemeral() }: SecretOptions,
): Promise<Result<SecretConnection, SecureRefusal>> {
  carrier.write(encodeEphemeral(ephemeral));
  const theirs = await readExactly(carrier, EPHEMERAL_BYTES);
  if (theirs === null) return err(refusal("PRIVVAL_CLOSED"));
  const remoteKey = parseEphemeral(theirs);
  if (!remoteKey.ok) return remoteKey;
  const secrets = deriveSecrets(ephemeral, remoteKey.value);
  if (!secrets.ok) return secrets;
  const { sealer, opener } = frameKeysOf(secrets.value);
  carrier.write(sealer.seal(encodeAuth(identity, secrets.value.challenge)));
  const sealed = await readExactly(carrier, SEALED_FRAME_BYTES);
  if (sealed === null) return err(refusal("PRIVVAL_CLOSED"));
  const auth = opener.open(sealed);
  if (!auth.ok) return err(refusal("PRIVVAL_HANDSHAKE"));
  const publicKey = verifyAuth(auth.value, secrets.value.challenge);
  if (!publicKey.ok) return publicKey;
  // Two of our own connections that somebody in the middle has joined.
  if (isEqualBytes(publicKey.value, identity.publicKey)) return err(refusal("PRIVVAL_HANDSHAKE"));
  const remoteId = nodeIdOf(publicKey.value);
  if (peerId !== null && peerId !== remoteId) return err(refusal("PRIVVAL_PEER_ID"));
  return ok(new SecretConnection(carrier, { sealer, opener }, remoteId));
}

function frameKeysOf({ sendKey, receiveKey }: HandshakeSecrets): FrameKeys {
  const keys = { sealer: new FrameSealer(sendKey), opener: new FrameOpener(receiveKey) };
  sendKey.fill(0);
  receiveKey.fill(0);
  return keys;
}

/** Null when the stream ends first. What follows stays in the stream. */
function readExactly(stream: Duplex, byteCount: number): Promise<Uint8Array | null> {
  if (stream.destroyed || stream.readableEnded) return Promise.resolve(null);
  return new Promise((resolve) => {
    const settle = (bytes: Uint8Array | null): void => {
      stream.off("readable", pull).off("end", end).off("close", end);
      resolve(bytes);
    };
    const end = (): void => settle(null);
    const pull = (): void => {
      const bytes: unknown = stream.read(byteCount);
      // At its end a stream hands out what is left.
      if (bytes instanceof Uint8Array) settle(bytes.length === byteCount ? bytes : null);
    };
    stream.on("readable", pull).on("end", end).on("close", end);
    pull();
  });
}

type FrameKeys = { readonly sealer: FrameSealer; readonly opener: FrameOpener };

/** Every connection has a listener for `error` already: why one failed is in `errored`. */
export class SecretConnection extends Duplex {
  readonly peerId: string;
  readonly #carrier: Duplex;
  readonly #sealer: FrameSealer;
  readonly #opener: FrameOpener;
  /** The reader has room: frames are opened only then. */
  #isWanted = false;

  constructor(carrier: Duplex, { sealer, opener }: FrameKeys, peerId: string) {
    super({ highWaterMark: SECURED_BUFFER_BYTES });
    this.peerId = peerId;
    this.#carrier = carrier;
    this.#sealer = sealer;
    this.#opener = opener;
    this.on("error", ignore);
    carrier.on("readable", () => this.#pull());
    carrier.once("end", () => this.push(null));
    carrier.once("close", () => this.destroy());
    if (carrier.destroyed) this.destroy();
  }

  override _read(): void {
    this.#isWanted = true;
    this.#pull();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#carrier.write(this.#sealer.seal(chunk), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#carrier.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#sealer.destroy();
    this.#opener.destroy();
    this.#carrier.destroy();
    done(error);
  }

  #pull(): void {
    while (this.#isWanted && !this.destroyed) {
      const sealed: unknown = this.#carrier.read(SEALED_FRAME_BYTES);
      if (!(sealed instanceof Uint8Array)) return;
      // The rest of a stream that was cut in the middle of a frame.
      if (sealed.length < SEALED_FRAME_BYTES) return void this.destroy();
      const data = this.#opener.open(sealed);
      if (!data.ok) return void this.destroy(new StreamFault(data.error.code));
      if (data.value.length > 0) this.#isWanted = this.push(data.value);
    }
  }
}

function ignore(): void {}
