import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CborValue } from "../../../../shared/bytes/cbor.ts";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { ERRORS, type Refusal, refusal } from "../../../../shared/errors.ts";
import { FRAME_BYTES_MAX, IN_FLIGHT_COUNT_MAX } from "../../../../shared/limits.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { countField, recordField } from "../../../../shared/wire/field.ts";
import { Caller } from "../../../../shared/wire/link.ts";
import { FakeStream, frameOf } from "../../../fakes/byte-stream.ts";

const count = recordField({ value: countField(1000) });
const METHODS = { echo: { params: count, answer: count } };
const DEADLINE_MS = 100;

type Answer = Result<{ readonly value: number }, Refusal>;

class Rig {
  readonly stream = new FakeStream();
  readonly caller = new Caller(METHODS, this.stream, this.stream.defer);

  call(value: number, nowMs = 0, deadlineMs = DEADLINE_MS): Promise<Answer> {
    return this.caller.call("echo", { value }, nowMs, deadlineMs);
  }

  /** The ids of what was sent since. */
  takeIds(): readonly number[] {
    return this.stream.takeItems().map(([id]) => {
      assert.ok(typeof id === "number");
      return id;
    });
  }

  answer(...items: readonly CborValue[]): Result<null, Refusal> {
    return this.caller.receive(concatBytes(...items.map(frameOf)));
  }
}

/** "pending", or the outcome if it is there after all microtasks of this turn. */
async function settled(answer: Promise<Answer>): Promise<string> {
  const turn = new Promise<null>((resolve) => {
    setImmediate(() => resolve(null));
  });
  const outcome = await Promise.race([answer, turn]);
  if (outcome === null) return "pending";
  return outcome.ok ? `value ${outcome.value.value}` : outcome.error.code;
}

describe("Caller", () => {
  test("sends id, method and parameters", () => {
    const rig = new Rig();
    void rig.call(7);
    const [request] = rig.stream.takeItems();
    assert.deepEqual(request?.slice(1), ["echo", [7]]);
  });

  test("gives each call its own answer, in whatever order they come", async () => {
    const orders = [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [2, 0, 3, 1],
    ];
    for (const order of orders) {
      const rig = new Rig();
      const answers = order.map((_, index) => rig.call(index));
      const ids = rig.takeIds();
      assert.equal(new Set(ids).size, ids.length);
      for (const index of order) assert.ok(rig.answer([ids[index] ?? -1, 0, [index * 10]]).ok);
      for (const [index, answer] of answers.entries()) {
        assert.deepEqual(await answer, ok({ value: index * 10 }));
      }
      assert.equal(rig.caller.inFlightCount, 0);
    }
  });

  test("takes answers in any cut", async () => {
    const rig = new Rig();
    const answer = rig.call(1);
    const [id = -1] = rig.takeIds();
    for (const byte of frameOf([id, 0, [5]])) {
      assert.equal(await settled(answer), "pending");
      assert.ok(rig.caller.receive(Uint8Array.of(byte)).ok);
    }
    assert.equal(await settled(answer), "value 5");
  });

  test("hands on an error with its details", async () => {
    const rig = new Rig();
    const answer = rig.call(1);
    const [id = -1] = rig.takeIds();
    rig.answer([id, ERRORS.GUARD_BLOCK_BELOW.number, [4, 2n ** 60n]]);
    assert.deepEqual(await answer, err(refusal("GUARD_BLOCK_BELOW", 4, 2n ** 60n)));
  });

  test("ignores an answer to nothing, a second answer, and one for another generation", async () => {
    const rig = new Rig();
    const answer = rig.call(1);
    const [id = -1] = rig.takeIds();
    const generation = IN_FLIGHT_COUNT_MAX;
    for (const other of [0, id + 1, id + generation, id - generation, 0xffff_ffff]) {
      if (other >= 0 && other !== id) assert.ok(rig.answer([other, 0, [2]]).ok);
    }
    assert.equal(await settled(answer), "pending");
    assert.ok(rig.answer([id, 0, [3]], [id, 0, [4]]).ok);
    assert.equal(await settled(answer), "value 3");
    assert.equal(rig.caller.inFlightCount, 0);
  });

  for (const value of [null, 3, [], [1001], [-1], [1, 2], ["1"]] as const) {
    test(`fails the call alone when its answer is ${JSON.stringify(value)}`, async () => {
      const rig = new Rig();
      const [first, second] = [rig.call(1), rig.call(2)];
      const [id = -1, other = -1] = rig.takeIds();
      assert.ok(rig.answer([id, 0, value], [other, 0, [2]]).ok);
      assert.equal(await settled(first), "FRAME_MALFORMED");
      assert.equal(await settled(second), "value 2");
    });
  }
});

