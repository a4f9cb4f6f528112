import assert from "node:assert/strict";
import { chmodSync, lstatSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { ImageError } from "../../../../scripts/image/image-error.ts";
import {
  completeTree,
  isTreePath,
  nestTree,
  readTree,
  type TreeEntry,
  writeTree,
} from "../../../../scripts/image/tree.ts";

const TREE: readonly TreeEntry[] = [
  { kind: "file", path: "bin/node", mode: 0o755, content: Buffer.from("x") },
  { kind: "file", path: "app/a.ts", mode: 0o644, content: Buffer.from("y") },
  { kind: "folder", path: "dev" },
  { kind: "link", path: "lib", target: "bin" },
];

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-tree-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("completeTree", () => {
  it("sorts by bytes, upper case first", () => {
    const paths = completeTree(
      ["b", "B", "a-b", "a", "a.b"].map((path) => ({ kind: "folder", path })),
    ).map(({ path }) => path);
    assert.deepEqual(paths, ["B", "a", "a-b", "a.b", "b"]);
  });

  it("takes a folder that is named twice once", () => {
    const twice: readonly TreeEntry[] = [
      { kind: "folder", path: "dev" },
      { kind: "folder", path: "dev" },
    ];
    assert.equal(completeTree(twice).length, 1);
  });
});

describe("isTreePath", () => {
  const rows: readonly (readonly [string, boolean])[] = [
    ["a", true],
    ["a/b.ts", true],
    ["a".repeat(1024), true],
    ["a".repeat(1025), false],
    ["", false],
    ["/a", false],
    ["a/", false],
    ["a//b", false],
    ["a/./b", false],
    ["../a", false],
    ["a b", false],
    ["a\n", false],
    ["\u00e4", false],
  ];
  for (const [path, isPath] of rows) {
    it(`answers ${isPath} to ${JSON.stringify(path.slice(0, 16))} of ${path.length}`, () => {
      assert.equal(isTreePath(path), isPath);
    });
  }

  // A pattern that can split a path in two ways would take longer than anybody lives.
  it("takes no time to speak of for the worst path of an archive", () => {
    assert.equal(isTreePath(`${"a/".repeat(511)} `), false);
  });
});

describe("writeTree and readTree", () => {
  it("write what is read back, whatever the umask, with all times zero", () => {
    const target = join(folder, "tree");
    const before = process.umask(0o077);
    try {
      writeTree(target, TREE);
    } finally {
      process.umask(before);
    }
    const read = readTree(target).map((entry) =>
      entry.kind === "file" ? { ...entry, content: Buffer.from(entry.content) } : entry,
    );
    assert.deepEqual(read, completeTree(TREE));
    for (const path of ["", "bin", "bin/node", "lib"]) {
      assert.equal(lstatSync(join(target, path)).mtimeMs, 0);
    }
  });

  it("refuse to write into a folder that is not empty", () => {
    writeFileSync(join(folder, "x"), "");
    assert.throws(() => writeTree(folder, TREE), ImageError);
  });

  it("refuse to read a file of another mode", () => {
    writeFileSync(join(folder, "x"), "");
    for (const mode of [0o666, 0o4755, 0o600]) {
      chmodSync(join(folder, "x"), mode);
      assert.throws(() => readTree(folder), ImageError);
    }
  });

  it("do not follow links", () => {
    symlinkSync("/etc/hostname", join(folder, "x"));
    assert.deepEqual(readTree(folder), [{ kind: "link", path: "x", target: "/etc/hostname" }]);
  });
});

describe("nestTree", () => {
  it("moves everything one folder down", () => {
    assert.deepEqual(
      nestTree(TREE, "rootfs").map(({ path }) => path),
      ["rootfs/bin/node", "rootfs/app/a.ts", "rootfs/dev", "rootfs/lib"],
    );
  });
});
