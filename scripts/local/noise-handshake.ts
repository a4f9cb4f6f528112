// The node's side of libp2p's Noise, on Node's own cryptography: the handshake XX of the Noise
// specification (revision 34, chapter 5) and libp2p's payload in it. It is the stand-in that our
// parent, which goes by a package, is tested against: nothing of that package may be used here.

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from "node:crypto";
import { type PrivvalIdentity, rawPublicKey } from "../../parent/privval/privval-identity.ts";
import { pkcs8Head, spkiHead } from "../../shared/bytes/key-head.ts";
import {
  bytesIn,
  parseProto,
  protoBytes,
  protoMessage,
  protoVarint,
} from "../../shared/bytes/protobuf.ts";

export type NoiseKey = { readonly privateKey: KeyObject; readonly publicKey: Uint8Array };

const NAME = "Noise_XX_25519_ChaChaPoly_SHA256";
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const SEALED_KEY_BYTES = KEY_BYTES + TAG_BYTES;
const NONCE_BYTES = 12;
const CIPHER = "chacha20-poly1305";
const CIPHER_OPTIONS = { authTagLength: TAG_BYTES } as const;
const SIGNED_HEAD = Buffer.from("noise-libp2p-static-key:");
const ED25519_TYPE = 1n;

export function noiseKeyOf(seed: Uint8Array): NoiseKey {
  const key = Buffer.concat([pkcs8Head("x25519"), seed]);
  const privateKey = createPrivateKey({ key, format: "der", type: "pkcs8" });
  return { privateKey, publicKey: rawPublicKey(createPublicKey(privateKey)) };
}

/** A key with its counter; 5.1. Throws for what is not authentic. */
export class NoiseCipher {
  readonly #key: Uint8Array;
  readonly #nonce = Buffer.alloc(NONCE_BYTES);
  #counter = 0n;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  seal(plain: Uint8Array, ad: Uint8Array = Buffer.alloc(0)): Buffer {
    const cipher = createCipheriv(CIPHER, this.#key, this.#next(), CIPHER_OPTIONS);
    cipher.setAAD(ad, { plaintextLength: plain.length });
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  open(sealed: Uint8Array, ad: Uint8Array = Buffer.alloc(0)): Buffer {
    const bodyBytes = sealed.length - TAG_BYTES;
    const cipher = createDecipheriv(CIPHER, this.#key, this.#next(), CIPHER_OPTIONS);
    cipher.setAAD(ad, { plaintextLength: bodyBytes });
    cipher.setAuthTag(sealed.subarray(bodyBytes));
    return Buffer.concat([cipher.update(sealed.subarray(0, bodyBytes)), cipher.final()]);
  }

  #next(): Buffer {
    this.#nonce.writeBigUInt64LE(this.#counter, NONCE_BYTES - 8);
    this.#counter += 1n;
    return this.#nonce;
  }
}

/** Takes the first message, gives the second, takes the third, in this order. */
export class NoiseResponder {
  readonly #ephemeral: NoiseKey;
  readonly #static: NoiseKey;
  /** 5.2: chaining key and hash, which begin with the name: it has 32 bytes. */
  #chaining: Uint8Array = Buffer.from(NAME);
  #hash: Uint8Array = sha256(Buffer.from(NAME)); // prologue is empty
  #cipher = new NoiseCipher(Buffer.alloc(KEY_BYTES));
  #remoteEphemeral: Uint8Array = Buffer.alloc(0);

  constructor(ephemeral = noiseKeyOf(randomBytes(32)), fixed = noiseKeyOf(randomBytes(32))) {
    this.#ephemeral = ephemeral;
    this.#static = fixed;
  }

  get staticKey(): Uint8Array {
    return this.#static.publicKey;
  }

  /** `e`, and a payload in the clear. */
  takeFirst(message: Uint8Array): void {
    this.#remoteEphemeral = message.subarray(0, KEY_BYTES);
    this.#mixHash(this.#remoteEphemeral);
    this.#mixHash(message.subarray(KEY_BYTES));
  }

