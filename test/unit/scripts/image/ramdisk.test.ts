import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { imageCommand } from "../../../../scripts/image/command.ts";
import { parseCpio } from "../../../../scripts/image/cpio.ts";
import { buildRamdisks } from "../../../../scripts/image/ramdisk.ts";
import type { TreeEntry } from "../../../../scripts/image/tree.ts";

const ROOTFS: readonly TreeEntry[] = [
  { kind: "file", path: "bin/node", mode: 0o755, content: Buffer.from("node") },
  { kind: "folder", path: "dev" },
];

function read(bytes: Uint8Array): ReadonlyMap<string, string> {
  const tree = parseCpio(bytes);
  assert.ok(tree.ok);
  return new Map(
    tree.value.map((entry) => [
      entry.path,
      entry.kind === "file" ? Buffer.from(entry.content).toString("utf8") : entry.kind,
    ]),
  );
}

describe("buildRamdisks", () => {
  const [boot, program] = buildRamdisks({
    rootfs: ROOTFS,
    init: Buffer.from("init"),
    nsmDriver: Buffer.from("driver"),
  });

  it("gives AWS's init what it expects in the first one", () => {
    assert.deepEqual(
      [...read(boot)],
      [
        ["dev", "folder"],
        ["init", "init"],
        ["nsm.ko", "driver"],
      ],
    );
  });

  it("puts the command, an empty environment and the tree under /rootfs into the second", () => {
    assert.deepEqual(
      [...read(program)],
      [
        [
          "cmd",
          imageCommand()
            .map((word) => `${word}\n`)
            .join(""),
        ],
        ["env", ""],
        ["rootfs", "folder"],
        ["rootfs/bin", "folder"],
        ["rootfs/bin/node", "node"],
        ["rootfs/dev", "folder"],
      ],
    );
  });
});
