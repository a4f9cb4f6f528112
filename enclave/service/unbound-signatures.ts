// Beside that of a precommit's extension, v2 of CometBFT demands a signature of a second extension,
// which is bound to no height. Ours is always empty, so that a key's signature of it is the same
// each time and made once. It must never be asked for but for a precommit that the key has signed.

import type { Refusal } from "../../shared/errors.ts";
import type { Result } from "../../shared/result.ts";
import { UNBOUND_EXTENSION_SIGN_BYTES } from "../core/chains/tendermint/canonical.ts";
import type { MessageKey } from "../keys/signing-key.ts";

export class UnboundSignatures {
  readonly #known = new WeakMap<MessageKey, Result<Uint8Array, Refusal>>();

  of(key: MessageKey): Result<Uint8Array, Refusal> {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = key.sign(UNBOUND_EXTENSION_SIGN_BYTES);
    if (made.ok) this.#known.set(key, made);
    return made;
  }
}
