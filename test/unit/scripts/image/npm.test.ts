import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { ImageError } from "../../../../scripts/image/image-error.ts";
import { installModules } from "../../../../scripts/image/install-modules.ts";
import {
  lockedPackage,
  type NpmPackage,
  readNpmLock,
  readTarball,
  tarballFileName,
} from "../../../../scripts/image/npm.ts";
import { tarOf } from "./tar-file.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");
const FOLDER = "node_modules/@a/b";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-npm-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function writeLock(packages: Readonly<Record<string, unknown>>, lockfileVersion = 3): void {
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ lockfileVersion, packages }));
}

function writePackage(): NpmPackage {
  const bytes = gzipSync(
    tarOf(
      { name: "package/package.json", content: "{}" },
      { name: "package/bin/x", content: "#!", mode: "0000755" },
    ),
  );
  const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  const locked = { folder: FOLDER, name: "@a/b", version: "1.0.0", integrity };
  writeFileSync(join(folder, tarballFileName(locked)), bytes);
  writeLock({ [FOLDER]: { version: "1.0.0", integrity } });
  return locked;
}

function sourceHere() {
  return { cacheFolder: folder, handedFolder: folder };
}

describe("readNpmLock", () => {
  it("reads the repository's own lock, with the pinned Node of both architectures", () => {
    const lock = readNpmLock(ROOT);
    for (const arch of ["x64", "arm64"]) {
      const node = lockedPackage(lock, `node_modules/node-linux-${arch}`);
      assert.equal(`v${node.version}`, process.version);
    }
  });

  it("knows a package inside of another by its own name", () => {
    const integrity = `sha512-${"A".repeat(86)}==`;
    writeLock({ "node_modules/x/node_modules/@a/b": { version: "1.0.0", integrity } });
    const [locked] = readNpmLock(folder).values();
    assert.equal(locked?.name, "@a/b");
  });

  const integrity = `sha512-${"A".repeat(86)}==`;
  const unfixed: readonly (readonly [string, string, unknown])[] = [
    ["the root", "", { version: "1.0.0", integrity }],
    ["what is no package", FOLDER, null],
    ["a package without a hash", FOLDER, { version: "1.0.0" }],
    ["a weaker hash", FOLDER, { version: "1.0.0", integrity: "sha1-AAAA" }],
    ["a version that is a path", FOLDER, { version: "../1", integrity }],
    ["a link", FOLDER, { version: "1.0.0", integrity, link: true }],
  ];
  for (const [name, path, value] of unfixed) {
    it(`leaves out ${name}`, () => {
      writeLock({ [path]: value });
      assert.equal(readNpmLock(folder).size, 0);
    });
  }

  it("refuses a lock of another version", () => {
    writeLock({}, 2);
    assert.throws(() => readNpmLock(folder), ImageError);
  });
});

describe("readTarball", () => {
  it("gives the files of a package whose hash is the locked one", () => {
    assert.deepEqual(
      [...readTarball(writePackage(), sourceHere()).keys()],
      ["package.json", "bin/x"],
    );
  });

  it("refuses a tarball with another hash", () => {
    const locked = writePackage();
    const path = join(folder, tarballFileName(locked));
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(1)]));
    assert.throws(() => readTarball(locked, sourceHere()), ImageError);
  });

  it("refuses to go on without the tarball", () => {
    const locked = { ...writePackage(), version: "1.0.1" };
    assert.throws(() => readTarball(locked, sourceHere()), ImageError);
  });
});

describe("installModules", () => {
  it("unpacks what is locked and there, and nothing else", () => {
    writePackage();
    writeFileSync(join(folder, "other-1.0.0.tgz"), "not locked");
    assert.equal(installModules(folder, folder), 1);
    assert.equal(readFileSync(join(folder, FOLDER, "package.json"), "utf8"), "{}");
  });
});
