import assert from "node:assert/strict";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { test } from "node:test";
import { type BodyOutcome, readBody } from "../../../../parent/api/body.ts";

/** What a body of these pieces is read as, with room for `bytesMax`. */
function outcomeOf(pieces: readonly string[], bytesMax: number, bookedMax = bytesMax): BodyOutcome {
  const incoming = new IncomingMessage(new Socket());
  const outcomes: BodyOutcome[] = [];
  let bookedBytes = 0;
  const book = (byteCount: number): boolean => {
    bookedBytes += byteCount;
    return bookedBytes <= bookedMax;
  };
  readBody(incoming, { bytesMax, book }, (outcome) => outcomes.push(outcome));
  const given = pieces.map((piece) => Buffer.from(piece));
  for (const piece of given) incoming.emit("data", piece);
  incoming.emit("end");
  const [outcome, ...rest] = outcomes;
  assert.ok(outcome !== undefined && rest.length === 0, "one outcome");
  assert.deepEqual(
    given.map((piece) => piece.toString()),
    pieces,
    "received bytes are not written to",
  );
  return outcome;
}

function textOf(outcome: BodyOutcome): string {
  return typeof outcome === "string" ? outcome : Buffer.from(outcome).toString();
}

test("readBody joins pieces of any size, in order", () => {
  const crumbs = Array.from({ length: 20_000 }, (_, index) => String(index % 10));
  for (const pieces of [[], ["a"], ["ab", "c"], crumbs, ["x".repeat(5000), ...crumbs]]) {
    const text = pieces.join("");
    assert.equal(textOf(outcomeOf(pieces, 30_000)), text);
  }
});

test("readBody takes a body at its bound and none above", () => {
  assert.equal(textOf(outcomeOf(["abc", "de"], 5)), "abcde");
  assert.equal(textOf(outcomeOf(["abc", "def"], 5)), "oversize");
  assert.equal(textOf(outcomeOf(["abc", "de"], 5, 4)), "overbooked");
});
