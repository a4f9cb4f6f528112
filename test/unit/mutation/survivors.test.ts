import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSurvivors } from "../../mutation/survivors.ts";

test("a list of survivors gives each name the reason that follows it", () => {
  const text = [
    "# a comment",
    "",
    "a/b.ts | f: x || y | z -> (x)",
    "a/c.ts | g: 1 -> (2)",
    "    The same,",
    "    in two lines.",
    "a/b.ts | h: return; -> ;",
    "    Another.",
    "",
  ].join("\n");
  assert.deepEqual(parseSurvivors(text), [
    { module: "a/b.ts", name: "f: x || y | z -> (x)", reason: "The same, in two lines." },
    { module: "a/c.ts", name: "g: 1 -> (2)", reason: "The same, in two lines." },
    { module: "a/b.ts", name: "h: return; -> ;", reason: "Another." },
  ]);
  assert.deepEqual(parseSurvivors("# nothing\n"), []);
});

test("a list of survivors holds no name without a reason, no reason without a name, no name twice", () => {
  for (const text of [
    "a | f: 1 -> (2)",
    "a | f: 1 -> (2)\n    why\na | f: 1 -> (0)\n",
    "    why\n",
    "a f: 1 -> (2)\n    why\n",
    " | f: 1 -> (2)\n    why\n",
    "a | f: 1 -> (2)\n    why\na | f: 1 -> (2)\n    why\n",
  ]) {
    assert.throws(() => parseSurvivors(text), Error, text);
  }
});
