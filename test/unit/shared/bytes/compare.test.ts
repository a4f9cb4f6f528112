import assert from "node:assert/strict";
import { test } from "node:test";
import {
  compareBytes,
  concatBytes,
  isEqualBytes,
  isZeroBytes,
} from "../../../../shared/bytes/compare.ts";

const of = (...bytes: readonly number[]) => Uint8Array.from(bytes);

test("isEqualBytes sees a difference of one bit anywhere, and of length", () => {
  const whole = new Uint8Array(48).fill(0x5a);
  assert.ok(isEqualBytes(whole, Uint8Array.from(whole)));
  assert.ok(isEqualBytes(of(), of()));
  for (let index = 0; index < whole.length; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const other = Uint8Array.from(whole);
      other[index] = 0x5a ^ (1 << bit);
      assert.ok(!isEqualBytes(whole, other));
    }
  }
  assert.ok(!isEqualBytes(whole, whole.subarray(0, 47)));
  assert.ok(!isEqualBytes(whole.subarray(0, 47), whole));
  // Missing bytes do not count as zeros.
  assert.ok(!isEqualBytes(of(0), of()));
  assert.ok(!isEqualBytes(of(1), of(1, 0)));
});

test("isEqualBytes compares views by what they show", () => {
  const whole = of(9, 1, 2, 9, 1, 2);
  assert.ok(isEqualBytes(whole.subarray(1, 3), whole.subarray(4, 6)));
  assert.ok(isEqualBytes(Buffer.from([1, 2]), of(1, 2)));
});

test("compareBytes orders as Buffer.compare does", () => {
  const samples = [of(), of(0), of(0, 0), of(0, 255), of(1), of(127), of(128), of(255), of(255, 0)];
  for (const [left, a] of samples.entries()) {
    for (const [right, b] of samples.entries()) {
      assert.equal(Math.sign(compareBytes(a, b)), Math.sign(left - right));
      assert.equal(Math.sign(compareBytes(a, b)), Buffer.compare(a, b));
    }
  }
});

test("concatBytes joins in order, into a buffer of its own", () => {
  const part = of(1, 2);
  const joined = concatBytes(part, of(), of(3), part);
  part.fill(9);
  assert.deepEqual(joined, of(1, 2, 3, 1, 2));
  assert.equal(joined.buffer.byteLength, 5);
  assert.deepEqual(concatBytes(), of());
});

test("isZeroBytes sees one bit anywhere", () => {
  assert.ok(isZeroBytes(of()));
  assert.ok(isZeroBytes(new Uint8Array(48)));
  for (const index of [0, 24, 47]) {
    const bytes = new Uint8Array(48);
    bytes[index] = 1;
    assert.ok(!isZeroBytes(bytes));
  }
});
