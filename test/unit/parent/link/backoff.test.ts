// The delays between tries.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../../../parent/link/backoff.ts";

test("delays double up to their maximum, between half and the whole of each", () => {
  for (const { random, share } of [
    { random: 0, share: 0.5 },
    { random: 1, share: 1 },
  ]) {
    const backoff = new Backoff({ minMs: 50, maxMs: 2000 }, () => random);
    const delays = Array.from({ length: 9 }, () => backoff.nextMs());
    const full = [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000];
    assert.deepEqual(
      delays,
      full.map((delayMs) => delayMs * share),
    );
  }
});

test("a reset starts again from the shortest delay, and many failures stay at the longest", () => {
  const backoff = new Backoff({ minMs: 50, maxMs: 2000 }, () => 1);
  for (let count = 0; count < 5000; count++) backoff.nextMs();
  assert.equal(backoff.nextMs(), 2000);
  backoff.reset();
  assert.equal(backoff.nextMs(), 50);
});
