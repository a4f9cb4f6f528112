// Connections to one host that are kept for the next call. Certificates are checked once for each
// connection, so none may be used when it is older than its limit: an agent is as old as its oldest
// connection can be, and is replaced as a whole. It must never end a call that is under way.

import type { MonotonicClock } from "../core/ports.ts";
import { RelayAgent, type RelayAgentOptions } from "./relay-agent.ts";

export type RelayPoolOptions = RelayAgentOptions & {
  readonly clock: MonotonicClock;
  readonly ageMsMax: number;
};

type Lent = { readonly agent: RelayAgent; readonly bornMs: number; useCount: number };

export class RelayPool {
  readonly #options: RelayPoolOptions;
  #current: Lent | null = null;

  constructor(options: RelayPoolOptions) {
    this.#options = options;
  }

  async use<T>(run: (agent: RelayAgent) => Promise<T>): Promise<T> {
    const lent = this.#get();
    lent.useCount += 1;
    const result = await run(lent.agent);
    lent.useCount -= 1;
    this.#endIfDone(lent);
    return result;
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
