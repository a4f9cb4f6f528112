import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { ImageError } from "../../../../scripts/image/image-error.ts";
import { readSourceTree } from "../../../../scripts/release/source-tree.ts";

const folder = mkdtempSync(join(tmpdir(), "redoubt-source-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function git(...args: readonly string[]): void {
  const who = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"];
  execFileSync("git", [...who, "-c", "commit.gpgsign=false", ...args], { cwd: folder });
}

describe("readSourceTree", () => {
  it("refuses a folder without a commit", () => {
    git("init", "-q");
    assert.throws(() => readSourceTree(folder, true), ImageError);
  });

  it("tells the commit of a tree without changes", () => {
    writeFileSync(join(folder, "a"), "1");
    git("add", "a");
    git("commit", "-q", "-m", "a");
    const { commit, isDirty } = readSourceTree(folder, false);
    assert.match(commit, /^[0-9a-f]{40}$/);
    assert.equal(isDirty, false);
  });

  for (const [what, name] of [
    ["a changed file", "a"],
    ["a file that git does not know", "b"],
  ] as const) {
    it(`refuses ${what}, unless that is allowed, and then tells it`, () => {
      writeFileSync(join(folder, name), "2");
      assert.throws(() => readSourceTree(folder, false), ImageError);
      assert.equal(readSourceTree(folder, true).isDirty, true);
      if (name === "a") git("checkout", "-q", "a");
    });
  }
});
