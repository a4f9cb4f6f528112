// Time and entropy of the operating system. No wall-clock time: trusted time comes from the NSM's
// documents (`attestation/trusted-time.ts`).

import { randomFillSync } from "node:crypto";
import type { Entropy, MonotonicClock, Ticker } from "../core/ports.ts";

export const monotonicClock: MonotonicClock = { nowMs: () => performance.now() };

export const ticker: Ticker = {
  every(intervalMs, run) {
    const timer = setInterval(run, intervalMs);
    timer.unref();
    return { stop: () => clearInterval(timer) };
  },
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return { stop: () => clearTimeout(timer) };
  },
};

export const entropy: Entropy = {
  randomBytes(count) {
    return randomFillSync(new Uint8Array(new ArrayBuffer(count)));
  },
};
