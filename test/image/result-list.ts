// What the tier found, printed as it is found; the last line is `N passed, N failed`.

export class ResultList {
  #passedCount = 0;
  #failedCount = 0;

  /** A check that throws has failed; its text says why. */
  check(name: string, run: () => void): boolean {
    try {
      run();
    } catch (error) {
      this.fail(name, error instanceof Error ? error.message : String(error));
      return false;
    }
    this.#passedCount += 1;
    this.note(`ok ${name}`);
    return true;
  }

  fail(name: string, reason: string): void {
    this.#failedCount += 1;
    this.note(`not ok ${name}: ${reason}`);
  }

  /** What can't be checked here counts as failed in CI, where all of it has to run. */
  skip(name: string, reason: string): void {
    if (process.env["CI"] === undefined) this.note(`# not run: ${name}: ${reason}`);
    else this.fail(name, reason);
  }

  note(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  end(): number {
    this.note(`${this.#passedCount} passed, ${this.#failedCount} failed`);
    return this.#failedCount === 0 && this.#passedCount > 0 ? 0 : 1;
  }
}
