// `npm run test:model`: explores the model of reservations in its large bounds; the last line is
// `N passed, N failed`. About two minutes, and two GB of memory.

import { describeBounds, describeExplored, LARGE, STATE_COUNT_MAX } from "./bounds.ts";
import { explore } from "./explore.ts";
import { reservationModel } from "./reservation-model.ts";

let failedCount = 0;
for (const bounds of LARGE) {
  const explored = explore(reservationModel(bounds), STATE_COUNT_MAX);
  process.stdout.write(`${describeBounds(bounds)}: ${describeExplored(explored)}\n`);
  if (explored.harm === null) continue;
  failedCount += 1;
  process.stdout.write(`${explored.harm.what}:\n  ${explored.harm.way.join("\n  ")}\n`);
}
process.stdout.write(`${LARGE.length - failedCount} passed, ${failedCount} failed\n`);
if (failedCount > 0) process.exitCode = 1;
