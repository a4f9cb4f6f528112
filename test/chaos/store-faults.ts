// What the store's program does wrong, as shares of the requests: one file that the test writes and
// the program reads at each request. It must never be read by anything but that program.

import { readFileSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { type DynamoFault, SERVER_FAILURE, THROTTLE } from "../../scripts/local/dynamo-server.ts";
import type { Random } from "../simulation/random.ts";

const share = z.number().min(0).max(1);
const schema = z.strictObject({
  delayed: share,
  delayMsMax: z.number().min(0),
  requestDropped: share,
  /** Carried out, and nobody hears of it. */
  answerDropped: share,
  throttled: share,
  failed: share,
});

export type StoreFaults = z.infer<typeof schema>;

export const NO_FAULTS: StoreFaults = {
  delayed: 0,
  delayMsMax: 0,
  requestDropped: 0,
  answerDropped: 0,
  throttled: 0,
  failed: 0,
};

export function writeStoreFaults(path: string, faults: StoreFaults): void {
  writeFileSync(path, JSON.stringify(faults));
}

/** None while the file is being written. */
export function readStoreFaults(path: string): StoreFaults {
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return NO_FAULTS;
  }
}

export function drawFault(random: Random, faults: StoreFaults): DynamoFault | undefined {
  if (random.chance(faults.requestDropped)) return { kind: "drop-request" };
  if (random.chance(faults.answerDropped)) return { kind: "drop-answer" };
  if (random.chance(faults.throttled)) return THROTTLE;
  if (random.chance(faults.failed)) return SERVER_FAILURE;
  if (!random.chance(faults.delayed)) return undefined;
  return { kind: "delay", delayMs: random.below(faults.delayMsMax) };
}
