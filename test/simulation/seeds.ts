// Which histories a simulation runs, and what it says of them. SEED runs one alone;
// REDOUBT_SIMULATIONS asks for more or fewer of them. A history that fails says the command that
// repeats it.

import assert from "node:assert/strict";
import type { ErrorCode } from "../../shared/errors.ts";

/** However many are asked for, and however busy the machine is. */
export const TIMEOUT_MS = 7_200_000;

const seedWish = process.env["SEED"];
const countWish = process.env["REDOUBT_SIMULATIONS"];
const USUAL_COUNT = 2000;

/** One history was asked for: what a thousand reach, it need not. */
export const isOneSeed: boolean = seedWish !== undefined;

/** As many as are asked for, else `usual`. */
export function historyCount(usual: number): number {
  return countWish === undefined ? usual : Number(countWish);
}

/** For histories that take as long as `weight` others. */
export function weightyCount(weight: number): number {
  return Math.ceil(historyCount(USUAL_COUNT) / weight);
}

export function seedsOf(count: number, first = 1): readonly number[] {
  if (seedWish !== undefined) return [Number(seedWish)];
  return Array.from({ length: count }, (_, index) => first + index);
}

type Ended = { readonly refusals: ReadonlySet<ErrorCode> };

export type Batch<O extends Ended> = {
  /** The test's file, from the repository's root. */
  readonly file: string;
  /** What is printed before the figures. */
  readonly subject: string;
  readonly count: number;
  readonly run: (seed: number) => Promise<O>;
  /** What of an outcome is added up and printed. */
  readonly countsOf: (outcome: O) => Readonly<Record<string, number>>;
};

/** Answers every code that something was refused with. */
export async function runBatch<O extends Ended>(batch: Batch<O>): Promise<ReadonlySet<ErrorCode>> {
  const startMs = performance.now();
  const sum = new Map<string, number>();
  const refusals = new Set<ErrorCode>();
  const seeds = seedsOf(batch.count);
  for (const seed of seeds) {
    const outcome = await batch.run(seed).catch((cause: unknown) => {
      const command = `SEED=${seed} node --test ${batch.file}`;
      throw new Error(`${batch.subject}: history ${seed} fails; again: ${command}`, { cause });
    });
    for (const [name, count] of Object.entries(batch.countsOf(outcome))) {
      sum.set(name, (sum.get(name) ?? 0) + count);
    }
    for (const code of outcome.refusals) refusals.add(code);
  }
  const counts = [...sum].map(([name, count]) => `${count} ${name}`);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const figures = [`${seeds.length} histories`, ...counts, `${seconds} s`].join(", ");
  process.stdout.write(`${batch.subject}: ${figures}\n`);
  return refusals;
}

/** The histories reach what they are there for. */
export function assertReached(refusals: ReadonlySet<ErrorCode>, codes: readonly ErrorCode[]): void {
  if (isOneSeed) return;
  for (const code of codes) assert(refusals.has(code), code);
}

/** The first history that ends by `found` being thrown. */
export async function firstSeedThat(
  found: (thrown: unknown) => boolean,
  countMax: number,
  run: (seed: number) => Promise<unknown>,
): Promise<number | undefined> {
  for (let seed = 1; seed <= countMax; seed++) {
    try {
      await run(seed);
    } catch (thrown) {
      if (found(thrown)) return seed;
      // What was broken may end a history in another way first.
    }
  }
  return undefined;
}
