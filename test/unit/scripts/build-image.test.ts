import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";

const PROGRAM = resolve(import.meta.dirname, "../../../scripts/build-image.ts");

describe("build-image", () => {
  it("says before it works that it can't write or read a file, and shows no stack", (t) => {
    const folder = mkdtempSync(join(tmpdir(), "redoubt-build-image-"));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "there"), "");
    const image = ["--blobs", folder, "--out"];
    for (const args of [
      [...image, join(folder, "none/redoubt.eif")],
      [...image, join(folder, "redoubt.eif"), "--rootfs-out", join(folder, "none/rootfs.cpio")],
      [...image, join(folder, "redoubt.eif"), "--rootfs", join(folder, "none.cpio")],
      ["--rootfs-only", folder],
    ]) {
      const { status, stderr } = spawnSync(process.execPath, ["--no-warnings", PROGRAM, ...args], {
        encoding: "utf8",
      });
      assert.equal(status, 1, stderr);
      assert.match(stderr, /^build-image: (no folder for|no such file:|not empty:) \S+\n$/);
    }
  });
});