describe("Caller's deadlines", () => {
  test("fail what has waited so long: not one under, but at it", async () => {
    const rig = new Rig();
    const [early, late] = [rig.call(1, 1000), rig.call(2, 1001)];
    rig.caller.expire(1099);
    assert.equal(await settled(early), "pending");
    rig.caller.expire(1100);
    assert.equal(await settled(early), "LINK_TIMEOUT");
    assert.equal(await settled(late), "pending");
    assert.equal(rig.caller.inFlightCount, 1);
    rig.caller.expire(1101);
    assert.equal(await settled(late), "LINK_TIMEOUT");
  });

  test("are each call's own", async () => {
    const rig = new Rig();
    const [long, short] = [rig.call(1, 0, 1000), rig.call(2, 0, 10)];
    rig.caller.expire(10);
    assert.equal(await settled(short), "LINK_TIMEOUT");
    assert.equal(await settled(long), "pending");
  });

  test("leave a late answer to nobody: not to the next call in the same slot", async () => {
    const rig = new Rig();
    const late = rig.call(1);
    const [lateId = -1] = rig.takeIds();
    rig.caller.expire(DEADLINE_MS);
    assert.equal(await settled(late), "LINK_TIMEOUT");
    const next = rig.call(2, DEADLINE_MS);
    const [nextId = -1] = rig.takeIds();
    assert.equal(nextId % IN_FLIGHT_COUNT_MAX, lateId % IN_FLIGHT_COUNT_MAX);
    assert.notEqual(nextId, lateId);
    assert.ok(rig.answer([lateId, 0, [1]]).ok);
    assert.equal(await settled(next), "pending");
    assert.ok(rig.answer([nextId, 0, [2]]).ok);
    assert.equal(await settled(next), "value 2");
  });

  test("free the slots of everything that expired", () => {
    const rig = new Rig();
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 100; index++) void rig.call(index);
      rig.caller.expire(DEADLINE_MS);
      assert.equal(rig.caller.inFlightCount, 0);
    }
    const slots = new Set(rig.takeIds().map((id) => id % IN_FLIGHT_COUNT_MAX));
    assert.equal(slots.size, 100);
  });
});

describe("Caller's bounds", () => {
  test("let so many wait and not one more, until one is answered", async () => {
    const rig = new Rig();
    const calls = Array.from({ length: IN_FLIGHT_COUNT_MAX - 1 }, () => rig.call(1));
    const last = rig.call(2);
    assert.equal(rig.caller.inFlightCount, IN_FLIGHT_COUNT_MAX);
    const ids = rig.takeIds();
    assert.equal(new Set(ids).size, IN_FLIGHT_COUNT_MAX);
    assert.ok(ids.every((id) => id >= 0 && id <= 0xffff_ffff));
    assert.equal(await settled(rig.call(3)), "LINK_BUSY");
    assert.equal(rig.takeIds().length, 0);
    rig.answer([ids[7] ?? -1, 0, [9]]);
    assert.deepEqual(await calls[7], ok({ value: 9 }));
    const again = rig.call(4);
    assert.equal(rig.takeIds().length, 1);
    rig.caller.close();
    assert.equal(await settled(last), "LINK_DOWN");
    assert.equal(await settled(again), "LINK_DOWN");
  });

  test("never show in ids: one after the other in the same slot, each has its own", async () => {
    const rig = new Rig();
    const seen = new Set<number>();
    for (let round = 0; round < 10_000; round++) {
      const answer = rig.call(1);
      const [id = -1] = rig.takeIds();
      seen.add(id);
      rig.answer([id, 0, [1]]);
      await answer;
    }
    assert.equal(seen.size, 10_000);
  });
});

function receiveHead(length: number): Result<null, Refusal> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, length);
  return new Rig().caller.receive(bytes);
}

describe("Caller's end", () => {
  test("fails everything that waits, and what is called afterwards, at once", async () => {
    const rig = new Rig();
    const calls = [rig.call(1), rig.call(2), rig.call(3)];
    const ids = rig.takeIds();
    rig.caller.close();
    for (const call of calls) assert.equal(await settled(call), "LINK_DOWN");
    assert.equal(rig.caller.inFlightCount, 0);
    assert.equal(await settled(rig.call(4)), "LINK_DOWN");
    assert.equal(rig.takeIds().length, 0);
    assert.ok(rig.answer(...ids.map((id) => [id, 0, [1]])).ok);
    rig.caller.close();
    rig.caller.expire(1e9);
  });

  const broken: readonly (readonly [string, Uint8Array, string])[] = [
    ["an oversize frame", Uint8Array.of(0xff, 0xff, 0xff, 0xff), "FRAME_OVERSIZE"],
    ["an empty frame", new Uint8Array(4), "FRAME_MALFORMED"],
    ["a frame of no CBOR", Uint8Array.of(0, 0, 0, 1, 0xff), "FRAME_MALFORMED"],
    ["a request", frameOf([1, "echo", [1]]), "FRAME_MALFORMED"],
    ["an unknown error number", frameOf([1, 1, []]), "FRAME_MALFORMED"],
    ["an unbounded detail", frameOf([1, 100, ["a".repeat(129)]]), "FRAME_MALFORMED"],
  ];
  for (const [name, chunk, code] of broken) {
    test(`is asked for by ${name}, after the answers before it`, async () => {
      const rig = new Rig();
      const [first, second] = [rig.call(1), rig.call(2)];
      const [id = -1] = rig.takeIds();
      rig.answer([id, 0, [1]]);
      assert.deepEqual(rig.caller.receive(chunk), err({ code }));
      rig.caller.close();
      assert.equal(await settled(first), "value 1");
      assert.equal(await settled(second), "LINK_DOWN");
    });
  }

  test("is asked for at one byte over the limit of a frame, not at the limit", () => {
    assert.ok(receiveHead(FRAME_BYTES_MAX - 1).ok);
    assert.ok(receiveHead(FRAME_BYTES_MAX).ok);
    assert.deepEqual(receiveHead(FRAME_BYTES_MAX + 1), err({ code: "FRAME_OVERSIZE" }));
  });
});
