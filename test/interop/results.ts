// What the checks of an interop tier came to, with the closing line that `.ci/run` counts. It must
// never call a check that did not run passed.

export class Results {
  passedCount = 0;
  failedCount = 0;

  async check(name: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
      this.passedCount += 1;
    } catch (error) {
      this.fail(name, error instanceof Error ? error.message : "unknown failure");
    }
  }

  fail(name: string, reason: string): void {
    this.failedCount += 1;
    print(`not ok ${name}: ${reason}`);
  }

  /** Prints the closing line; the exit code. */
  close(): number {
    print(`${this.passedCount} passed, ${this.failedCount} failed`);
    return this.failedCount === 0 && this.passedCount > 0 ? 0 : 1;
  }
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