  /** `e, ee, s, es`. */
  second(payload: Uint8Array): Buffer {
    this.#mixHash(this.#ephemeral.publicKey);
    this.#mixKey(agree(this.#ephemeral, this.#remoteEphemeral));
    const sealedKey = this.#sealAndHash(this.#static.publicKey);
    this.#mixKey(agree(this.#static, this.#remoteEphemeral));
    return Buffer.concat([this.#ephemeral.publicKey, sealedKey, this.#sealAndHash(payload)]);
  }

  /** `s, se`. Throws for what is not authentic. */
  takeThird(message: Uint8Array): { readonly staticKey: Buffer; readonly payload: Buffer } {
    const staticKey = this.#openAndHash(message.subarray(0, SEALED_KEY_BYTES));
    this.#mixKey(agree(this.#ephemeral, staticKey));
    const payload = this.#openAndHash(message.subarray(SEALED_KEY_BYTES));
    return { staticKey, payload };
  }

  /** The first key is that of the side which began. */
  split(): { readonly receive: NoiseCipher; readonly send: NoiseCipher } {
    const [receive, send] = this.#derive(Buffer.alloc(0));
    return { receive: new NoiseCipher(receive), send: new NoiseCipher(send) };
  }

  #mixHash(data: Uint8Array): void {
    this.#hash = sha256(this.#hash, data);
  }

  #mixKey(shared: Uint8Array): void {
    const [chaining, key] = this.#derive(shared);
    this.#chaining = chaining;
    this.#cipher = new NoiseCipher(key);
  }

  #derive(shared: Uint8Array): readonly [Buffer, Buffer] {
    const both = Buffer.from(hkdfSync("sha256", shared, this.#chaining, "", 2 * KEY_BYTES));
    return [both.subarray(0, KEY_BYTES), both.subarray(KEY_BYTES)];
  }

  #sealAndHash(plain: Uint8Array): Buffer {
    const sealed = this.#cipher.seal(plain, this.#hash);
    this.#mixHash(sealed);
    return sealed;
  }

  #openAndHash(sealed: Uint8Array): Buffer {
    const plain = this.#cipher.open(sealed, this.#hash);
    this.#mixHash(sealed);
    return plain;
  }
}

/** Who a side is: its identity, and that it vouches for the handshake's static key. */
export function encodePayload(identity: PrivvalIdentity, staticKey: Uint8Array): Uint8Array {
  const key = [protoVarint(1, ED25519_TYPE), protoBytes(2, identity.publicKey)];
  const signed = sign(null, Buffer.concat([SIGNED_HEAD, staticKey]), identity.privateKey);
  const fields = [protoBytes(1, Buffer.concat(key)), protoBytes(2, signed)];
  // libp2p's own sides send extensions, empty where no multiplexer is known.
  return Buffer.concat([...fields, protoMessage(4, new Uint8Array(0))]);
}

/** The Ed25519 identity of the other side; throws for one that is not its own. */
export function openPayload(payload: Uint8Array, staticKey: Uint8Array): Buffer {
  const fields = parseProto(payload, { 1: "bytes", 2: "bytes" });
  const key = fields && parseProto(bytesIn(fields, 1), { 1: "varint", 2: "bytes" });
  if (fields === undefined || key?.get(1) !== ED25519_TYPE) throw new Error("no such payload");
  const publicKey = Buffer.from(bytesIn(key, 2));
  const spki = Buffer.concat([spkiHead("ed25519"), publicKey]);
  const verifier = createPublicKey({ key: spki, format: "der", type: "spki" });
  const signed = Buffer.concat([SIGNED_HEAD, staticKey]);
  if (verify(null, signed, verifier, bytesIn(fields, 2))) return publicKey;
  throw new Error("the identity did not sign the static key");
}

function agree(own: NoiseKey, remote: Uint8Array): Buffer {
  const key = Buffer.concat([spkiHead("x25519"), remote]);
  const publicKey = createPublicKey({ key, format: "der", type: "spki" });
  return diffieHellman({ privateKey: own.privateKey, publicKey });
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}
