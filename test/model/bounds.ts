// Within which bounds the model of reservations is explored: small ones by every `npm test`, large
// ones by `npm run test:model`.

import type { Exploration } from "./explore.ts";
import type { Bounds } from "./reservation-model.ts";

export const SMALL: readonly Bounds[] = [
  { heights: 2, steps: ["precommit"], reserved: 1, boots: 3, losses: 1 },
  { heights: 2, steps: ["prevote", "precommit"], reserved: 2, boots: 2, losses: 1 },
  { heights: 3, steps: ["precommit"], reserved: 2, boots: 2, losses: 1 },
];

export const LARGE: readonly Bounds[] = [
  { heights: 2, steps: ["precommit"], reserved: 1, boots: 3, losses: 2 },
  { heights: 2, steps: ["prevote", "precommit"], reserved: 2, boots: 3, losses: 1 },
  { heights: 3, steps: ["precommit"], reserved: 2, boots: 3, losses: 1 },
];

/** For those that look for a harm, and find it soon. */
export const LEAST: Bounds = {
  heights: 3,
  steps: ["precommit"],
  reserved: 2,
  boots: 3,
  losses: 1,
};

/** An exploration that is larger has shown nothing. */
export const STATE_COUNT_MAX = 2_000_000;

export function describeBounds({ heights, steps, reserved, boots, losses }: Bounds): string {
  const asked = `${heights} heights of ${steps.join(" and ")}`;
  return `${asked}, ${reserved} reserved at once, ${boots} boots, ${losses} lost answers`;
}

export function describeExplored({ stateCount, transitionCount, depth }: Exploration): string {
  return `${stateCount} states, ${transitionCount} transitions, at most ${depth} actions deep`;
}
