import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { imageCommand } from "../../../../scripts/image/command.ts";
import { parseCpio } from "../../../../scripts/image/cpio.ts";
import { encodeInitRamdisk, encodeProgramRamdisk } from "../../../../scripts/image/ramdisk.ts";
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

describe("the ramdisks", () => {
  it("give AWS's init what it expects in the first one", () => {
    const boot = encodeInitRamdisk(Buffer.from("init"), Buffer.from("driver"));
    assert.deepEqual(
      [...read(boot)],
      [
        ["dev", "folder"],
        ["init", "init"],
        ["nsm.ko", "driver"],
      ],
    );
  });

  it("have the command, an empty environment and the tree under /rootfs in the second one", () => {
    const words = imageCommand().map((word) => `${word}\n`);
    assert.deepEqual(
      [...read(encodeProgramRamdisk(ROOTFS))],
      [
        ["cmd", words.join("")],
        ["env", ""],
        ["rootfs", "folder"],
        ["rootfs/bin", "folder"],
        ["rootfs/bin/node", "node"],
        ["rootfs/dev", "folder"],
      ],
    );
  });
});
