import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fetchDebs } from "../../../../scripts/image/base.ts";
import type { BasePackage } from "../../../../scripts/image/base-list.ts";
import { ImageError } from "../../../../scripts/image/image-error.ts";

const CONTENT = Buffer.from("a package");
const DEB: BasePackage = {
  name: "libc6",
  version: "2.36-9",
  sha256: createHash("sha256").update(CONTENT).digest("hex"),
  byteCount: CONTENT.length,
};

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-debs-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function fetch(deb: BasePackage): readonly string[] {
  return fetchDebs([deb], { arch: "x86_64", cacheFolder: folder, handedFolder: folder });
}

describe("fetchDebs with files that are handed in", () => {
  it("gives the path of a file that is the locked one", () => {
    const path = join(folder, "libc6_2.36-9_amd64.deb");
    writeFileSync(path, CONTENT);
    assert.deepEqual(fetch(DEB), [path]);
  });

  it("refuses a file that is not there, and fetches nothing", () => {
    assert.throws(() => fetch(DEB), ImageError);
  });

  it("refuses a file of another hash, size or version", () => {
    const path = join(folder, "libc6_2.36-9_amd64.deb");
    writeFileSync(path, CONTENT);
    for (const change of [
      { sha256: "0".repeat(64) },
      { byteCount: CONTENT.length + 1 },
      { version: "2.36-8" },
    ]) {
      assert.throws(() => fetch({ ...DEB, ...change }), ImageError);
    }
  });
});
