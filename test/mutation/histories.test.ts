// A few simulated histories, each seed the same in every run: the last chance to notice a mutant.
// `npm test` runs thousands instead (test/simulation); these are not part of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runHistory } from "../simulation/history.ts";
import { runTableHistory } from "../simulation/table-history.ts";

const SEEDS = Array.from({ length: 24 }, (_, index) => index + 1);

test("enclaves that share a table release no slashable pair, and serve afterwards", async () => {
  for (const seed of SEEDS) assert((await runTableHistory({ seed })).stepCount > 0);
});

test("enclaves one at a time over a hostile or unreliable parent release no slashable pair", async () => {
  for (const temper of ["hostile", "unreliable"] as const) {
    for (const seed of SEEDS) assert((await runHistory({ seed, temper })).stepCount > 0);
  }
});
