import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { concatBytes } from "../../../shared/bytes/compare.ts";
import { refusal } from "../../../shared/errors.ts";
import { err, ok } from "../../../shared/result.ts";
import { countField, recordField } from "../../../shared/wire/field.ts";
import { encodeFrame, FrameReader } from "../../../shared/wire/frame.ts";
import { Answerer, Caller } from "../../../shared/wire/link.ts";
import { FakeStream } from "../../fakes/byte-stream.ts";

/** The bytes in pieces of these lengths, again and again; pieces of none come too. */
function cut(bytes: Uint8Array, lengths: readonly number[]): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (let index = 0; at < bytes.length; index++) {
    // Where all lengths are 0 there would be no end.
    const length = lengths[index % lengths.length] ?? 0;
    const step = index % (lengths.length + 1) === lengths.length ? 1 : length;
    pieces.push(bytes.subarray(at, at + step));
    at += step;
  }
  return pieces;
}

const lengths = fc.array(fc.nat(40), { minLength: 1, maxLength: 8 });
const bodies = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 });

describe("frames", () => {
  test("are the same in any cut of their stream", () => {
    fc.assert(
      fc.property(bodies, lengths, fc.boolean(), (each, cuts, isBuffer) => {
        const stream = concatBytes(...each.map(encodeFrame));
        const reader = new FrameReader(60);
        const frames: Uint8Array[] = [];
        for (const piece of cut(isBuffer ? Buffer.from(stream) : stream, cuts)) {
          const read = reader.read(piece);
          assert.ok(read.ok);
          frames.push(...read.value);
        }
        assert.deepEqual(frames, each);
      }),
      { numRuns: 500 },
    );
  });

  test("above the limit are refused in any cut, as soon as their head is whole", () => {
    fc.assert(
      fc.property(
        bodies,
        lengths,
        fc.integer({ min: 61, max: 2 ** 32 - 1 }),
        (each, cuts, size) => {
          const head = new Uint8Array(4);
          new DataView(head.buffer).setUint32(0, size);
          const reader = new FrameReader(60);
          const pieces = cut(concatBytes(...each.map(encodeFrame), head), cuts);
          const outcomes = pieces.map((piece) => reader.read(piece));
          assert.deepEqual(outcomes.at(-1), err("FRAME_OVERSIZE"));
          assert.ok(outcomes.slice(0, -1).every((read) => read.ok));
        },
      ),
      { numRuns: 200 },
    );
  });
});

const count = recordField({ value: countField(1000) });
const METHODS = { double: { params: count, answer: count } };

/** What is asked, and how: at once or later, with an error or without. */
const asked = fc.record({
  value: fc.nat(500),
  isLate: fc.boolean(),
  isRefused: fc.boolean(),
  order: fc.nat(),
});

describe("a link", () => {
  test("gives every request its answer, in any order and any cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { maxLength: 30 }), lengths, async (requests, cuts) => {
        const [there, back] = [new FakeStream(), new FakeStream()];
        const late: { readonly order: number; readonly settle: () => void }[] = [];
        let handledCount = 0;
        const handler = ({ value }: { readonly value: number }) => {
          const request = requests[handledCount];
          handledCount += 1;
          assert.equal(value, request?.value);
          const answer =
            request?.isRefused === true ? err(refusal("FUTURE", value)) : ok({ value: value * 2 });
          if (request?.isLate !== true) return answer;
          return new Promise<typeof answer>((resolve) => {
            late.push({ order: request.order, settle: () => resolve(answer) });
          });
        };
        const caller = new Caller(METHODS, there, there.defer);
        const answerer = new Answerer(METHODS, { double: handler }, back, back.defer);
        const answers = requests.map(({ value }) => caller.call("double", { value }, 0, 1));
        there.endTurn();
        for (const piece of cut(concatBytes(...there.writes), cuts)) {
          assert.ok(answerer.receive(piece).ok);
        }
        for (const { settle } of late.sort((a, b) => a.order - b.order)) settle();
        await new Promise(setImmediate);
        back.endTurn();
        for (const piece of cut(concatBytes(...back.writes), cuts)) {
          assert.ok(caller.receive(piece).ok);
        }
        assert.equal(caller.inFlightCount, 0);
        assert.deepEqual(
          await Promise.all(answers),
          requests.map(({ value, isRefused }) =>
            isRefused ? err(refusal("FUTURE", value)) : ok({ value: value * 2 }),
          ),
        );
      }),
      { numRuns: 200 },
    );
  });

  test("never throws for what a peer sends, and answers or asks to be closed", () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 40 }).map(encodeFrame),
    );
    fc.assert(
      fc.property(body, (bytes) => {
        const stream = new FakeStream();
        const caller = new Caller(METHODS, stream, stream.defer);
        const handlers = { double: () => ok({ value: 1 }) };
        const answerer = new Answerer(METHODS, handlers, stream, stream.defer);
        for (const end of [caller, answerer]) {
          const received = end.receive(bytes);
          if (received.ok) continue;
          assert.ok(["FRAME_OVERSIZE", "FRAME_MALFORMED"].includes(received.error.code));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
