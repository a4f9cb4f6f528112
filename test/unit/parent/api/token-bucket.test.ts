import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenBucket } from "../../../../parent/api/token-bucket.ts";

test("TokenBucket gives its burst at once and not one more", () => {
  const bucket = new TokenBucket(10, 3, 0);
  assert.deepEqual(
    [0, 0, 0, 0].map((nowMs) => bucket.take(nowMs)),
    [true, true, true, false],
  );
});

test("TokenBucket gives the next token when its time has come, not before", () => {
  const bucket = new TokenBucket(10, 1, 0);
  assert.deepEqual(
    [0, 99, 100, 199, 200].map((nowMs) => bucket.take(nowMs)),
    [true, false, true, false, true],
  );
});

test("TokenBucket never holds more than its burst", () => {
  const bucket = new TokenBucket(1000, 2, 0);
  assert.deepEqual(
    [1e9, 1e9, 1e9].map((nowMs) => bucket.take(nowMs)),
    [true, true, false],
  );
});

test("TokenBucket gives nothing for a clock that goes back", () => {
  const bucket = new TokenBucket(1000, 1, 1000);
  assert.equal(bucket.take(1000), true);
  assert.equal(bucket.take(0), false);
});
