// A reporter for Node's test runner that ends the process at the first test that fails: a mutant is
// dead then, whatever the other tests say. It prints nothing of tests that pass.

import type { TestEvent } from "node:test/reporters";
import { TEST_FAILED } from "./wish.ts";

// oxlint-disable-next-line import/no-default-export -- Node takes a reporter from there
export default async function* firstFailure(
  events: AsyncIterable<TestEvent>,
): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type !== "test:fail") continue;
    const { todo, skip } = event.data;
    if (todo !== undefined || skip !== undefined) continue;
    process.stdout.write(`${event.data.name}\n`);
    process.exit(TEST_FAILED);
  }
  yield "";
}
