// The locked Debian packages as files: from a folder that was handed in, from the cache, or from
// this machine's mirrors. Whatever the way, no byte is used before its SHA-256 is what the lock
// says.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Apt } from "./apt.ts";
import type { ImageArch } from "./arch.ts";
import { type BasePackage, debFileName } from "./base-list.ts";
import { runForOutput, runForText } from "./command-output.ts";
import { ImageError } from "./image-error.ts";
import { readTar, type TarEntry } from "./tar.ts";

export type DebSource = {
  readonly arch: ImageArch;
  /** Where fetched files are kept, and apt's own state. */
  readonly cacheFolder: string;
  /** When not null, files come from here and nothing is fetched. */
  readonly handedFolder: string | null;
};

/** The path of each package's file, checked, in the order of `packages`. */
export function fetchDebs(packages: readonly BasePackage[], source: DebSource): readonly string[] {
  const folder = source.handedFolder ?? join(source.cacheFolder, "debs");
  if (source.handedFolder === null) {
    mkdirSync(folder, { recursive: true });
    fetchMissing(
      packages.filter((deb) => !existsSync(join(folder, debFileName(deb, source.arch)))),
      folder,
      source,
    );
  }
  return packages.map((deb) => {
    const path = join(folder, debFileName(deb, source.arch));
    if (!existsSync(path))
      throw new ImageError(`${debFileName(deb, source.arch)} is not in ${folder}`);
    checkDeb(path, deb);
    return path;
  });
}

function fetchMissing(missing: readonly BasePackage[], folder: string, source: DebSource): void {
  if (missing.length === 0) return;
  const apt = new Apt(join(source.cacheFolder, "apt"), source.arch);
  apt.update();
  const scratch = mkdtempSync(join(folder, ".fetch-"));
  try {
    download(apt, missing, scratch);
    for (const deb of missing) {
      const name = debFileName(deb, source.arch);
      if (!existsSync(join(scratch, name))) throw new ImageError(`apt fetched no ${name}`);
      checkDeb(join(scratch, name), deb);
      renameSync(join(scratch, name), join(folder, name));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function download(apt: Apt, missing: readonly BasePackage[], folder: string): void {
  try {
    apt.download(
      missing.map(({ name, version }) => `${name}=${version}`),
      folder,
    );
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    throw new ImageError(
      "this machine's Debian mirrors do not have all locked packages (any more). Debian's\n" +
        "snapshot archive keeps every version: put the locked files into a folder and name it with\n" +
        `--debs, or refresh the lock, which changes the measurements.\n${error.message}`,
    );
  }
}

function checkDeb(path: string, deb: BasePackage): void {
  const bytes = readFileSync(path);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (bytes.length !== deb.byteCount || sha256 !== deb.sha256) {
    throw new ImageError(`${path} is not the ${deb.name} ${deb.version} of the lock`);
  }
}

/** What a package installs, by path. */
export function readDeb(path: string): ReadonlyMap<string, TarEntry> {
  return readTar(runForOutput("dpkg-deb", ["--fsys-tarfile", path]));
}

/** Unpacks packages over each other, as the file system that a build runs in. */
export function unpackDebs(paths: readonly string[], folder: string): void {
  for (const path of paths) runForText("dpkg-deb", ["-x", path, folder]);
}
