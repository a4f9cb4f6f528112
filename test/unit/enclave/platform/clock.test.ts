import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { entropy, monotonicClock, ticker } from "../../../../enclave/platform/clock.ts";

test("monotonicClock never goes back, and tells no date", () => {
  let last = monotonicClock.nowMs();
  // Since the start of the process, not since 1970.
  assert.ok(last >= 0 && last < 1e11);
  for (let index = 0; index < 10_000; index++) {
    const next = monotonicClock.nowMs();
    assert.ok(next >= last);
    last = next;
  }
});

describe("ticker", () => {
  test("runs again and again, until it is stopped", (context) => {
    context.mock.timers.enable({ apis: ["setInterval"] });
    let count = 0;
    const tick = ticker.every(1000, () => {
      count += 1;
    });
    context.mock.timers.tick(999);
    assert.equal(count, 0);
    context.mock.timers.tick(1);
    assert.equal(count, 1);
    context.mock.timers.tick(3000);
    assert.equal(count, 4);
    tick.stop();
    tick.stop();
    context.mock.timers.tick(5000);
    assert.equal(count, 4);
  });
});

describe("entropy", () => {
  test("fills buffers of their own, of exactly the size", () => {
    for (const count of [0, 1, 16, 65_537]) {
      const bytes = entropy.randomBytes(count);
      assert.equal(bytes.length, count);
      // Not a view into a pool: it is wiped whole, and nobody else's bytes are beside it.
      assert.equal(bytes.byteOffset, 0);
      assert.equal(bytes.buffer.byteLength, count);
      assert.ok(!Buffer.isBuffer(bytes));
    }
  });

  test("differs each time, and leaves no zeros at the end", () => {
    const seen = new Set<string>();
    for (let index = 0; index < 100; index++) seen.add(entropy.randomBytes(16).join());
    assert.equal(seen.size, 100);
    assert.ok(
      entropy
        .randomBytes(4096)
        .subarray(-32)
        .some((byte) => byte !== 0),
    );
  });
});
