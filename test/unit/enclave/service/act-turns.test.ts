import assert from "node:assert/strict";
import { test } from "node:test";
import { inTurns } from "../../../../enclave/service/act-turns.ts";

test("acts run some at a time, all of them, and their outcomes are in the order of the items", async () => {
  for (const count of [0, 1, 63, 64, 65, 1000]) {
    const items = Array.from({ length: count }, (_, index) => index);
    let running = 0;
    let most = 0;
    const outcomes = await inTurns(items, async (item) => {
      running += 1;
      most = Math.max(most, running);
      // The later of a few ends first.
      for (let turn = item % 5; turn < 5; turn += 1) await Promise.resolve();
      running -= 1;
      return item * 2;
    });
    assert.deepEqual(
      outcomes,
      items.map((item) => item * 2),
    );
    assert.equal(most, Math.min(count, 64));
  }
});
