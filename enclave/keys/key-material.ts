// The memory of one bundle's keys. Secrets and record MAC keys are born and wiped together; a key
// reads its own through its slot. It must never hand out a copy, and reading what was wiped is a
// bug: the zeroes would be a key.

import { hkdfSync } from "node:crypto";
import { concatBytes } from "../../shared/bytes/compare.ts";
import { SECRET_KEY_BYTES } from "../../shared/scheme.ts";
import { SecretArena, wipe } from "./secret.ts";

const MAC_KEY_BYTES = 32;
const MAC_KEY_SALT = new TextEncoder().encode("redoubt");
const MAC_KEY_INFO = new TextEncoder().encode("state record v1 ");

export class KeyMaterial {
  readonly secrets: SecretArena;
  readonly macKeys: SecretArena;

  constructor(keyCount: number) {
    this.secrets = new SecretArena(keyCount, SECRET_KEY_BYTES);
    this.macKeys = new SecretArena(keyCount, MAC_KEY_BYTES);
  }

  wipe(): void {
    this.secrets.wipe();
    this.macKeys.wipe();
  }
}

/** Where one key of a bundle has what is secret of it. */
export class KeySlot {
  readonly #material: KeyMaterial;
  readonly #index: number;

  /** Takes a copy of the secret into `material`. */
  constructor(material: KeyMaterial, index: number, secret: Uint8Array) {
    this.#material = material;
    this.#index = index;
    this.secret.set(secret);
  }

  /** Of the secrets; MAC keys may outlive them, for records that are under way. */
  get isWiped(): boolean {
    return this.#material.secrets.isWiped;
  }

  /** A view, not a copy. */
  get secret(): Uint8Array<ArrayBuffer> {
    return this.#material.secrets.at(this.#index);
  }

  /**
   * HKDF-SHA256(secret, salt "redoubt", info "state record v1 " || public key), derived once at
   * load: any enclave that holds the key can check the records of the others. A view, not a copy.
   */
  get macKey(): Uint8Array<ArrayBuffer> {
    return this.#material.macKeys.at(this.#index);
  }

  deriveMacKey(publicKey: Uint8Array): void {
    const info = concatBytes(MAC_KEY_INFO, publicKey);
    const key = hkdfSync("sha256", this.secret, MAC_KEY_SALT, info, MAC_KEY_BYTES);
    const derived = new Uint8Array(key);
    this.macKey.set(derived);
    wipe(derived);
  }
}
