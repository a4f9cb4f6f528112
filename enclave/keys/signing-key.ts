// One loaded key: what is public of it, a way to sign, and the key that authenticates its state
// record. It must never hand its secret to anyone but the workers that sign (`exportSecrets`).

import { hkdfSync } from "node:crypto";
import { SecretKey } from "@chainsafe/blst";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { concatBytes, isEqualBytes } from "../../shared/bytes/compare.ts";
import { invariant } from "../../shared/invariant.ts";
import { SCHEMES, type Scheme } from "../../shared/scheme.ts";
import { SecretArena, wipe } from "./secret.ts";

const MAC_KEY_BYTES = 32;
const MAC_KEY_SALT = new TextEncoder().encode("redoubt");
const MAC_KEY_INFO = new TextEncoder().encode("state record v1 ");

/** The secrets and record MAC keys of one bundle, which are born and wiped together. */
export class KeyMaterial {
  readonly secrets: SecretArena;
  readonly macKeys: SecretArena;

  constructor(keyCount: number) {
    this.secrets = new SecretArena(keyCount, SCHEMES["bls12381-pop"].secretKeyBytes);
    this.macKeys = new SecretArena(keyCount, MAC_KEY_BYTES);
  }

  wipe(): void {
    this.secrets.wipe();
    this.macKeys.wipe();
  }
}

export class SigningKey {
  readonly scheme: Scheme;
  readonly publicKey: Uint8Array;
  readonly #secretKey: SecretKey;
  readonly #material: KeyMaterial;
  readonly #index: number;

  private constructor(
    scheme: Scheme,
    publicKey: Uint8Array,
    secretKey: SecretKey,
    material: KeyMaterial,
    index: number,
  ) {
    this.scheme = scheme;
    this.publicKey = publicKey;
    this.#secretKey = secretKey;
    this.#material = material;
    this.#index = index;
  }

  /**
   * Takes a key of a bundle into `material`, at `index`. Undefined when the secret is no scalar or
   * its public key is not the stated one: a bundle that lies about either is refused whole, since
   * state records and policies go by the public key.
   */
  static load(key: BundleKey, material: KeyMaterial, index: number): SigningKey | undefined {
    const secret = material.secrets.at(index);
    secret.set(key.secret);
    const secretKey = secretKeyOf(secret);
    if (secretKey === undefined) return undefined;
    const publicKey = secretKey.toPublicKey().toBytes();
    if (!isEqualBytes(publicKey, key.publicKey)) return undefined;
    const info = concatBytes(MAC_KEY_INFO, publicKey);
    const derived = new Uint8Array(hkdfSync("sha256", secret, MAC_KEY_SALT, info, MAC_KEY_BYTES));
    material.macKeys.at(index).set(derived);
    wipe(derived);
    return new SigningKey(key.scheme, publicKey, secretKey, material, index);
  }

  /**
   * HKDF-SHA256(secret, salt "redoubt", info "state record v1 " || public key), derived once at
   * load: any enclave that holds the key can check the records of the others. A view, not a copy.
   */
  get macKey(): Uint8Array<ArrayBuffer> {
    return this.#material.macKeys.at(this.#index);
  }

  /** The signature of a 32-byte signing root. Deciding whether it may be signed is done before. */
  sign(root: Uint8Array): Uint8Array {
    invariant(root.length === 32, "a signing root has 32 bytes");
    return this.#secretKey.sign(root).toBytes();
  }

  /** For `exportSecrets` only. */
  copySecret(target: Uint8Array): void {
    target.set(this.#material.secrets.at(this.#index));
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

/**
 * The hand-off to the workers that sign: the secrets of `keys`, 32 bytes each, in their order, in
 * memory that threads share (a message would leave copies behind). It is the only way in which a
 * secret leaves this folder. The sign pool owns the result: it overwrites it with zeroes as soon as
 * every worker has read it, and passes it to nobody else. Keys of a dropped bundle are a bug here.
 */
export function exportSecrets(keys: readonly SigningKey[]): SharedArrayBuffer {
  const { secretKeyBytes } = SCHEMES["bls12381-pop"];
  const shared = new SharedArrayBuffer(keys.length * secretKeyBytes);
  for (const [index, key] of keys.entries()) {
    key.copySecret(new Uint8Array(shared, index * secretKeyBytes, secretKeyBytes));
  }
  return shared;
}
