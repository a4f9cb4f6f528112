import assert from "node:assert/strict";
import { test } from "node:test";
import { BundleStage } from "../../../../enclave/service/bundle-stage.ts";
import { BUNDLE_BYTES_MAX, BUNDLE_COUNT_MAX } from "../../../../shared/limits.ts";

function put(stage: BundleStage, offset: number, bytes: number[], totalBytes = 4, name = "a") {
  const done = stage.put({ name, offset, totalBytes, bytes: Uint8Array.from(bytes) });
  return done.ok ? "ok" : done.error.code;
}

function take(stage: BundleStage, name = "a") {
  const taken = stage.take(name);
  return taken.ok ? [...taken.value] : taken.error.code;
}

test("pieces in order make a bundle, which can be taken once", () => {
  const stage = new BundleStage();
  assert.equal(put(stage, 0, [1, 2]), "ok");
  assert.equal(put(stage, 2, [3]), "ok");
  assert.equal(take(stage), "BUNDLE_INCOMPLETE");
  assert.equal(put(stage, 3, [4]), "ok");
  assert.deepEqual(take(stage), [1, 2, 3, 4]);
  assert.equal(take(stage), "BUNDLE_INCOMPLETE");
});

test("a piece out of order, of another length, or beyond the end is refused", () => {
  const rows: readonly (readonly [number, number[], number, string])[] = [
    [1, [2], 4, "BUNDLE_INCOMPLETE"],
    [3, [4], 4, "BUNDLE_INCOMPLETE"],
    [2, [3], 5, "BUNDLE_INCOMPLETE"],
    [2, [3, 4, 5], 4, "PARAMS_MALFORMED"],
    [4, [5], 4, "PARAMS_MALFORMED"],
    [0, [1], 0, "PARAMS_MALFORMED"],
  ];
  for (const [offset, bytes, totalBytes, code] of rows) {
    const stage = new BundleStage();
    put(stage, 0, [1, 2]);
    assert.equal(put(stage, offset, bytes, totalBytes), code, `${offset} of ${totalBytes}`);
    assert.equal(put(stage, 2, [3, 4]), "ok", "what came before is still there");
  }
  assert.equal(put(new BundleStage(), 2, [3, 4]), "BUNDLE_INCOMPLETE");
});

test("a piece at offset 0 starts anew, and what is staged under another name stays", () => {
  const stage = new BundleStage();
  put(stage, 0, [9, 9]);
  put(stage, 0, [5, 6, 7, 8], 4, "b");
  put(stage, 0, [1, 2, 3, 4]);
  assert.deepEqual(take(stage), [1, 2, 3, 4]);
  assert.deepEqual(take(stage, "b"), [5, 6, 7, 8]);
});

test("at most two of the largest bundles are staged, and room is given back", () => {
  const stage = new BundleStage();
  assert.equal(put(stage, 0, [1], BUNDLE_BYTES_MAX, "a"), "ok");
  assert.equal(put(stage, 0, [1], BUNDLE_BYTES_MAX - 1, "b"), "ok");
  assert.equal(put(stage, 0, [1], 1, "c"), "ok");
  assert.equal(put(stage, 0, [1], 1, "d"), "BUNDLE_LIMIT");
  assert.deepEqual(take(stage, "c"), [1]);
  assert.equal(put(stage, 0, [1], 2, "d"), "BUNDLE_LIMIT");
  assert.equal(put(stage, 0, [1], 1, "d"), "ok");
  // Started anew and smaller: the rest is room again.
  assert.equal(put(stage, 0, [1], 1, "a"), "ok");
  assert.equal(put(stage, 0, [1], BUNDLE_BYTES_MAX - 2, "e"), "ok");
});

test("at most BUNDLE_COUNT_MAX names are staged", () => {
  const stage = new BundleStage();
  for (let index = 0; index < BUNDLE_COUNT_MAX; index++) {
    assert.equal(put(stage, 0, [1], 2, `n${index}`), "ok");
  }
  assert.equal(put(stage, 0, [1], 2, "one more"), "BUNDLE_LIMIT");
  assert.equal(put(stage, 0, [1], 2, "n0"), "ok");
});
