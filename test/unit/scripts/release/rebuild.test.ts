import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeCpio } from "../../../../scripts/image/cpio.ts";
import type { TreeEntry } from "../../../../scripts/image/tree.ts";
import { firstDifference } from "../../../../scripts/release/rebuild.ts";

const FOLDER: TreeEntry = { kind: "folder", path: "rootfs" };
const FILE: TreeEntry = {
  kind: "file",
  path: "rootfs/a",
  mode: 0o644,
  content: Uint8Array.of(1, 2),
};
const LINK: TreeEntry = { kind: "link", path: "rootfs/b", target: "a" };
const BUILT = [FOLDER, FILE, LINK];

describe("firstDifference", () => {
  const rows: Readonly<Record<string, readonly [readonly TreeEntry[], string]>> = {
    "a file less": [[FOLDER, LINK], "the image has no /rootfs/a"],
    "another content": [
      [FOLDER, { ...FILE, content: Uint8Array.of(1, 3) }, LINK],
      "the image has another /rootfs/a",
    ],
    "another mode": [[FOLDER, { ...FILE, mode: 0o755 }, LINK], "the image has another /rootfs/a"],
    "another target": [[FOLDER, FILE, { ...LINK, target: "c" }], "the image has another /rootfs/b"],
    "another kind": [
      [FOLDER, FILE, { kind: "folder", path: "rootfs/b" }],
      "the image has another /rootfs/b",
    ],
    "an entry more": [
      [...BUILT, { kind: "link", path: "rootfs/z", target: "a" }],
      "the image has /rootfs/z as well",
    ],
  };
  for (const [what, [entries, expected]] of Object.entries(rows)) {
    it(`names the entry for ${what}`, () => {
      assert.equal(firstDifference(encodeCpio(BUILT), encodeCpio(entries)), expected);
    });
  }
});
