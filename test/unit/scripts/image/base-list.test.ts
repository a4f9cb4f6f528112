import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { ARCH_NAMES, IMAGE_ARCHES } from "../../../../scripts/image/arch.ts";
import {
  type BaseLock,
  debFileName,
  encodeBaseLock,
  LOCK_FILE,
  parseBaseLock,
  RUNTIME_PACKAGES,
  readBaseLock,
  toolchainPackages,
} from "../../../../scripts/image/base-list.ts";
import { ImageError } from "../../../../scripts/image/image-error.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");
const PATH = join(ROOT, LOCK_FILE);

describe("the committed lock of Debian packages", () => {
  const lock = readBaseLock(PATH);

  for (const arch of IMAGE_ARCHES) {
    it(`fixes each listed package of ${arch}, once, and no other`, () => {
      const { runtime, toolchain } = lock[ARCH_NAMES[arch].debian];
      const names = [...runtime, ...toolchain].map(({ name }) => name);
      assert.deepEqual(names, [...RUNTIME_PACKAGES, ...toolchainPackages(arch)]);
    });
  }

  it("is in the form that it is written in", () => {
    assert.equal(encodeBaseLock(lock), readFileSync(PATH, "utf8"));
  });
});

describe("parseBaseLock", () => {
  const lock = readBaseLock(PATH);
  const withFirst = (change: Readonly<Record<string, unknown>>): string => {
    const [first, ...rest] = lock.amd64.runtime;
    return JSON.stringify({
      ...lock,
      amd64: { ...lock.amd64, runtime: [{ ...first, ...change }, ...rest] },
    });
  };

  it("takes what was written", () => {
    assert.deepEqual(parseBaseLock(encodeBaseLock(lock)), lock satisfies BaseLock);
  });

  const wrong: readonly (readonly [string, string])[] = [
    ["no JSON", "{"],
    ["another release", JSON.stringify({ ...lock, release: "Debian 13 (trixie)" })],
    ["an unknown field", JSON.stringify({ ...lock, mirror: "x" })],
    ["a missing architecture", JSON.stringify({ ...lock, arm64: undefined })],
    ["a name that is an option", withFirst({ name: "-o" })],
    ["a version that is a path", withFirst({ version: "1/../2" })],
    ["a short hash", withFirst({ sha256: "00" })],
    ["no size", withFirst({ byteCount: 0 })],
  ];
  for (const [name, text] of wrong) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parseBaseLock(text), ImageError);
    });
  }
});

describe("debFileName", () => {
  it("writes an epoch as apt does", () => {
    const deb = { name: "zlib1g", version: "1:1.2", sha256: "", byteCount: 1 };
    assert.equal(debFileName(deb, "aarch64"), "zlib1g_1%3a1.2_arm64.deb");
  });
});
