// Runs test files, each in its own process, as many at once as there are processors. It must never
// wait for ever: a file that hangs fails.

import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { run } from "node:test";
import type { TestEvent } from "node:test/reporters";
import type { Outcome } from "./outcome.ts";
import { Tally } from "./tally.ts";

const TEST_DEADLINE_MS = 120_000;
/** For a file whose tests are done and that keeps something open. */
const FILE_DEADLINE_MS = 300_000;

export function testFilesOf(root: string, folder: string): readonly string[] {
  return globSync(join(root, folder, "**/*.test.ts")).sort();
}

export async function runTests(root: string, files: readonly string[]): Promise<Outcome> {
  const tally = new Tally(root);
  const events: AsyncIterable<TestEvent> = run({
    files: [...files],
    cwd: root,
    concurrency: availableParallelism(),
    timeout: FILE_DEADLINE_MS,
    execArgv: ["--no-warnings", `--test-timeout=${TEST_DEADLINE_MS}`],
  });
  for await (const event of events) tally.add(event);
  return tally.outcome();
}
