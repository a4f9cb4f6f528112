// Writes the lock of Debian packages anew, with what the mirrors have now:
// `node scripts/run.mjs scripts/image/base-lock.ts [FILE]`. Every change of it changes the
// measurements of the image; the diff is reviewed like code.

import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Apt } from "./apt.ts";
import type { ImageArch } from "./arch.ts";
import {
  BASE_RELEASE,
  type BaseLock,
  type BasePackage,
  encodeBaseLock,
  LOCK_FILE,
  parseBaseLock,
  RUNTIME_PACKAGES,
  toolchainPackages,
} from "./base-list.ts";
import { ImageError } from "./image-error.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Asks the mirrors for the newest version of each package, of both architectures. */
export function resolveBaseLock(stateFolder: string): BaseLock {
  return {
    release: BASE_RELEASE,
    amd64: resolveSet(stateFolder, "x86_64"),
    arm64: resolveSet(stateFolder, "aarch64"),
  };
}

function resolveSet(stateFolder: string, arch: ImageArch): BaseLock["amd64"] {
  const apt = new Apt(stateFolder, arch);
  apt.update();
  const compiler = toolchainPackages(arch);
  const records = apt.show([...RUNTIME_PACKAGES, ...compiler]);
  const resolve = (name: string): BasePackage => packageOf(name, records.get(name) ?? new Map());
  return { runtime: RUNTIME_PACKAGES.map(resolve), toolchain: compiler.map(resolve) };
}

function packageOf(name: string, fields: ReadonlyMap<string, string>): BasePackage {
  const version = fields.get("Version");
  const sha256 = fields.get("SHA256");
  const byteCount = Number(fields.get("Size"));
  if (version === undefined || sha256 === undefined) {
    throw new ImageError(`the mirrors do not describe ${name}`);
  }
  return { name, version, sha256, byteCount };
}

function main(file: string): number {
  try {
    const text = encodeBaseLock(resolveBaseLock(join(ROOT, ".redoubt/image/apt")));
    parseBaseLock(text);
    const isSame = readIfThere(file) === text;
    writeFileSync(file, text);
    process.stdout.write(`${isSame ? "unchanged" : "written"}: ${file}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    process.stderr.write(`base-lock: ${error.message}\n`);
    return 1;
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

if (import.meta.main) process.exitCode = main(process.argv[2] ?? join(ROOT, LOCK_FILE));
