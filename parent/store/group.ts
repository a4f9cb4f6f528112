// Group commit: the commits that arrive in one turn of the event loop share one transaction and one
// fsync. While that blocks the thread, the next group gathers in the sockets.

import type { Refusal } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import type { Result } from "../../shared/result.ts";
import type { Commit, CommitAnswer } from "./database.ts";

type Outcome = Result<CommitAnswer, Refusal>;
type Waiting = { readonly commit: Commit; readonly settle: (outcome: Outcome) => void };

/** Records of one transaction, so that its pages stay in the cache. */
const GROUP_RECORD_COUNT_MAX = 8192;

export class CommitGroup {
  readonly #commitAll: (commits: readonly Commit[]) => readonly Outcome[];
  readonly #defer: (run: () => void) => void;
  #waiting: Waiting[] = [];
  #recordCount = 0;

  constructor(
    commitAll: (commits: readonly Commit[]) => readonly Outcome[],
    defer: (run: () => void) => void,
  ) {
    this.#commitAll = commitAll;
    this.#defer = defer;
  }

  add(commit: Commit): Promise<Outcome> {
    return new Promise((settle) => {
      if (this.#waiting.length === 0) this.#defer(() => this.flush());
      this.#waiting.push({ commit, settle });
      this.#recordCount += commit.writes.length;
      if (this.#recordCount >= GROUP_RECORD_COUNT_MAX) this.flush();
    });
  }

  /** Commits now what waits: before a read, so that it sees what was sent before it. */
  flush(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    this.#recordCount = 0;
    const outcomes = this.#commitAll(waiting.map(({ commit }) => commit));
    for (const [index, { settle }] of waiting.entries()) {
      const outcome = outcomes[index];
      invariant(outcome !== undefined, "each commit has an outcome");
      settle(outcome);
    }
  }
}
