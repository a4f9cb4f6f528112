// What goes wrong in a run, when, where and for how long, all of it from a seed. The same seed
// gives the same plan on every machine; in which order processes then do what is the machine's.

import { Random } from "../simulation/random.ts";

/** The shortest and the longest time in ms; zero where something happens and is over. */
const LENGTHS_MS = {
  "enclave killed": [0, 0],
  "enclave killed twice": [0, 600],
  "every enclave killed": [0, 300],
  "parent killed": [0, 500],
  "enclave and parent killed": [0, 60],
  "everything killed": [0, 300],
  // Beyond the deadline of a commit, of a request and of the parent's heartbeat.
  "enclave stopped": [6500, 10_000],
  "enclave stopped while its writes are answered": [4500, 8000],
  "parent stopped": [2000, 7000],
  "store killed": [200, 3000],
  "store stopped": [1500, 6000],
  "store failing": [2000, 4000],
  "connections half-open": [2000, 6000],
  "answers of the store lost": [1000, 5000],
  "requests to the store held": [500, 5000],
  "connections cut": [200, 1000],
  "disk full": [1500, 3000],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

export type FaultKind = keyof typeof LENGTHS_MS;

const EVERY_STORE = [
  "enclave killed",
  "enclave killed twice",
  "parent killed",
  "enclave and parent killed",
  "enclave stopped",
  "parent stopped",
] as const satisfies readonly FaultKind[];

export const SHARED_STORE_FAULTS: readonly FaultKind[] = [
  ...EVERY_STORE,
  "every enclave killed",
  "everything killed",
  "enclave stopped while its writes are answered",
  "store killed",
  "store stopped",
  "store failing",
  "connections half-open",
  "answers of the store lost",
  "requests to the store held",
  "connections cut",
];

export const PARENT_STORE_FAULTS: readonly FaultKind[] = [...EVERY_STORE, "disk full"];

export type Fault = {
  readonly kind: FaultKind;
  /** Which of the sites, where it is one. */
  readonly siteIndex: number;
  /** From the start of the round. */
  readonly leadMs: number;
  readonly lengthMs: number;
};

/** What happens at once. */
export type Round = readonly Fault[];

const TOGETHER_COUNT_MAX = 3;

/** Each kind once, in any order, and then any kinds, several at once. */
export function planRounds(
  seed: number,
  kinds: readonly FaultKind[],
  siteCount: number,
  roundCount: number,
): readonly Round[] {
  const random = new Random(seed);
  const rounds: Round[] = shuffled(random, kinds).map((kind) => [draw(random, kind, siteCount)]);
  while (rounds.length < roundCount) {
    const faults: Fault[] = [];
    for (let count = random.between(1, TOGETHER_COUNT_MAX); count > 0; count--) {
      const fault = draw(random, random.pick(kinds) ?? "enclave killed", siteCount);
      if (faults.every((other) => areApart(fault, other))) faults.push(fault);
    }
    rounds.push(faults);
  }
  return rounds.slice(0, roundCount);
}

function draw(random: Random, kind: FaultKind, siteCount: number): Fault {
  const [shortestMs, longestMs] = LENGTHS_MS[kind];
  return {
    kind,
    siteIndex: random.below(siteCount),
    leadMs: random.between(50, 900),
    lengthMs: random.between(shortestMs, longestMs),
  };
}

function shuffled<T>(random: Random, items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

type Part = "enclave" | "parent" | "store" | "network" | "disk";

/** What a fault starts and stops itself: no other one may, at the same time. */
const PARTS: Readonly<Record<FaultKind, readonly Part[]>> = {
  "enclave killed": ["enclave"],
  "enclave killed twice": ["enclave"],
  "every enclave killed": ["enclave"],
  "parent killed": ["parent"],
  "enclave and parent killed": ["enclave", "parent"],
  "everything killed": ["enclave", "parent", "store"],
  "enclave stopped": ["enclave"],
  "enclave stopped while its writes are answered": ["enclave", "network"],
  "parent stopped": ["parent"],
  "store killed": ["store"],
  "store stopped": ["store"],
  "store failing": ["store"],
  "connections half-open": ["network"],
  "answers of the store lost": ["network"],
  "requests to the store held": ["network"],
  "connections cut": ["network"],
  "disk full": ["disk", "parent"],
};

const EVERYWHERE: readonly FaultKind[] = ["every enclave killed", "everything killed"];

function areApart(one: Fault, other: Fault): boolean {
  const isShared = PARTS[one.kind].some((part) => PARTS[other.kind].includes(part));
  if (!isShared) return true;
  const isOfSites = [one, other].every(
    ({ kind }) => !EVERYWHERE.includes(kind) && !PARTS[kind].includes("store"),
  );
  return isOfSites && one.siteIndex !== other.siteIndex;
}
