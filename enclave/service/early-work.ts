// Work whose result is wanted only after something else has come, done while that is waited for. It
// must never run before what this turn has to send has been sent: the wait would begin later.

export class EarlyWork<T> {
  readonly #run: () => T;
  #done: { readonly value: T } | null = null;
  #isDropped = false;

  constructor(run: () => T) {
    this.#run = run;
  }

  /** Once the output of this turn has left. */
  start(): void {
    setImmediate(() => {
      if (!this.#isDropped) this.take();
    });
  }

  /** What it gave, or gives now. */
  take(): T {
    this.#done ??= { value: this.#run() };
    return this.#done.value;
  }

  /** It is not wanted any more: if it has not run yet, it never does. */
  drop(): void {
    this.#isDropped = true;
  }
}
