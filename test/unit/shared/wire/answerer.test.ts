import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CborValue, encodeCbor } from "../../../../shared/bytes/cbor.ts";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { ERRORS, type ErrorCode, type Refusal, refusal } from "../../../../shared/errors.ts";
import {
  BODY_BYTES_MAX,
  IN_FLIGHT_BYTES_MAX,
  IN_FLIGHT_COUNT_MAX,
} from "../../../../shared/limits.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { bytesField, countField, recordField } from "../../../../shared/wire/field.ts";
import { Answerer } from "../../../../shared/wire/link.ts";
import { FakeStream, frameOf } from "../../../fakes/byte-stream.ts";

const count = recordField({ value: countField(1000) });
const METHODS = {
  /** Answered at once. */
  echo: { params: count, answer: count },
  /** Answered when the test says so. */
  wait: { params: count, answer: count },
  load: { params: recordField({ bytes: bytesField(0, BODY_BYTES_MAX) }), answer: count },
};

type Answer = Result<{ readonly value: number }, Refusal>;

class Rig {
  readonly stream = new FakeStream();
  /** Settles what waits, in the order of arrival. */
  readonly waiting: ((answer: Answer) => void)[] = [];
  handledCount = 0;
  readonly answerer = new Answerer(
    METHODS,
    {
      echo: ({ value }) => {
        this.handledCount += 1;
        return value === 13 ? err(refusal("FUTURE", 13, 12n)) : ok({ value });
      },
      wait: () => this.#wait(),
      load: () => this.#wait(),
    },
    this.stream,
    this.stream.defer,
  );

  #wait(): Promise<Answer> {
    this.handledCount += 1;
    return new Promise((resolve) => {
      this.waiting.push(resolve);
    });
  }

  ask(...items: readonly CborValue[]): Result<null, Refusal> {
    return this.answerer.receive(concatBytes(...items.map(frameOf)));
  }
}

function refused(id: number, code: ErrorCode): readonly CborValue[] {
  return [id, ERRORS[code].number, []];
}

/** All microtasks of this turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe("Answerer", () => {
  test("answers every request exactly once, as soon as it is ready", async () => {
    const rig = new Rig();
    rig.ask([1, "wait", [1]], [2, "echo", [2]], [3, "wait", [3]], [4, "echo", [13]]);
    assert.deepEqual(rig.stream.takeItems(), [
      [2, 0, [2]],
      [4, ERRORS.FUTURE.number, [13, 12]],
    ]);
    rig.waiting[1]?.(ok({ value: 30 }));
    await turn();
    assert.deepEqual(rig.stream.takeItems(), [[3, 0, [30]]]);
    rig.waiting[0]?.(err(refusal("STORE_FULL")));
    await turn();
    assert.deepEqual(rig.stream.takeItems(), [refused(1, "STORE_FULL")]);
    await turn();
    assert.deepEqual(rig.stream.takeItems(), []);
  });

  test("takes requests in any cut", () => {
    const rig = new Rig();
    const bytes = concatBytes(frameOf([1, "echo", [1]]), frameOf([2, "echo", [2]]));
    for (const byte of bytes) assert.ok(rig.answerer.receive(Uint8Array.of(byte)).ok);
    assert.deepEqual(rig.stream.takeItems(), [
      [1, 0, [1]],
      [2, 0, [2]],
    ]);
  });

  const methods = ["", "ECHO", "echo ", "constructor", "__proto__", "toString", "hasOwnProperty"];
  for (const method of [...methods, "m".repeat(32)]) {
    test(`knows no method ${JSON.stringify(method)}, and serves on`, () => {
      const rig = new Rig();
      assert.ok(rig.ask([1, method, [1]], [2, "echo", [2]]).ok);
      assert.deepEqual(rig.stream.takeItems(), [refused(1, "METHOD_UNKNOWN"), [2, 0, [2]]]);
    });
  }

  const params: readonly CborValue[] = [
    [],
    [1, 2],
    [1001],
    [-1],
    ["1"],
    [null],
    [2n ** 60n],
    [[1]],
  ];
  for (const [index, each] of params.entries()) {
    test(`refuses parameters ${index} of the table, and never shows them to the handler`, () => {
      const rig = new Rig();
      assert.ok(rig.ask([1, "echo", each], [2, "echo", [1000]]).ok);
      assert.deepEqual(rig.stream.takeItems(), [refused(1, "PARAMS_MALFORMED"), [2, 0, [1000]]]);
      assert.equal(rig.handledCount, 1);
    });
  }

  const broken: readonly (readonly [string, Uint8Array, ErrorCode])[] = [
    ["an oversize frame", Uint8Array.of(0xff, 0xff, 0xff, 0xff), "FRAME_OVERSIZE"],
    ["an empty frame", new Uint8Array(4), "FRAME_MALFORMED"],
    ["a frame of no CBOR", Uint8Array.of(0, 0, 0, 1, 0xff), "FRAME_MALFORMED"],
    ["an answer", frameOf([1, 0, null]), "FRAME_MALFORMED"],
    ["a method of 33 characters", frameOf([1, "m".repeat(33), []]), "FRAME_MALFORMED"],
    ["parameters that are no list", frameOf([1, "echo", 1]), "FRAME_MALFORMED"],
    ["an id beyond 32 bits", frameOf([2 ** 32, "echo", [1]]), "FRAME_MALFORMED"],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "FRAME_OVERSIZE"],
  ];
  for (const [name, chunk, code] of broken) {
    test(`has the stream closed after ${name}`, () => {
      const rig = new Rig();
      assert.ok(rig.ask([1, "echo", [1]]).ok);
      assert.deepEqual(rig.answerer.receive(chunk), err({ code }));
      assert.equal(rig.handledCount, 1);
    });
  }
});

/** A `load` whose frame has so many bytes without its head. */
function loadOf(id: number, bodyBytes: number): Uint8Array {
  // Array, id, name, list and the head of the bytes.
  const envelope = encodeCbor([id, "load", [new Uint8Array(65_536)]]).length - 65_536;
  return frameOf([id, "load", [new Uint8Array(bodyBytes - envelope)]]);
}

