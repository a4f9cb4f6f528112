// Counts test cases from the events of Node's test runner. A case is a test, not a suite. It must
// never count silence as success: a file without tests, a suite whose hook failed, a test that is
// marked as unfinished and fails, and one that is left out without saying why are failures.

import type { TestEvent } from "node:test/reporters";
import { type Failure, lastLines, type Outcome } from "./outcome.ts";

type Finished = Extract<TestEvent, { readonly type: "test:fail" | "test:pass" }>["data"];

export class Tally {
  readonly #root: string;
  readonly #outputs = new Map<string, string[]>();
  readonly #failures: { readonly failure: Failure; readonly file: string }[] = [];
  readonly #notes: string[] = [];
  #passedCount = 0;
  #skippedCount = 0;

  constructor(root: string) {
    this.#root = root;
  }

  add(event: TestEvent): void {
    if (event.type === "test:pass") this.#pass(event.data);
    else if (event.type === "test:fail") this.#fail(event.data, event.data.details.error);
    else if (event.type === "test:stdout" || event.type === "test:stderr") {
      this.#keep(event.data.file ?? "", event.data.message);
    } else if (event.type === "test:diagnostic" && /\bvectors\b/.test(event.data.message)) {
      this.#notes.push(event.data.message);
    }
  }

  outcome(): Outcome {
    const shown = new Set<string>();
    const failures = this.#failures.map(({ failure, file }) => {
      // What a file printed belongs to all of its tests: it is shown with the first that failed.
      const printed = shown.has(file) ? [] : (this.#outputs.get(file) ?? []);
      shown.add(file);
      const output = [failure.output, ...printed].join("\n");
      return { name: failure.name, output: lastLines(output) };
    });
    return {
      passedCount: this.#passedCount,
      skippedCount: this.#skippedCount,
      failures,
      notes: this.#notes,
    };
  }

  #pass(data: Finished): void {
    if (data.skip !== undefined && data.skip !== false) this.#skip(data, data.skip);
    else if (data.details.type === "suite") return;
    else if (isFile(data)) this.#record(data, "the file has no tests");
    else this.#passedCount += 1;
  }

  /** What does not run is said, with its reason; of a suite the runner tells its name only. */
  #skip(data: Finished, skip: string | boolean): void {
    this.#skippedCount += 1;
    const reason = typeof skip === "string" && skip !== "" ? skip : null;
    this.#notes.push(`skipped: ${data.name} (${reason ?? "no reason given"})`);
    if (reason === null) this.#record(data, "it is left out without a reason");
  }

  #fail(data: Finished, error: Error): void {
    const { cause } = error;
    // The tests inside have been counted one by one.
    const isSuite = data.details.type === "suite";
    if (isSuite && failureType(error) === "subtestsFailed") return;
    const reason = cause instanceof Error ? (cause.stack ?? cause.message) : error.message;
    this.#record(data, reason);
  }

  #record(data: Finished, output: string): void {
    const file = data.file ?? "";
    const place = `${this.#shorten(file)}${isFile(data) ? "" : `:${data.line ?? 0}`}`;
    const name = isFile(data) ? place : `${place} ${data.name}`;
    this.#failures.push({ failure: { name, output }, file });
  }

  #keep(file: string, text: string): void {
    const lines = this.#outputs.get(file) ?? [];
    lines.push(text.trimEnd());
    this.#outputs.set(file, lines);
  }

  #shorten(file: string): string {
    return file.startsWith(`${this.#root}/`) ? file.slice(this.#root.length + 1) : file;
  }
}

/** The runner reports a file as a test of its own when it has none or ended badly. */
function isFile(data: Finished): boolean {
  return data.nesting === 0 && data.name === data.file;
}

function failureType(error: Error): string {
  return "failureType" in error ? String(error.failureType) : "";
}
