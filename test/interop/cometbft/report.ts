// What each check of the tier showed, line by line, under the name of what was checked. It must
// never print `ok` for a check that did not run to its end.

import { print, type Results } from "../results.ts";

export class Report {
  readonly #results: Results;
  readonly #subject: string;

  constructor(results: Results, subject: string) {
    this.#results = results;
    this.#subject = subject;
  }

  /** `run` answers what it showed. */
  check(name: string, run: () => Promise<string>): Promise<void> {
    return this.#results.check(`${this.#subject}: ${name}`, async () => {
      const shown = await run();
      print(`ok ${this.#subject}: ${name}: ${shown}`);
    });
  }

  note(text: string): void {
    print(`# ${this.#subject}: ${text}`);
  }
}
