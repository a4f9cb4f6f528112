// One loaded key: what is public of it, a way to sign, and the key that authenticates its state
// record. There are two kinds, and their types keep them apart. A `RootKey` signs Ethereum's
// signing roots, in the sign pool too; a `MessageKey` of any other scheme signs whole messages, on
// the main thread alone. It must never hand a secret to anyone but the workers that sign roots
// (`exportSecrets`), and never release an Ed25519 or ECDSA signature that it has not verified.

import { SecretKey } from "@chainsafe/blst";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { SECRET_KEY_BYTES } from "../../shared/scheme.ts";
import { type KeyMaterial, KeySlot } from "./key-material.ts";
import { MESSAGE_SIGNATURES } from "./message-signature.ts";
import type { MessageScheme, MessageSignature, MessageSigner } from "./message-signer.ts";

export type SigningKey = RootKey | MessageKey;

/**
 * Takes a key of a bundle into `material`, at `index`. Undefined when the secret is none of the
 * scheme or its public key is not the stated one: a bundle that lies about either is refused whole,
 * since state records and policies go by the public key.
 */
export function loadKey(
  key: BundleKey,
  material: KeyMaterial,
  index: number,
): SigningKey | undefined {
  const { scheme } = key;
  return scheme === "bls12381-pop"
    ? RootKey.load(key, material, index)
    : MessageKey.load({ ...key, scheme }, material, index);
}

/** Of the scheme "bls12381-pop". */
export class RootKey {
  readonly scheme = "bls12381-pop";
  readonly publicKey: Uint8Array;
  readonly #secretKey: SecretKey;
  readonly #slot: KeySlot;

  private constructor(publicKey: Uint8Array, secretKey: SecretKey, slot: KeySlot) {
    this.publicKey = publicKey;
    this.#secretKey = secretKey;
    this.#slot = slot;
  }

  /** As `loadKey`. */
  static load(key: BundleKey, material: KeyMaterial, index: number): RootKey | undefined {
    invariant(key.scheme === "bls12381-pop", "a root key is one of Ethereum's");
    const slot = new KeySlot(material, index, key.secret);
    const secretKey = secretKeyOf(slot.secret);
    if (secretKey === undefined) return undefined;
    const publicKey = secretKey.toPublicKey().toBytes();
    if (!isEqualBytes(publicKey, key.publicKey)) return undefined;
    slot.deriveMacKey(publicKey);
    return new RootKey(publicKey, secretKey, slot);
  }

  get macKey(): Uint8Array<ArrayBuffer> {
    return this.#slot.macKey;
  }

  /**
   * The signature of a 32-byte signing root. Deciding whether it may be signed is done before. blst
   * has its own copy of the secret: this still signs when the bundle's secrets are wiped.
   */
  sign(root: Uint8Array): Uint8Array {
    invariant(root.length === 32, "a signing root has 32 bytes");
    return this.#secretKey.sign(root).toBytes();
  }

  /** For `exportSecrets` only. */
  copySecret(target: Uint8Array): void {
    target.set(this.#slot.secret);
  }
}

/** Undefined for zero and for numbers at or above the group order. */
function secretKeyOf(secret: Uint8Array): SecretKey | undefined {
  try {
    return SecretKey.fromBytes(secret);
  } catch {
    return undefined;
  }
}

/** Of every scheme but "bls12381-pop". Its bundle's secrets stay where they are for as long. */
export class MessageKey {
  readonly scheme: MessageScheme;
  readonly publicKey: Uint8Array;
  readonly #signature: MessageSignature;
  readonly #signer: MessageSigner;
  readonly #slot: KeySlot;

  private constructor(
    scheme: MessageScheme,
    signature: MessageSignature,
    signer: MessageSigner,
    slot: KeySlot,
  ) {
    this.scheme = scheme;
    this.publicKey = signer.publicKey;
    this.#signature = signature;
    this.#signer = signer;
    this.#slot = slot;
  }

  /** As `loadKey`. `signature` is how its scheme signs. */
  static load(
    key: BundleKey & { readonly scheme: MessageScheme },
    material: KeyMaterial,
    index: number,
    signature: MessageSignature = MESSAGE_SIGNATURES[key.scheme],
  ): MessageKey | undefined {
    const slot = new KeySlot(material, index, key.secret);
    const signer = signature.open(slot.secret);
    if (signer === null || !isEqualBytes(signer.publicKey, key.publicKey)) return undefined;
    slot.deriveMacKey(signer.publicKey);
    return new MessageKey(key.scheme, signature, signer, slot);
  }

  get macKey(): Uint8Array<ArrayBuffer> {
    return this.#slot.macKey;
  }

  /**
   * Deciding whether the message may be signed is done before. `KEY_UNKNOWN` when the bundle was
   * dropped meanwhile: unlike a root key, a message key signs nothing after that.
   */
  sign(message: Uint8Array): Result<Uint8Array, Refusal<"SIGN_FAULT" | "KEY_UNKNOWN">> {
    if (this.#slot.isWiped) return err(refusal("KEY_UNKNOWN"));
    const { verify, canLeakKey } = this.#signature;
    try {
      const signature = this.#signer.sign(message);
      const isSound = !canLeakKey || verify(this.publicKey, message, signature);
      return isSound ? ok(signature) : err(refusal("SIGN_FAULT"));
    } catch {
      // What a library says of a failure may tell about the secret.
      return err(refusal("SIGN_FAULT"));
    }
  }
}

/**
 * The hand-off to the workers that sign: the secrets of `keys`, 32 bytes each, in their order, in
 * memory that threads share (a message would leave copies behind). It is the only way in which a
 * secret leaves this folder. The sign pool owns the result: it overwrites it with zeroes as soon as
 * every worker has read it, and passes it to nobody else. Keys of a dropped bundle are a bug here.
 */
export function exportSecrets(keys: readonly RootKey[]): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(keys.length * SECRET_KEY_BYTES);
  for (const [index, key] of keys.entries()) {
    key.copySecret(new Uint8Array(shared, index * SECRET_KEY_BYTES, SECRET_KEY_BYTES));
  }
  return shared;
}
