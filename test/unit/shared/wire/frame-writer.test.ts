import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { LINK_BACKLOG_BYTES_MAX } from "../../../../shared/limits.ts";
import { bytesField, recordField } from "../../../../shared/wire/field.ts";
import { Caller } from "../../../../shared/wire/link.ts";
import { FakeStream, frameOf } from "../../../fakes/byte-stream.ts";

const METHODS = {
  put: {
    params: recordField({ bytes: bytesField(0, 1_000_000) }),
    answer: recordField({}),
  },
};
const SLAB_BYTES = 64 * 1024;
/** Frame head, array, id of 3 bytes, name, list and the head of the bytes. */
const ENVELOPE_BYTES = frameOf([4096, "put", [new Uint8Array(300)]]).length - 300;

class Rig {
  readonly stream = new FakeStream();
  readonly #caller = new Caller(METHODS, this.stream, this.stream.defer);
  #sentCount = 0;
  readonly expected: Uint8Array[] = [];

  put(byteCount: number): void {
    this.#sentCount += 1;
    const bytes = new Uint8Array(byteCount).fill(this.#sentCount);
    void this.#caller.call("put", { bytes }, 0, 1000);
    // Each call takes the next slot and the next generation.
    const id = this.#sentCount * 4096 + this.#sentCount - 1;
    this.expected.push(frameOf([id, "put", [bytes]]));
  }

  get sizes(): readonly number[] {
    return this.stream.writes.map((write) => write.length);
  }

  /** Whatever the cuts: the bytes are those of the frames, in order. */
  verifyBytes(): void {
    assert.deepEqual(concatBytes(...this.stream.writes), concatBytes(...this.expected));
  }
}

describe("frames", () => {
  test("of one turn leave in one write at its end", () => {
    const rig = new Rig();
    for (let index = 0; index < 50; index++) rig.put(100);
    assert.deepEqual(rig.sizes, []);
    assert.equal(rig.stream.plannedCount, 1);
    rig.stream.endTurn();
    assert.equal(rig.sizes.length, 1);
    rig.verifyBytes();
  });

  test("of the next turns leave in their own, and leave earlier ones as they were", () => {
    const rig = new Rig();
    for (let turn = 1; turn <= 5; turn++) {
      rig.put(turn);
      rig.put(turn);
      rig.stream.endTurn();
      assert.equal(rig.sizes.length, turn);
    }
    rig.stream.endTurn();
    assert.equal(rig.sizes.length, 5);
    rig.verifyBytes();
  });

  for (const [name, off] of [
    ["one byte less than a slab", -1],
    ["exactly a slab", 0],
    ["one byte more than a slab", 1],
  ] as const) {
    test(`of ${name} arrive whole, between others`, () => {
      const alone = new Rig();
      alone.put(SLAB_BYTES - ENVELOPE_BYTES + off);
      alone.stream.endTurn();
      assert.deepEqual(alone.sizes, [SLAB_BYTES + off]);
      alone.verifyBytes();
      const between = new Rig();
      between.put(10);
      between.put(SLAB_BYTES - ENVELOPE_BYTES + off);
      between.put(10);
      between.stream.endTurn();
      between.verifyBytes();
    });
  }

  test("that fill the rest of a slab exactly go with what is before them; one more does not", () => {
    for (const off of [-1, 0, 1]) {
      const rig = new Rig();
      rig.put(10);
      const firstBytes = rig.expected[0]?.length ?? 0;
      rig.put(SLAB_BYTES - firstBytes - ENVELOPE_BYTES + off);
      rig.stream.endTurn();
      assert.equal(rig.sizes.length, off > 0 ? 2 : 1);
      rig.put(10);
      rig.stream.endTurn();
      rig.verifyBytes();
    }
  });

  test("much larger than a slab arrive whole, and small ones after them too", () => {
    const rig = new Rig();
    for (const byteCount of [1_000_000, 1, 65_535, 65_536, 200_000, 0, 0]) rig.put(byteCount);
    rig.stream.endTurn();
    for (const byteCount of [5, 300_000, 5]) {
      rig.put(byteCount);
      rig.stream.endTurn();
    }
    rig.verifyBytes();
  });
});

describe("a peer that does not read", () => {
  test("is cut off above the limit of the backlog, not at it", () => {
    const rig = new Rig();
    for (const off of [-1, 0]) {
      rig.stream.writableLength = LINK_BACKLOG_BYTES_MAX + off;
      rig.put(1);
      rig.stream.endTurn();
      assert.equal(rig.stream.isDestroyed, false);
    }
    rig.stream.writableLength = LINK_BACKLOG_BYTES_MAX + 1;
    rig.put(1);
    assert.equal(rig.stream.isDestroyed, false);
    rig.stream.endTurn();
    assert.equal(rig.stream.isDestroyed, true);
  });

  test("is cut off within a turn when its slabs alone are too many", () => {
    const rig = new Rig();
    rig.stream.writableLength = LINK_BACKLOG_BYTES_MAX + 1;
    rig.put(60_000);
    rig.put(60_000);
    assert.equal(rig.stream.isDestroyed, true);
  });
});
