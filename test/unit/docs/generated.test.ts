// Parts of the pages that repeat the code are compared with it. Run as a program with `--update`,
// this file writes them anew:
//   node scripts/run.mjs test/unit/docs/generated.test.ts --update

import assert from "node:assert/strict";
import { test } from "node:test";
import { GENERATED_PARTS } from "./generated-part.ts";
import { partOf, writePart } from "./page.ts";

const isUpdate = process.argv.includes("--update");

for (const { page, name, make } of GENERATED_PARTS) {
  test(`docs/${page} says of ${name} what the code says`, async () => {
    const expected = `\n${await make()}\n`;
    if (isUpdate) writePart(page, name, expected);
    assert.equal(partOf(page, name), expected);
  });
}
