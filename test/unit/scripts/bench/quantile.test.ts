import assert from "node:assert/strict";
import { test } from "node:test";
import { quantile } from "../../../../scripts/bench/quantile.ts";

test("quantile answers a value that was measured, whatever the order, and 0 of none", () => {
  const values = [9, 1, 5, 3, 7];
  assert.equal(quantile(values, 0), 1);
  assert.equal(quantile(values, 0.5), 5);
  assert.equal(quantile(values, 0.99), 7);
  assert.equal(quantile(values, 1), 9);
  assert.deepEqual(values, [9, 1, 5, 3, 7]);
  assert.equal(quantile([4], 0.5), 4);
  assert.equal(quantile([], 0.5), 0);
});
