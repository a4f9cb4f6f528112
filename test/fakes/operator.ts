// An operator who signs orders to lower a floor, with a key of this run.

import { generateKeyPairSync, sign as signEd25519 } from "node:crypto";

export class Operator {
  readonly #pair = generateKeyPairSync("ed25519");

  get publicKey(): Uint8Array {
    const der = this.#pair.publicKey.export({ format: "der", type: "spki" });
    return new Uint8Array(der.subarray(der.length - 32));
  }

  /** As the command line reads it. */
  pem(): string {
    return this.#pair.privateKey.export({ format: "pem", type: "pkcs8" });
  }

  sign(order: Uint8Array) {
    const signature = new Uint8Array(signEd25519(null, order, this.#pair.privateKey));
    return { operator: this.publicKey, signature };
  }
}
