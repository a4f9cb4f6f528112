// The network of the benchmark: slots of one millisecond, so that a key may vote 125 times a second
// and the boot floor passes in moments.

import { type LocalNetwork, localNetwork } from "../local/network.ts";

/** Of the minimal preset. */
export const SLOTS_PER_EPOCH = 8;

/** Votes are this many slots old: clocks of two processes differ by some milliseconds. */
export const BENCH_SLOT_MARGIN = 500;

export function benchNetwork(nowMs: number): LocalNetwork {
  return { ...localNetwork(nowMs), name: "bench", slotDurationMs: 1 };
}