describe("Answerer's bounds", () => {
  test("let so many be in flight and not one more, until one is answered", async () => {
    const rig = new Rig();
    const frame = frameOf([1, "wait", [1]]);
    for (let index = 0; index < IN_FLIGHT_COUNT_MAX; index++) rig.answerer.receive(frame);
    assert.equal(rig.waiting.length, IN_FLIGHT_COUNT_MAX);
    assert.deepEqual(rig.stream.takeItems(), []);
    rig.ask([2, "wait", [1]], [3, "echo", [1]], [4, "none", []]);
    assert.deepEqual(rig.stream.takeItems(), [
      refused(2, "LINK_BUSY"),
      refused(3, "LINK_BUSY"),
      refused(4, "METHOD_UNKNOWN"),
    ]);
    rig.waiting[0]?.(ok({ value: 1 }));
    await turn();
    rig.ask([5, "wait", [1]], [6, "wait", [1]]);
    assert.deepEqual(rig.stream.takeItems(), [[1, 0, [1]], refused(6, "LINK_BUSY")]);
    assert.equal(rig.waiting.length, IN_FLIGHT_COUNT_MAX + 1);
  });

  test("add up the bytes in flight: one under, at the limit, one over", async () => {
    const eighth = loadOf(1, IN_FLIGHT_BYTES_MAX / 8);
    for (const off of [-1, 0, 1]) {
      const rig = new Rig();
      // The same bytes again and again, so that the test itself needs no 64 MB.
      for (let index = 0; index < 7; index++) assert.ok(rig.answerer.receive(eighth).ok);
      rig.answerer.receive(loadOf(2, IN_FLIGHT_BYTES_MAX / 8 + off));
      const isBusy = off > 0;
      assert.equal(rig.waiting.length, isBusy ? 7 : 8);
      assert.deepEqual(rig.stream.takeItems(), isBusy ? [refused(2, "LINK_BUSY")] : []);
      if (off !== 0) continue;
      // Nothing fits any more, not even the smallest; afterwards all of it is free again.
      rig.ask([3, "echo", [1]]);
      for (const settle of rig.waiting) settle(err(refusal("DRAINING")));
      await turn();
      rig.ask([4, "echo", [1]]);
      const answers = rig.stream.takeItems();
      assert.deepEqual(answers[0], refused(3, "LINK_BUSY"));
      assert.deepEqual(answers.at(-1), [4, 0, [1]]);
      assert.equal(answers.length, 10);
    }
  });
});
