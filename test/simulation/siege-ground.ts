// Where the records of a siege lie, and what a hostile parent may do there. Nothing here decides
// when something happens.

import type { StateStore, Ticker } from "../../enclave/core/ports.ts";
import { createParentStore, StoreConnection } from "../../enclave/state/store-client.ts";
import type { TestClock } from "../fakes/local-enclave.ts";
import type { Random } from "./random.ts";
import { SiegeStore, type StorePowers } from "./siege-store.ts";

export interface SiegeGround {
  /** Of the manifest. */
  readonly state: Readonly<Record<string, unknown>>;
  readonly bootFloor: "off" | null;
  /** Whether heights of one chain are reserved ahead (docs/decisions/0018-reservation.md). */
  readonly reserves: boolean;
  /** How many enclaves run at once. */
  readonly enclaveCountMax: number;
  /** The store as one more boot has it. */
  join(owner: object): StateStore;
  /** The boot has died. */
  forget(owner: object): void;
  /** Calls of enclaves that have no answer yet; 0 where nobody but the store knows. */
  readonly waitingCount: number;
  /** One thing that a hostile parent does, or lets happen. */
  act(): void;
  /** What is asked from now on is answered as it should be. */
  calm(isCalm: boolean): void;
  /** From now on no answer of the store comes back, until it is false again. */
  holdAnswers(isHeld: boolean): void;
  /** What was asked is written, and nobody has heard of it; answers how many writes there were. */
  writeUntold(): number;
  /** Everything that can go on by itself has gone on. */
  settle(): Promise<void>;
  passTime(ms: number): void;
}

/** Timers that ring whenever time passes. */
class SiegeTicker implements Ticker {
  readonly #runs = new Set<() => void>();

  after(_delayMs: number, run: () => void): { stop(): void } {
    const once = (): void => {
      this.#runs.delete(once);
      run();
    };
    return this.#add(once);
  }

  every(_intervalMs: number, run: () => void): { stop(): void } {
    return this.#add(run);
  }

  ring(): void {
    for (const run of this.#runs) run();
  }

  #add(run: () => void): { stop(): void } {
    this.#runs.add(run);
    return { stop: () => void this.#runs.delete(run) };
  }
}

export type ParentPowers = StorePowers & {
  /** To run two enclaves at once, on two copies of the store. */
  readonly forks: boolean;
  readonly reserves?: boolean;
};

/** The parent's own store, which enclaves reach by frames. */
export class ParentGround implements SiegeGround {
  readonly state = { kind: "parent" };
  readonly bootFloor = "off";
  readonly enclaveCountMax: number;
  readonly reserves: boolean;
  readonly store: SiegeStore;
  readonly #random: Random;
  readonly #clock: TestClock;
  readonly #ticker = new SiegeTicker();
  readonly #forks: boolean;
  #joinCount = 0;
  onFork: () => void = () => {};

  constructor(random: Random, clock: TestClock, powers: ParentPowers) {
    this.#random = random;
    this.#clock = clock;
    this.#forks = powers.forks;
    this.reserves = powers.reserves ?? false;
    this.enclaveCountMax = powers.forks ? 2 : 1;
    this.store = new SiegeStore(random, powers);
  }

  get waitingCount(): number {
    return this.store.waitingCount;
  }

  join(owner: object): StateStore {
    this.#joinCount += 1;
    if (this.#forks && this.#joinCount > 1) {
      this.store.fork();
      this.onFork();
    }
    return createParentStore(
      new StoreConnection(this.store.dialOf(owner), this.#clock, this.#ticker),
    );
  }

  forget(owner: object): void {
    this.store.forget(owner);
  }

  act(): void {
    if (this.store.isHonest) return this.store.answerOne();
    switch (this.#random.weighted({ answer: 40, land: 3, cut: 1 })) {
      case "answer":
        return this.store.answerOne();
      case "land":
        return this.store.landOne();
      case "cut":
        return this.store.cut();
    }
  }

  calm(isCalm: boolean): void {
    this.store.isHonest = isCalm;
  }

  /** Nothing is answered here but by `act`. */
  holdAnswers(): void {}

  writeUntold(): number {
    return this.store.writeUntold();
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  passTime(ms: number): void {
    this.#clock.advance(ms);
    this.#ticker.ring();
  }
}
