// The runner of `npm test` and the CI script, as processes, over small trees of their own.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";

const ROOT = resolve(import.meta.dirname, "../../..");

let folder = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-check-"));
});
after(() => rmSync(folder, { recursive: true }));

/** A test runner inside a test runner does nothing unless it does not know. */
function environment(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env;
  return rest;
}

describe("runTests", () => {
  it("counts passed, failed, crashed and empty files", () => {
    const files: Readonly<Record<string, string>> = {
      "good.test.ts":
        `import { it, describe } from "node:test";\n` +
        `describe("s", () => { it("a", () => {}); it("b", () => {}); it("c", { skip: "on purpose" }, () => {}); });`,
      "bad.test.ts":
        `import { it } from "node:test";\nit("d", () => { throw new Error("reason"); });\n` +
        `it("e", { todo: "never finished" }, () => { throw new Error("unfinished"); });`,
      "crash.test.ts": `throw new Error("at load");`,
      "empty.test.ts": `export {};`,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const program = `
      import { runTests, testFilesOf } from ${JSON.stringify(join(ROOT, "scripts/check/tests.ts"))};
      const root = ${JSON.stringify(folder)};
      const outcome = await runTests(root, testFilesOf(root, "."));
      const { passedCount, skippedCount, failures, notes } = outcome;
      const names = failures.map(({ name }) => name).sort();
      console.log(JSON.stringify({ passedCount, skippedCount, names, notes }));`;
    writeFileSync(join(folder, "program.mjs"), program);
    const args = ["--no-warnings", join(folder, "program.mjs")];
    const run = spawnSync(process.execPath, args, { encoding: "utf8", env: environment() });
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual(JSON.parse(run.stdout), {
      passedCount: 2,
      skippedCount: 1,
      names: ["bad.test.ts:2 d", "bad.test.ts:3 e", "crash.test.ts", "empty.test.ts"],
      notes: ["skipped: c (on purpose)"],
    });
  });
});

type Run = { readonly status: number | null; readonly last: string };

/** Runs a copy of the script with an `npm` that prints and exits as told. */
function run(npm: string): Run {
  const house = mkdtempSync(join(folder, "house-"));
  mkdirSync(join(house, ".ci"));
  mkdirSync(join(house, "bin"));
  copyFileSync(join(ROOT, ".ci/run"), join(house, ".ci/run"));
  writeFileSync(join(house, "bin/npm"), `#!/bin/sh\n${npm}\n`);
  chmodSync(join(house, "bin/npm"), 0o755);
  const path = `${join(house, "bin")}:${process.env["PATH"] ?? ""}`;
  const child = spawnSync(join(house, ".ci/run"), [], {
    encoding: "utf8",
    env: { ...process.env, PATH: path },
  });
  return { status: child.status, last: child.stdout.trimEnd().split("\n").at(-1) ?? "" };
}

describe(".ci/run", () => {
  it("adds up the counts of its tiers and ends with them", () => {
    const good = run(`echo "5 passed, 0 failed"`);
    assert.equal(good.status, 0);
    assert.match(good.last, /^\d+ passed, 0 failed$/);
    const bad = run(`echo "5 passed, 2 failed"; exit 1`);
    assert.equal(bad.status, 1);
    assert.match(bad.last, /^\d+ passed, [1-9]\d* failed$/);
  });

  it("fails when a tier fails without counting, or counts and fails all the same", () => {
    for (const npm of [
      "exit 3",
      `echo "5 passed, 0 failed"; exit 3`,
      `echo "npm is broken" >&2; exit 1`,
    ]) {
      const { status, last } = run(npm);
      assert.equal(status, 1, npm);
      assert.match(last, /^\d+ passed, [1-9]\d* failed$/, npm);
    }
  });
});
