import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { judge, measure, type Verdict } from "../../mutation/trial.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const SUBJECT = join(ROOT, "shared/bytes/compare.ts");
const TESTS = "test/unit/shared/bytes/compare.test.ts";
const url = pathToFileURL(SUBJECT).href;
const source = readFileSync(SUBJECT, "utf8");

function judgeText(before: string, text: string, limitMs = 60_000): Promise<Verdict> {
  const start = source.indexOf(before);
  assert.notEqual(start, -1, before);
  const wish = { url, start, end: start + before.length, text };
  return judge(ROOT, source, wish, [{ path: TESTS, limitMs }]);
}

test("a mutant that the tests notice is killed, and one that they can't is not", async () => {
  assert.equal(await judgeText("// ", "// Different, "), "survived");
  assert.equal(await judgeText("return", "return !"), "killed");
});

test("a mutant that is no program is none", async () => {
  assert.equal(await judgeText("return", "return return"), "invalid");
});

test("tests that run for too long are ended", async () => {
  assert.equal(await judgeText("let difference = 0;", "for (;;);", 500), "timeout");
});

test("tests that do not load the module are refused", async () => {
  const other = pathToFileURL(join(ROOT, "parent/main.ts")).href;
  await assert.rejects(measure(ROOT, other, TESTS), /not loaded/);
  await assert.rejects(measure(ROOT, url, "test/unit/no-such-file.test.ts"), /not loaded/);
});
