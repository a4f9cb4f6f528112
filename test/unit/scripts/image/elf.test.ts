import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
  ELF_MACHINE_AARCH64,
  ELF_MACHINE_X86_64,
  isElf,
  readElfNeeds,
} from "../../../../scripts/image/elf.ts";
import { ImageError } from "../../../../scripts/image/image-error.ts";
import { elfFile } from "./elf-file.ts";

describe("readElfNeeds", () => {
  it("reads what a library needs", () => {
    assert.deepEqual(
      readElfNeeds(
        elfFile({ machine: ELF_MACHINE_AARCH64, libraries: ["libc.so.6", "libm.so.6"] }),
      ),
      {
        machine: ELF_MACHINE_AARCH64,
        interpreter: null,
        libraries: ["libc.so.6", "libm.so.6"],
      },
    );
  });

  it("reads the loader of the program that runs this test", () => {
    const needs = readElfNeeds(readFileSync(process.execPath));
    assert.equal(needs.machine, process.arch === "x64" ? ELF_MACHINE_X86_64 : ELF_MACHINE_AARCH64);
    assert.match(needs.interpreter ?? "", /^\/lib(64)?\/ld-linux-/);
    assert.ok(needs.libraries.includes("libc.so.6"));
  });

  const whole = elfFile({ machine: ELF_MACHINE_X86_64, libraries: ["libc.so.6"] });
  const patched = (at: number, ...bytes: readonly number[]): Uint8Array => {
    const copy = Uint8Array.from(whole);
    copy.set(bytes, at);
    return copy;
  };
  // In elfFile's layout: one library's tag, then that of the names, each of 16 bytes from 256 on.
  const namesTag = 256 + 16;
  const wrong: readonly (readonly [string, Uint8Array])[] = [
    ["nothing", Buffer.alloc(0)],
    ["a script", Buffer.from("#!/bin/sh\n")],
    ["a 32-bit file", Buffer.concat([whole.subarray(0, 4), Buffer.from([1]), whole.subarray(5)])],
    ["a file that ends in its header", whole.subarray(0, 40)],
    ["a file that ends in its segments", whole.subarray(0, 130)],
    ["a file that ends in its names", whole.subarray(0, 404)],
    ["a big-endian file", patched(5, 2)],
    ["65 segments", patched(56, 65)],
    ["a library without any names", patched(namesTag, 0)],
    ["names at an address that no segment has", patched(namesTag + 8, 0xff, 0x0f)],
  ];
  for (const [name, bytes] of wrong) {
    it(`refuses ${name}`, () => {
      assert.throws(() => readElfNeeds(bytes), ImageError);
    });
  }

  it("is not asked of what is no ELF file", () => {
    assert.equal(isElf(whole), true);
    assert.equal(isElf(Buffer.from("MZ")), false);
  });
});
