import assert from "node:assert/strict";
import { test } from "node:test";
import { Progress } from "../../../../scripts/cli/progress.ts";

test("a terminal gets one line that is redrawn, with the time that is left", () => {
  let text = "";
  let nowMs = 0;
  const output = { isTTY: true, columns: 200, write: (part: string) => (text += part) };
  const progress = new Progress(output, "opening", 10, () => nowMs);
  progress.advance(2, true);
  nowMs = 2000;
  progress.advance(4);
  assert.equal(text, "\r\u001B[Kopening [##############..........] 6/10 60%, 2 s left");
  nowMs = 2001;
  progress.advance(4);
  progress.end();
  assert.ok(text.endsWith("10/10 100%\n"));
});

test("a log gets plain lines, and not one for each step", () => {
  let text = "";
  let nowMs = 0;
  const progress = new Progress(
    { write: (part) => (text += part) },
    "opening",
    20_000,
    () => nowMs,
  );
  for (let step = 0; step < 100; step++) {
    nowMs += 1000;
    progress.advance();
  }
  progress.end();
  const lines = text.trimEnd().split("\n");
  assert.equal(lines.length, 10);
  assert.equal(lines[0], "opening [........................] 10/20000 0%, 5 h 33 min left");
});
