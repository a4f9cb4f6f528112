// Time that goes on from event to event, and machines that live in it: each has a clock and timers
// of its own, may be stopped and resumed, and dies for good. Nothing here decides anything: who
// asks for an event says when it is due.

import type { MonotonicClock, Ticker } from "../../enclave/core/ports.ts";
import { invariant } from "../../shared/invariant.ts";

type Event = { readonly atMs: number; readonly number: number; readonly run: () => void };

const EVENT_COUNT_MAX = 5000;

export class VirtualTime {
  nowMs = 0;
  #events: Event[] = [];
  #count = 0;

  get waitingCount(): number {
    return this.#events.length;
  }

  at(atMs: number, run: () => void): { stop(): void } {
    this.#count += 1;
    const event = { atMs: Math.max(atMs, this.nowMs), number: this.#count, run };
    this.#events.push(event);
    return {
      stop: () => {
        this.#events = this.#events.filter((other) => other !== event);
      },
    };
  }

  /** The next event happens; false: there is none before `untilMs`. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    let next: Event | undefined;
    for (const event of this.#events) {
      if (next === undefined || isBefore(event, next)) next = event;
    }
    if (next === undefined || next.atMs > untilMs) return false;
    this.#events.splice(this.#events.indexOf(next), 1);
    this.nowMs = next.atMs;
    next.run();
    return true;
  }

  /** `settle` lets everything go on that waits for no event. */
  async pass(durationMs: number, settle: () => Promise<void>): Promise<void> {
    const untilMs = this.nowMs + durationMs;
    await settle();
    while (this.step(untilMs)) await settle();
    this.nowMs = untilMs;
  }

  /** Until `promise` has its outcome. */
  async until<T>(promise: Promise<T>, settle: () => Promise<void>): Promise<T> {
    const state = { isDone: false };
    const done = promise.finally(() => {
      state.isDone = true;
    });
    await settle();
    for (let count = 0; !state.isDone; count++) {
      invariant(count < EVENT_COUNT_MAX && this.step(), "what is waited for comes to an end");
      await settle();
    }
    return done;
  }
}

function isBefore(first: Event, second: Event): boolean {
  return first.atMs < second.atMs || (first.atMs === second.atMs && first.number < second.number);
}

/** One boot of an enclave, as the system sees it: a clock, timers, and whether it runs. */
export class Machine implements MonotonicClock, Ticker {
  readonly #time: VirtualTime;
  #deferred: (() => void)[] = [];
  #offsetMs = 0;
  #stoppedAtMs: number | null = null;
  isAlive = true;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  get isStopped(): boolean {
    return this.#stoppedAtMs !== null;
  }

  nowMs(): number {
    return this.#time.nowMs + this.#offsetMs;
  }

  /** The clock jumps ahead, as after a suspended machine; monotonic clocks don't go back. */
  jump(durationMs: number): void {
    this.#offsetMs += durationMs;
  }

  after(delayMs: number, run: () => void): { stop(): void } {
    let isStopped = false;
    const event = this.#time.at(this.#time.nowMs + delayMs, () => {
      this.run(() => {
        if (!isStopped) run();
      });
    });
    return {
      stop: () => {
        isStopped = true;
        event.stop();
      },
    };
  }

  every(intervalMs: number, run: () => void): { stop(): void } {
    let timer = this.after(intervalMs, () => again());
    const again = (): void => {
      if (!this.isAlive) return;
      run();
      timer = this.after(intervalMs, again);
    };
    return { stop: () => timer.stop() };
  }

  /** Now, or when it is resumed, or never. */
  run(work: () => void): void {
    if (!this.isAlive) return;
    if (this.isStopped) this.#deferred.push(work);
    else work();
  }

  stop(): void {
    this.#stoppedAtMs ??= this.#time.nowMs;
  }

  /** What came meanwhile is done in the order of `shuffle`; its clock may have stood still. */
  resume(hasClockStood: boolean, shuffle: <T>(items: readonly T[]) => readonly T[]): void {
    if (this.#stoppedAtMs === null) return;
    if (hasClockStood) this.#offsetMs -= this.#time.nowMs - this.#stoppedAtMs;
    this.#stoppedAtMs = null;
    const deferred = shuffle(this.#deferred);
    this.#deferred = [];
    for (const work of deferred) work();
  }

  kill(): void {
    this.isAlive = false;
    this.#deferred = [];
  }
}
