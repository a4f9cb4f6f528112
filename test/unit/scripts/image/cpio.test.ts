import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeCpio, parseCpio } from "../../../../scripts/image/cpio.ts";
import { ImageError } from "../../../../scripts/image/image-error.ts";
import type { TreeEntry } from "../../../../scripts/image/tree.ts";

const FILE: TreeEntry = {
  kind: "file",
  path: "bin/node",
  mode: 0o755,
  content: Buffer.from("hello"),
};

const TREE: readonly TreeEntry[] = [
  { kind: "link", path: "lib/a", target: "../bin/node" },
  { kind: "folder", path: "dev" },
  FILE,
  { kind: "file", path: "app/x.ts", mode: 0o644, content: new Uint8Array() },
];

function records(bytes: Uint8Array): readonly string[] {
  return Buffer.from(bytes).toString("latin1").split("070701").slice(1);
}

/** Field `index` of a record, as the format counts them. */
function field(record: string | undefined, index: number): number {
  return Number.parseInt((record ?? "").slice(index * 8, index * 8 + 8), 16);
}

function mutate(bytes: Uint8Array, offset: number, text: string): Uint8Array {
  const changed = Buffer.from(bytes);
  changed.write(text, offset, "latin1");
  return changed;
}

describe("encodeCpio", () => {
  it("writes the record that the kernel's documentation describes, byte for byte", () => {
    const archive = encodeCpio([
      { kind: "file", path: "f", mode: 0o644, content: Buffer.from("A\n") },
    ]);
    const header = [
      "070701",
      "00000001",
      "000081a4",
      "00000000",
      "00000000",
      "00000001",
      "00000000",
      "00000002",
      "00000000",
      "00000000",
      "00000000",
      "00000000",
      "00000002",
      "00000000",
    ].join("");
    const start = Buffer.from(archive.subarray(0, 116)).toString("latin1");
    assert.equal(start, `${header}f\0A\n\0\0`);
    assert.equal(Buffer.from(archive.subarray(116, 122)).toString("latin1"), "070701");
  });

  it("gives the same bytes whatever the order of the entries", () => {
    assert.deepEqual(encodeCpio(TREE.toReversed()), encodeCpio(TREE));
  });

  it("adds the folders that lead to a file, before it", () => {
    const paths = records(encodeCpio([FILE])).map((record) => record.slice(104).split("\0")[0]);
    assert.deepEqual(paths, ["bin", "bin/node", "TRAILER!!!"]);
  });

  it("counts inodes, owns everything by root, at no time, on no device", () => {
    const all = records(encodeCpio(TREE)).slice(0, -1);
    for (const [index, record] of all.entries()) {
      assert.equal(field(record, 0), index + 1);
      for (const zero of [2, 3, 5, 7, 8, 9, 10, 12]) assert.equal(field(record, zero), 0);
    }
  });

  it("ends with the trailer, and fills a block", () => {
    const archive = encodeCpio(TREE);
    assert.equal(archive.length % 512, 0);
    assert.match(records(archive).at(-1) ?? "", /TRAILER!!!\0+$/);
  });

  const wrongTrees: readonly (readonly [string, readonly TreeEntry[]])[] = [
    ["a path that leaves the tree", [{ kind: "folder", path: "a/../b" }]],
    ["an absolute path", [{ kind: "folder", path: "/a" }]],
    ["an empty name", [{ kind: "folder", path: "a//b" }]],
    ["no path at all", [{ kind: "folder", path: "" }]],
    ["a path that is no ASCII", [{ kind: "folder", path: "é" }]],
    ["the same file twice", [FILE, FILE]],
    ["a file in a file", [FILE, { kind: "folder", path: "bin/node/x" }]],
  ];
  for (const [name, tree] of wrongTrees) {
    it(`refuses ${name}`, () => {
      assert.throws(() => encodeCpio(tree), ImageError);
    });
  }
});

/** An archive of two empty files whose second is called otherwise, by a name of its length. */
function renamed(first: string, second: string, name: string): Uint8Array {
  const file = { kind: "file", mode: 0o644, content: new Uint8Array() } as const;
  const bytes = encodeCpio([
    { ...file, path: first },
    { ...file, path: second },
  ]);
  return mutate(bytes, Buffer.from(bytes).indexOf(second), name);
}

describe("parseCpio", () => {
  const archive = encodeCpio(TREE);

  it("gives back what was written", () => {
    const parsed = parseCpio(archive);
    assert.ok(parsed.ok);
    assert.deepEqual(
      parsed.value.map(({ path }) => path),
      ["app", "app/x.ts", "bin", "bin/node", "dev", "lib", "lib/a"],
    );
    assert.deepEqual(encodeCpio(parsed.value), archive);
  });

  const wrongBytes: readonly (readonly [string, string, Uint8Array])[] = [
    ["nothing", "CPIO_TRUNCATED", new Uint8Array()],
    ["an archive without its trailer", "CPIO_TRUNCATED", archive.subarray(0, 300)],
    ["another magic", "CPIO_HEADER", mutate(archive, 0, "070702")],
    ["upper-case digits", "CPIO_HEADER", mutate(archive, 14, "0000A1ED")],
    ["a path out of form", "CPIO_PATH", mutate(archive, 110, "../")],
    ["a world-writable folder", "CPIO_MODE", mutate(archive, 14, "000041ff")],
    ["a device", "CPIO_MODE", mutate(archive, 14, "000021a4")],
    ["a setuid file", "CPIO_MODE", mutate(archive, 14, "000089ed")],
    ["an owner", "CPIO_NOT_CANONICAL", mutate(archive, 22, "000003e8")],
    ["a time", "CPIO_NOT_CANONICAL", mutate(archive, 46, "00000001")],
    ["another inode", "CPIO_NOT_CANONICAL", mutate(archive, 6, "00000007")],
    [
      "something after the trailer",
      "CPIO_NOT_CANONICAL",
      Buffer.concat([archive, Buffer.alloc(1)]),
    ],
    ["less padding", "CPIO_NOT_CANONICAL", archive.subarray(0, -4)],
    ["the same file twice", "CPIO_NOT_CANONICAL", renamed("b", "c", "b")],
    ["a file in a file", "CPIO_NOT_CANONICAL", renamed("b", "c.x", "b/x")],
    ["paths in another order", "CPIO_NOT_CANONICAL", renamed("b", "c", "a")],
  ];
  for (const [name, code, bytes] of wrongBytes) {
    it(`refuses ${name}`, () => {
      assert.deepEqual(parseCpio(bytes), { ok: false, error: code });
    });
  }
});
