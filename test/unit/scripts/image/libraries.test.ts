import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ARCH_NAMES } from "../../../../scripts/image/arch.ts";
import { ImageError } from "../../../../scripts/image/image-error.ts";
import { collectLibraries } from "../../../../scripts/image/libraries.ts";
import type { TarEntry } from "../../../../scripts/image/tar.ts";
import { elfFile } from "./elf-file.ts";

const NAMES = ARCH_NAMES.x86_64;
const MACHINE = NAMES.elfMachine;
const LOADER = "/lib64/ld-linux-x86-64.so.2";

function file(path: string, libraries: readonly string[], isExecutable = false): TarEntry {
  return { kind: "file", path, isExecutable, content: elfFile({ machine: MACHINE, libraries }) };
}

function filesOf(...entries: readonly TarEntry[]): ReadonlyMap<string, TarEntry> {
  return new Map(entries.map((entry) => [entry.path, entry]));
}

const FILES = filesOf(
  { kind: "link", path: "lib64/ld-linux-x86-64.so.2", target: "/lib/x86_64-linux-gnu/ld.so" },
  file("lib/x86_64-linux-gnu/ld.so", [], true),
  file("lib/x86_64-linux-gnu/libc.so.6", []),
  { kind: "link", path: "usr/lib/x86_64-linux-gnu/libstdc++.so.6", target: "libstdc++.so.6.0" },
  file("usr/lib/x86_64-linux-gnu/libstdc++.so.6.0", ["libm.so.6"]),
  file("lib/x86_64-linux-gnu/libm.so.6", ["libc.so.6"]),
  file("lib/x86_64-linux-gnu/libnsl.so.1", ["libc.so.6"]),
);

function collect(
  libraries: readonly string[],
  interpreter: string | null = null,
  files = FILES,
): readonly string[] {
  const program = elfFile({ machine: MACHINE, libraries, interpreter });
  const tree = collectLibraries(new Map([["node", program]]), files, NAMES);
  return tree.map(({ path }) => path).sort();
}

describe("collectLibraries", () => {
  it("takes the loader, what is needed, and what that needs, with the links on the way", () => {
    assert.deepEqual(collect(["libstdc++.so.6"], LOADER), [
      "lib/x86_64-linux-gnu/ld.so",
      "lib/x86_64-linux-gnu/libc.so.6",
      "lib/x86_64-linux-gnu/libm.so.6",
      "lib64/ld-linux-x86-64.so.2",
      "usr/lib/x86_64-linux-gnu/libstdc++.so.6",
      "usr/lib/x86_64-linux-gnu/libstdc++.so.6.0",
    ]);
  });

  it("comes to an end with libraries that need each other", () => {
    const [a, b] = ["lib/x86_64-linux-gnu/liba.so", "lib/x86_64-linux-gnu/libb.so"] as const;
    const files = filesOf(file(a, ["libb.so"]), file(b, ["liba.so"]));
    assert.deepEqual(collect(["liba.so"], null, files), [a, b]);
  });

  it("takes nothing that nobody needs", () => {
    assert.deepEqual(collect([]), []);
  });

  it("keeps a library from being executed unless its package lets it", () => {
    const program = elfFile({ machine: MACHINE, libraries: ["libc.so.6"], interpreter: LOADER });
    const tree = collectLibraries(new Map([["node", program]]), FILES, NAMES);
    const modes = tree.flatMap((entry) =>
      entry.kind === "file" ? [[entry.path, entry.mode]] : [],
    );
    assert.deepEqual(Object.fromEntries(modes), {
      "lib/x86_64-linux-gnu/ld.so": 0o755,
      "lib/x86_64-linux-gnu/libc.so.6": 0o644,
    });
  });

  it("refuses a library that no package has", () => {
    assert.throws(() => collect(["libssl.so.3"]), ImageError);
  });

  it("refuses a loader that no package has", () => {
    assert.throws(() => collect([], "/lib/ld-musl-x86_64.so.1"), ImageError);
  });

  it("refuses a program of another architecture", () => {
    const program = elfFile({ machine: ARCH_NAMES.aarch64.elfMachine, libraries: [] });
    assert.throws(() => collectLibraries(new Map([["node", program]]), FILES, NAMES), ImageError);
  });

  it("refuses links that go round", () => {
    const path = "lib/x86_64-linux-gnu/libc.so.6";
    const files = filesOf({ kind: "link", path, target: "libc.so.6" });
    assert.throws(() => collect(["libc.so.6"], null, files), ImageError);
  });
});
