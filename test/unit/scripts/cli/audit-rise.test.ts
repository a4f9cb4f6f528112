// Which histories of a Tendermint key need no look at all pairs. That none with a pair is among
// them is tried in audit-places.test.ts and audit-held.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { SignedLine } from "../../../../scripts/cli/audit-receipt.ts";
import { Rise } from "../../../../scripts/cli/audit-rise.ts";
import { UNRECEIPTED_COUNT_MAX } from "../../../../shared/limits.ts";
import { rootOf } from "../../../fakes/ledger-rig.ts";

function vote(height: number, root = "a"): SignedLine {
  const heights = [BigInt(height), 0n];
  return { seq: 1, kind: "PREVOTE", family: "tendermint", heights, signingRoot: rootOf(root) };
}

function isSteady(...lines: readonly SignedLine[]): boolean {
  const rise = new Rise();
  for (const line of lines) rise.add(line);
  return rise.isSteady;
}

test("Rise stays steady for what is written once more, as long as it may be unwritten", () => {
  const rising = Array.from({ length: UNRECEIPTED_COUNT_MAX + 1 }, (_, index) => vote(index + 1));
  assert.equal(isSteady(...rising), true);
  assert.equal(isSteady(...rising, vote(2)), true);
  assert.equal(isSteady(...rising, ...rising.slice(1), vote(UNRECEIPTED_COUNT_MAX + 2)), true);
  assert.equal(isSteady(...rising, vote(1)), false);
});

test("Rise is not steady for another root, nor for a place that was passed over", () => {
  assert.equal(isSteady(vote(5), vote(5, "b")), false);
  assert.equal(isSteady(vote(5), vote(6), vote(5, "b")), false);
  assert.equal(isSteady(vote(5), vote(7), vote(6)), false);
  assert.equal(isSteady(vote(5), vote(6), vote(5), vote(6, "b")), false);
});
