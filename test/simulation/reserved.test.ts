// Orders, drains and imports beside reserved heights, on a store that loses, delays and holds back:
// what the model of test/model leaves out. SEED repeats one history.

import { test } from "node:test";
import { ReservedHistory } from "./reserved-history.ts";
import { assertReached, historyCount, runBatch, TIMEOUT_MS } from "./seeds.ts";

test("orders beside reserved heights: one root at each height that no order gave up, nothing signed after a drain, nothing left reserved, no receipt lost", {
  timeout: TIMEOUT_MS,
}, async () => {
  const refusals = await runBatch({
    file: "test/simulation/reserved.test.ts",
    subject: "reserved heights, with orders",
    count: historyCount(1000),
    run: (seed) => new ReservedHistory(seed).run(),
    countsOf: (outcome) => ({
      releases: outcome.releaseCount,
      orders: outcome.orderCount,
      drains: outcome.drainCount,
    }),
  });
  assertReached(refusals, [
    "DRAINING",
    "GUARD_HEIGHT_BELOW",
    "GUARD_RESERVED",
    "GUARD_STEP_DOUBLE",
    "STATE_UNKNOWN",
    "STORE_UNAVAILABLE",
  ]);
});
