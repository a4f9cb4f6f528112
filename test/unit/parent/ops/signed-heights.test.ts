import assert from "node:assert/strict";
import { test } from "node:test";
import { SignedHeights } from "../../../../parent/ops/signed-heights.ts";

const [A, B] = [Uint8Array.of(0xaa), Uint8Array.of(0xbb)];
const PRECOMMIT = 3;

function rig() {
  const heights = new SignedHeights();
  let nowMs = 0;
  /** One ms later each time. */
  const sign = (key: Uint8Array | null, height: bigint, step = PRECOMMIT, chainId = "a-1") => {
    nowMs += 1;
    return heights.note({ chainId, key }, { height, round: Number(height % 5n), step }, nowMs);
  };
  return { heights, sign };
}

test("of one key the last one is told, and what it left out", () => {
  for (const key of [null, A]) {
    const { heights, sign } = rig();
    assert.deepEqual(
      [100n, 101n, 101n, 100n, 102n, 105n].map((height) => sign(key, height)),
      [0n, 0n, 0n, 0n, 0n, 2n],
    );
    assert.deepEqual(heights.lags(), [
      { chain: "a-1", step: 3, behind: { height: 105n, round: 0, atMs: 6 }, oldestMs: 6 },
    ]);
  }
});

test("two keys of a chain are followed apart, and the one that is behind is told of", () => {
  const { heights, sign } = rig();
  const missed = [sign(A, 100n), sign(B, 500n), sign(A, 101n), sign(B, 501n), sign(A, 104n)];
  assert.deepEqual(missed, [0n, 0n, 0n, 0n, 2n]);
  const [lag] = heights.lags();
  assert.deepEqual(lag?.behind, { height: 104n, round: 4, atMs: 5 });
  // The other one signed before that, and is not behind.
  assert.equal(lag?.oldestMs, 4);
});

test("only precommits are missed, and steps and chains are apart", () => {
  const { heights, sign } = rig();
  for (const step of [1, 2]) assert.deepEqual([sign(A, 1n, step), sign(A, 9n, step)], [0n, 0n]);
  sign(A, 3n);
  sign(A, 4n, PRECOMMIT, "b-1");
  assert.deepEqual(
    heights.lags().map(({ chain, step, behind }) => [chain, step, behind.height]),
    [
      ["a-1", 1, 9n],
      ["a-1", 2, 9n],
      ["a-1", 3, 3n],
      ["b-1", 3, 4n],
    ],
  );
});

test("the only key of a chain is one, whether its node names it or not", () => {
  for (const [first, second] of [
    [null, A],
    [A, null],
  ] as const) {
    const { heights, sign } = rig();
    assert.deepEqual([sign(first, 1n), sign(second, 2n), sign(first, 3n)], [0n, 0n, 0n]);
    assert.deepEqual(
      heights.lags().map(({ behind }) => behind.height),
      [3n],
    );
  }
});

test("a key that no node asks for any more is forgotten, and no other", () => {
  const { heights, sign } = rig();
  sign(A, 1n);
  sign(B, 5n);
  sign(A, 7n, PRECOMMIT, "b-1");
  sign(null, 8n, PRECOMMIT, "c-1");
  const told = () => heights.lags().map(({ chain, behind }) => [chain, behind.height]);
  heights.retain([
    { chainId: "a-1", key: B },
    { chainId: "b-1", key: null },
    { chainId: "c-1", key: null },
  ]);
  assert.deepEqual(told(), [
    ["a-1", 5n],
    ["b-1", 7n],
    ["c-1", 8n],
  ]);
  heights.retain([{ chainId: "c-1", key: B }]);
  assert.deepEqual(told(), [["c-1", 8n]]);
  heights.retain([]);
  assert.deepEqual(told(), []);
});
