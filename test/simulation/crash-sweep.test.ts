// The same history again and again, and each time an enclave dies at another step: after every
// event that there is, with every enclave. REDOUBT_SIMULATIONS asks for more histories.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TIMEOUT_MS, weightyCount } from "./seeds.ts";
import { runTableHistory } from "./table-history.ts";

const HISTORY_COUNT = weightyCount(1000);
/** Other histories than those of table.test.ts, so that nothing is counted twice. */
const FIRST_SEED = 1_000_001;
const ENCLAVE_COUNT = 3;

test("a crash of any enclave after any step of a history costs nobody a slashing, nor the service", {
  timeout: TIMEOUT_MS,
}, async () => {
  const startMs = performance.now();
  const situations = new Set<string>();
  let runCount = 0;
  let pointCount = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORY_COUNT; seed++) {
    const { stepCount } = await runTableHistory({ seed });
    for (let step = 1; step <= stepCount; step++) {
      for (let index = 0; index < ENCLAVE_COUNT; index++) {
        runCount += 1;
        const crash = { step, index };
        const { situation } = await runTableHistory({ seed, crash }).catch((cause: unknown) => {
          throw new Error(`history ${seed} fails, with a crash of ${index} at ${step}`, { cause });
        });
        if (situation === null) continue;
        pointCount += 1;
        situations.add(situation);
      }
    }
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  process.stdout.write(
    `crash sweep: ${HISTORY_COUNT} histories, ${runCount} runs, ${pointCount} distinct crash points in ${situations.size} situations, ${seconds} s\n`,
  );
  assert(situations.size > 20, "crashes fall where something is under way");
});
