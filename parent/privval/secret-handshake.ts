// What both sides of a SecretConnection say and derive before its first frame of data
// (tendermint.md §2.1, steps 1 to 8): pure, and the same for either side. It must never accept
// another length or form than the one that every node sends, nor a key that makes the secret known.

import {
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import {
  compareBytes,
  concatBytes,
  isEqualBytes,
  isZeroBytes,
} from "../../shared/bytes/compare.ts";
import { type Curve25519Kind, spkiHead } from "../../shared/bytes/key-head.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { Transcript } from "./merlin.ts";
import { type PrivvalIdentity, rawPublicKey } from "./privval-identity.ts";

export type EphemeralKey = { readonly privateKey: KeyObject; readonly publicKey: Uint8Array };

export type HandshakeSecrets = {
  readonly receiveKey: Uint8Array;
  readonly sendKey: Uint8Array;
  /** What both sides sign, to prove their identity on this connection and no other. */
  readonly challenge: Uint8Array;
};

type Handshaken<T> = Result<T, Refusal<"PRIVVAL_HANDSHAKE">>;

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** A length of 34, then a BytesValue of 32 bytes. */
const EPHEMERAL_HEAD = Uint8Array.of(0x22, 0x0a, KEY_BYTES);
export const EPHEMERAL_BYTES = EPHEMERAL_HEAD.length + KEY_BYTES;
/** A length of 102, then an AuthSigMessage with the key as a PublicKey's `ed25519`... */
const AUTH_HEAD = Uint8Array.of(0x66, 0x0a, 0x22, 0x0a, KEY_BYTES);
/** ... and the signature in its field 2. */
const AUTH_SIGNATURE_HEAD = Uint8Array.of(0x12, SIGNATURE_BYTES);
const AUTH_SIGNATURE_AT = AUTH_HEAD.length + KEY_BYTES;
export const AUTH_BYTES = AUTH_SIGNATURE_AT + AUTH_SIGNATURE_HEAD.length + SIGNATURE_BYTES;

const TRANSCRIPT = "TENDERMINT_SECRET_CONNECTION_TRANSCRIPT_HASH";
const KEY_INFO = "TENDERMINT_SECRET_CONNECTION_KEY_AND_CHALLENGE_GEN";
/** The last third is a challenge of older versions, and unused. */
const KEY_MATERIAL_BYTES = 96;

export function makeEphemeral(): EphemeralKey {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  return { privateKey, publicKey: rawPublicKey(publicKey) };
}

export function encodeEphemeral({ publicKey }: EphemeralKey): Uint8Array {
  return concatBytes(EPHEMERAL_HEAD, publicKey);
}

/** Go takes shorter keys and longer messages; no node sends them. */
export function parseEphemeral(message: Uint8Array): Handshaken<Uint8Array> {
  const isWhole = message.length === EPHEMERAL_BYTES && hasAt(message, 0, EPHEMERAL_HEAD);
  return isWhole ? ok(message.slice(EPHEMERAL_HEAD.length)) : refused();
}

export function deriveSecrets(
  local: EphemeralKey,
  remotePublicKey: Uint8Array,
): Handshaken<HandshakeSecrets> {
  // Our own key come back to us: with it, our own messages would too.
  if (isEqualBytes(local.publicKey, remotePublicKey)) return refused();
  const shared = agree(local.privateKey, remotePublicKey);
  if (shared === null) return refused();
  const isLeast = compareBytes(local.publicKey, remotePublicKey) < 0;
  const transcript = new Transcript(TRANSCRIPT);
  transcript.append("EPHEMERAL_LOWER_PUBLIC_KEY", isLeast ? local.publicKey : remotePublicKey);
  transcript.append("EPHEMERAL_UPPER_PUBLIC_KEY", isLeast ? remotePublicKey : local.publicKey);
  transcript.append("DH_SECRET", shared);
  const challenge = transcript.challenge("SECRET_CONNECTION_MAC", 32);
  const material = new Uint8Array(hkdfSync("sha256", shared, "", KEY_INFO, KEY_MATERIAL_BYTES));
  shared.fill(0);
  const first = material.slice(0, KEY_BYTES);
  const second = material.slice(KEY_BYTES, 2 * KEY_BYTES);
  material.fill(0);
  return ok(
    isLeast
      ? { receiveKey: first, sendKey: second, challenge }
      : { receiveKey: second, sendKey: first, challenge },
  );
}

/** Null for a key of low order, which makes the same secret with every other (step 3). */
function agree(privateKey: KeyObject, remotePublicKey: Uint8Array): Buffer | null {
  try {
    const publicKey = publicKeyOf("x25519", remotePublicKey);
    const shared = diffieHellman({ privateKey, publicKey });
    return isZeroBytes(shared) ? null : shared;
  } catch {
    return null;
  }
}

export function encodeAuth(identity: PrivvalIdentity, challenge: Uint8Array): Uint8Array {
  const signature = sign(null, challenge, identity.privateKey);
  return concatBytes(AUTH_HEAD, identity.publicKey, AUTH_SIGNATURE_HEAD, signature);
}

/** The peer's identity key, once it has signed the challenge. Other kinds are refused. */
export function verifyAuth(message: Uint8Array, challenge: Uint8Array): Handshaken<Uint8Array> {
  const isWhole =
    message.length === AUTH_BYTES &&
    hasAt(message, 0, AUTH_HEAD) &&
    hasAt(message, AUTH_SIGNATURE_AT, AUTH_SIGNATURE_HEAD);
  if (!isWhole) return refused();
  const publicKey = message.slice(AUTH_HEAD.length, AUTH_SIGNATURE_AT);
  const signature = message.subarray(AUTH_SIGNATURE_AT + AUTH_SIGNATURE_HEAD.length);
  try {
    const isSigned = verify(null, challenge, publicKeyOf("ed25519", publicKey), signature);
    return isSigned ? ok(publicKey) : refused();
  } catch {
    return refused();
  }
}

function publicKeyOf(kind: Curve25519Kind, raw: Uint8Array): KeyObject {
  const key = Buffer.concat([spkiHead(kind), raw]);
  return createPublicKey({ key, format: "der", type: "spki" });
}

function hasAt(message: Uint8Array, at: number, part: Uint8Array): boolean {
  return isEqualBytes(message.subarray(at, at + part.length), part);
}

function refused(): { readonly ok: false; readonly error: Refusal<"PRIVVAL_HANDSHAKE"> } {
  return err(refusal("PRIVVAL_HANDSHAKE"));
}
