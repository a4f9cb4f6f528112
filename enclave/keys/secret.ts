// Memory for secrets. Small typed arrays live on the engine's heap, where the collector leaves
// copies behind when it moves them; an explicit ArrayBuffer lies outside and stays where it is, so
// that filling it reaches the only copy (pkcs11-hsm.md §8, measured). It must never hold a secret
// in a string, and never promises more than this: wiping overwrites this buffer. It cannot reach
// copies that libraries made: blst and OpenSSL keep a key in their own memory and zero it when the
// collector frees the object, with no way to ask for it sooner; @noble/curves makes bigints of a
// secret for each signature, which nothing zeroes; all of them and the stack may keep remains of
// what they computed with. The enclave has no swap and no disk, and is never dumped.

import { invariant } from "../../shared/invariant.ts";

/** Zero bytes outside the engine's heap. */
export function allocateSecret(byteCount: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(byteCount));
}

export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

/** Secrets of one length, side by side, that are wiped together. */
export class SecretArena {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #secretBytes: number;
  #isWiped = false;

  constructor(count: number, secretBytes: number) {
    this.#bytes = allocateSecret(count * secretBytes);
    this.#secretBytes = secretBytes;
  }

  get isWiped(): boolean {
    return this.#isWiped;
  }

  /** A view, not a copy. Reading a secret that was wiped is a bug: its zeroes would be a key. */
  at(index: number): Uint8Array<ArrayBuffer> {
    invariant(!this.#isWiped, "a wiped secret is not used");
    const start = index * this.#secretBytes;
    invariant(start + this.#secretBytes <= this.#bytes.length, "a secret is in its arena");
    return this.#bytes.subarray(start, start + this.#secretBytes);
  }

  wipe(): void {
    this.#isWiped = true;
    wipe(this.#bytes);
  }
}
