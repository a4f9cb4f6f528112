// What the image and its build take from Debian, by name, and the form of the lock file that fixes
// the versions: `base.lock.json`, written by `base-lock.ts`, read strictly here.

import { readFileSync } from "node:fs";
import { z } from "zod";
import type { ImageArch } from "./arch.ts";
import { ARCH_NAMES } from "./arch.ts";
import { ImageError } from "./image-error.ts";

export const BASE_RELEASE = "Debian 12 (bookworm)";

export const LOCK_FILE = "scripts/image/base.lock.json";

/** Libraries that Node, blst or our addons load. Only files that are needed get into the image. */
export const RUNTIME_PACKAGES: readonly string[] = [
  "libatomic1",
  "libc6",
  "libgcc-s1",
  "libstdc++6",
];

/** The C compiler that builds our addons, and what it is linked with. Nothing of it is shipped. */
export function toolchainPackages(arch: ImageArch): readonly string[] {
  return [
    "binutils",
    `binutils-${ARCH_NAMES[arch].multiarch.replace("_", "-")}`,
    "cpp-12",
    "gcc-12",
    "libbinutils",
    "libc6-dev",
    "libctf-nobfd0",
    "libctf0",
    "libgcc-12-dev",
    "libgmp10",
    "libisl23",
    "libjansson4",
    "libmpc3",
    "libmpfr6",
    "libzstd1",
    "linux-libc-dev",
    "zlib1g",
  ];
}

const PACKAGE = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9+.-]{1,127}$/),
  version: z.string().regex(/^[0-9A-Za-z.+:~-]{1,127}$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  byteCount: z.int().min(1).max(1_000_000_000),
});

const SET = z.strictObject({
  runtime: z.array(PACKAGE).max(100),
  toolchain: z.array(PACKAGE).max(100),
});

const LOCK = z.strictObject({
  release: z.literal(BASE_RELEASE),
  amd64: SET,
  arm64: SET,
});

export type BasePackage = Readonly<z.infer<typeof PACKAGE>>;
export type BaseLock = z.infer<typeof LOCK>;

export function parseBaseLock(text: string): BaseLock {
  try {
    return LOCK.parse(JSON.parse(text));
  } catch {
    throw new ImageError("the lock file of Debian packages is not in its form");
  }
}

export function readBaseLock(path: string): BaseLock {
  return parseBaseLock(readFileSync(path, "utf8"));
}

/** The same lock always gives the same bytes. */
export function encodeBaseLock(lock: BaseLock): string {
  return `${JSON.stringify(lock, null, 2)}\n`;
}

/** As apt names the file. */
export function debFileName(deb: BasePackage, arch: ImageArch): string {
  const version = deb.version.replaceAll(":", "%3a");
  return `${deb.name}_${version}_${ARCH_NAMES[arch].debian}.deb`;
}
