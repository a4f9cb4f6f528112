// Time as the sessions see it: a clock that only runs forward, and alarms. Tests put their own in
// its place; nothing here tells what day it is.

export interface Timers {
  nowMs(): number;
  /** Runs once after the delay, unless what is returned is called before. */
  after(delayMs: number, run: () => void): () => void;
}

export const SYSTEM_TIMERS: Timers = {
  nowMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
