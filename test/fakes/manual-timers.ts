// Time that only passes when a test says so.

import type { Timers } from "../../parent/privval/timers.ts";

type Alarm = { readonly atMs: number; readonly run: () => void };

export class ManualTimers implements Timers {
  readonly #alarms = new Set<Alarm>();
  #nowMs = 1000;

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const alarm = { atMs: this.#nowMs + delayMs, run };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** Alarms that would still ring. */
  get count(): number {
    return this.#alarms.size;
  }

  /** Until the next alarm; null without one. */
  get nextMs(): number | null {
    if (this.#alarms.size === 0) return null;
    return Math.min(...[...this.#alarms].map(({ atMs }) => atMs)) - this.#nowMs;
  }

  /** Lets time pass, and rings what is due, in its order. */
  advance(byMs: number): void {
    this.jump(byMs);
    const due = [...this.#alarms].filter(({ atMs }) => atMs <= this.#nowMs);
    for (const alarm of due.sort((a, b) => a.atMs - b.atMs)) {
      if (this.#alarms.delete(alarm)) alarm.run();
    }
  }

  /** Lets time pass while the event loop is busy with something else: nothing rings. */
  jump(byMs: number): void {
    this.#nowMs += byMs;
  }
}

/** Lets everything happen that needs no more than the turns of the event loop. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((settle) => setImmediate(settle));
}
