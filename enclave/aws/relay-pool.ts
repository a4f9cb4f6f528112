// Connections to one host that are kept for the next call. Certificates are checked once for each
// connection, so none may be used when it is older than its limit: an agent is as old as its oldest
// connection can be, and is replaced as a whole. Handshakes cost both sides time that calls need:
// few are made at once, so that the first calls of a burst need not wait for the last connection.
// It must never end a call that is under way, nor let more calls go out than it keeps connections.

import type { MonotonicClock, Ticker } from "../core/ports.ts";
import { RelayAgent, type RelayAgentOptions } from "./relay-agent.ts";

export type RelayPoolOptions = RelayAgentOptions & {
  readonly clock: MonotonicClock;
  readonly ticker: Pick<Ticker, "after">;
  /** How many calls go out at once. */
  readonly keptCountMax: number;
  readonly ageMsMax: number;
};

type Lent = { readonly agent: RelayAgent; readonly bornMs: number; useCount: number };

/** Connections that are being made at once. */
const OPENING_COUNT_MAX = 8;

export class RelayPool {
  readonly #options: RelayPoolOptions;
  #current: Lent | null = null;
  #useCount = 0;
  /** In order of arrival; each is told whether its turn has come. */
  readonly #waiting = new Set<() => void>();

  constructor(options: RelayPoolOptions) {
    this.#options = options;
  }

  /** Null when its turn did not come within `waitMsMax`: then nothing was sent. */
  async use<T>(waitMsMax: number, run: (agent: RelayAgent) => Promise<T>): Promise<T | null> {
    if (this.#hasTurn()) this.#useCount += 1;
    else if (!(await this.#takeTurn(waitMsMax))) return null;
    const lent = this.#get();
    lent.useCount += 1;
    const result = await run(lent.agent);
    lent.useCount -= 1;
    this.#endIfDone(lent);
    this.#passTurn();
    return result;
  }

  #hasTurn(): boolean {
    // Each call has a connection of its own, or is getting one.
    const { openCount } = this.#get().agent;
    const countMax = Math.min(this.#options.keptCountMax, openCount + OPENING_COUNT_MAX);
    return this.#useCount < countMax;
  }

  #takeTurn(waitMsMax: number): Promise<boolean> {
    return new Promise((resolve) => {
      const onTurn = (): void => {
        timer.stop();
        resolve(true);
      };
      const timer = this.#options.ticker.after(waitMsMax, () => {
        this.#waiting.delete(onTurn);
        resolve(false);
      });
      this.#waiting.add(onTurn);
    });
  }

  #passTurn(): void {
    this.#useCount -= 1;
    for (const next of this.#waiting) {
      if (!this.#hasTurn()) return;
      this.#useCount += 1;
      this.#waiting.delete(next);
      next();
    }
  }

  #get(): Lent {
    const { clock, ageMsMax } = this.#options;
    const nowMs = clock.nowMs();
    const last = this.#current;
    if (last !== null && nowMs - last.bornMs < ageMsMax) return last;
    const next = { agent: new RelayAgent(this.#options), bornMs: nowMs, useCount: 0 };
    this.#current = next;
    if (last !== null) this.#endIfDone(last);
    return next;
  }

  /** Whoever still calls over an agent that was replaced keeps it until then. */
  #endIfDone(lent: Lent): void {
    if (lent !== this.#current && lent.useCount === 0) lent.agent.destroy();
  }
}
