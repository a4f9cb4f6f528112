import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TestEvent } from "node:test/reporters";
import { outcomeOf } from "../../../../scripts/check/command.ts";
import { lastLines } from "../../../../scripts/check/outcome.ts";
import { Tally } from "../../../../scripts/check/tally.ts";

const FILE = "/house/test/a.test.ts";

type Extra = { readonly skip?: string | boolean; readonly nesting?: number };

function data(name: string, type: "suite" | "test", extra: Extra) {
  return {
    name,
    file: FILE,
    line: 7,
    column: 1,
    nesting: 1,
    testNumber: 1,
    testId: 1,
    details: { duration_ms: 1, type },
    ...extra,
  };
}

function passed(name: string, type: "suite" | "test" = "test", extra: Extra = {}): TestEvent {
  // The counting looks at these fields only.
  return { type: "test:pass", data: data(name, type, extra) } as unknown as TestEvent; // oxlint-disable-line typescript/no-unsafe-type-assertion -- see above
}

function failed(
  name: string,
  failureType: string,
  type: "suite" | "test" = "test",
  extra: Extra = {},
): TestEvent {
  const cause = new Error(`reason of ${name}`);
  const error = Object.assign(new Error("wrapped", { cause }), { failureType });
  const base = data(name, type, extra);
  const event = { type: "test:fail", data: { ...base, details: { ...base.details, error } } };
  return event as unknown as TestEvent; // oxlint-disable-line typescript/no-unsafe-type-assertion -- see above
}

function tallyOf(...events: readonly TestEvent[]) {
  const tally = new Tally("/house");
  for (const event of events) tally.add(event);
  return tally.outcome();
}

describe("Tally", () => {
  it("counts tests and not suites", () => {
    const outcome = tallyOf(passed("a"), passed("b"), passed("s", "suite"));
    assert.equal(outcome.passedCount, 2);
    assert.deepEqual(outcome.failures, []);
  });

  it("counts a failed test once, not again as its suite, and says where and why", () => {
    const { failures } = tallyOf(
      failed("a", "testCodeFailure"),
      failed("s", "subtestsFailed", "suite"),
    );
    assert.equal(failures.length, 1);
    assert.equal(failures[0]?.name, "test/a.test.ts:7 a");
    assert.match(failures[0]?.output ?? "", /reason of a/);
  });

  it("counts a suite whose hook failed", () => {
    assert.equal(tallyOf(failed("s", "hookFailed", "suite")).failures.length, 1);
  });

  it("counts skipped tests apart from the passed ones", () => {
    const outcome = tallyOf(
      passed("a", "test", { skip: "why" }),
      passed("b", "test", { skip: true }),
    );
    assert.equal(outcome.passedCount, 0);
    assert.equal(outcome.skippedCount, 2);
    assert.deepEqual(outcome.notes, ["skipped: a (why)", "skipped: b (no reason given)"]);
    assert.deepEqual(
      outcome.failures.map(({ name }) => name),
      ["test/a.test.ts:7 b"],
    );
  });

  it("says a suite that is left out, and fails one that does not say why", () => {
    const outcome = tallyOf(
      passed("s", "suite", { skip: "why" }),
      passed("t", "suite", { skip: true }),
      passed("u", "suite"),
    );
    assert.deepEqual([outcome.passedCount, outcome.skippedCount], [0, 2]);
    assert.deepEqual(outcome.notes, ["skipped: s (why)", "skipped: t (no reason given)"]);
    assert.deepEqual(
      outcome.failures.map(({ name }) => name),
      ["test/a.test.ts:7 t"],
    );
  });

  it("fails a file that has no tests", () => {
    const outcome = tallyOf(passed(FILE, "test", { nesting: 0 }));
    assert.equal(outcome.passedCount, 0);
    assert.deepEqual(
      outcome.failures.map(({ name }) => name),
      ["test/a.test.ts"],
    );
  });

  it("shows what a file printed with its first failure only", () => {
    const print: TestEvent = { type: "test:stdout", data: { file: FILE, message: "printed\n" } };
    const { failures } = tallyOf(
      print,
      failed("a", "testCodeFailure"),
      failed("b", "testCodeFailure"),
    );
    assert.match(failures[0]?.output ?? "", /printed/);
    assert.doesNotMatch(failures[1]?.output ?? "", /printed/);
  });
});

describe("outcomeOf", () => {
  it("counts a program by its exit code, or by its own last line", () => {
    const rows: readonly [boolean, string, number, number][] = [
      [true, "", 1, 0],
      [false, "wrong", 0, 1],
      [true, "x\n12 passed, 0 failed\n", 12, 0],
      [false, "x\n12 passed, 3 failed\n", 12, 3],
      [false, "12 passed, 0 failed\n", 12, 1],
      [true, "12 passed, 2 failed\n", 12, 2],
      [true, "12 passed, 0 failed\nand more", 1, 0],
    ];
    for (const [hasSucceeded, output, passedCount, failedCount] of rows) {
      const outcome = outcomeOf("program", hasSucceeded, output);
      assert.equal(outcome.passedCount, passedCount, output);
      assert.equal(outcome.failures.length, failedCount, output);
    }
  });
});

describe("lastLines", () => {
  it("keeps the end of what is long", () => {
    assert.equal(lastLines("a\nb\n"), "a\nb");
    const lines = lastLines(Array.from({ length: 300 }, (_, index) => index).join("\n")).split(
      "\n",
    );
    assert.equal(lines.length, 201);
    assert.equal(lines.at(-1), "299");
  });
});
