// Bundles on their way in: pieces that the parent hands over in order, until a bundle is whole. It
// must never grow beyond its limit, whatever the parent announces.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { BUNDLE_BYTES_MAX, BUNDLE_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { ENCLAVE_METHODS, ParamsOf } from "../../shared/wire/methods.ts";

type Piece = ParamsOf<(typeof ENCLAVE_METHODS)["bundle.put"]>;
type Staged = { readonly bytes: Uint8Array; filledBytes: number };

/** Bundles that are handed over before they are opened: two at their largest. */
const STAGE_BYTES_MAX = 2 * BUNDLE_BYTES_MAX;

export class BundleStage {
  readonly #staged = new Map<string, Staged>();
  #stagedBytes = 0;

  /** A piece at offset 0 starts a bundle anew. */
  put(piece: Piece): Result<null, Refusal> {
    const { name, offset, totalBytes, bytes } = piece;
    if (totalBytes === 0 || offset + bytes.length > totalBytes) {
      return err(refusal("PARAMS_MALFORMED"));
    }
    if (offset === 0) {
      this.#drop(name);
      const isTooMany = this.#staged.size >= BUNDLE_COUNT_MAX;
      if (isTooMany || this.#stagedBytes + totalBytes > STAGE_BYTES_MAX) {
        return err(refusal("BUNDLE_LIMIT"));
      }
      this.#staged.set(name, { bytes: new Uint8Array(totalBytes), filledBytes: 0 });
      this.#stagedBytes += totalBytes;
    }
    const staged = this.#staged.get(name);
    if (staged === undefined || staged.bytes.length !== totalBytes) {
      return err(refusal("BUNDLE_INCOMPLETE"));
    }
    if (staged.filledBytes !== offset) return err(refusal("BUNDLE_INCOMPLETE"));
    staged.bytes.set(bytes, offset);
    staged.filledBytes += bytes.length;
    return ok(null);
  }

  /** The whole bundle, which is no longer staged afterwards. */
  take(name: string): Result<Uint8Array, Refusal> {
    const staged = this.#staged.get(name);
    if (staged === undefined || staged.filledBytes !== staged.bytes.length) {
      return err(refusal("BUNDLE_INCOMPLETE"));
    }
    this.#drop(name);
    return ok(staged.bytes);
  }

  #drop(name: string): void {
    const staged = this.#staged.get(name);
    if (staged === undefined) return;
    this.#staged.delete(name);
    this.#stagedBytes -= staged.bytes.length;
  }
}
