// A stream in memory that keeps what is written to it, and a `Defer` whose turn the test ends.

import assert from "node:assert/strict";
import type { CborValue } from "../../shared/bytes/cbor.ts";
import { encodeCbor, isArray, parseCbor } from "../../shared/bytes/cbor.ts";
import { concatBytes } from "../../shared/bytes/compare.ts";
import { encodeFrame, FrameReader } from "../../shared/wire/frame.ts";
import type { ByteStream, Defer } from "../../shared/wire/link.ts";

export class FakeStream implements ByteStream {
  writableLength = 0;
  isDestroyed = false;
  readonly writes: Uint8Array[] = [];
  readonly #planned: (() => void)[] = [];

  readonly defer: Defer = (run) => {
    this.#planned.push(run);
  };

  get plannedCount(): number {
    return this.#planned.length;
  }

  write(bytes: Uint8Array): boolean {
    this.writes.push(bytes);
    return true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  endTurn(): void {
    for (const run of this.#planned.splice(0)) run();
  }

  /** Takes what was written since, as the items of its frames. */
  takeItems(): readonly (readonly CborValue[])[] {
    this.endTurn();
    const frames = new FrameReader().read(concatBytes(...this.writes.splice(0)));
    assert.ok(frames.ok);
    return frames.value.map((frame) => {
      const item = parseCbor(frame);
      assert.ok(item.ok && isArray(item.value));
      return item.value;
    });
  }
}

export function frameOf(item: CborValue): Uint8Array {
  return encodeFrame(encodeCbor(item));
}
