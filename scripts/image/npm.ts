// npm packages as their authors published them: the tarball whose SHA-512 is in package-lock.json,
// from a folder that was handed in, from the cache, or from the registry that npm is set up for.
// What lies in node_modules is not believed: it may have been changed since it was installed. Only
// Node's own modules are imported: in a build without network this is what installs the others.

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { runForText } from "./command-output.ts";
import { ImageError } from "./image-error.ts";
import { readTar, type TarEntry } from "./tar.ts";

const VERSION = /^[0-9A-Za-z.+-]{1,64}$/;
const INTEGRITY = /^sha512-[A-Za-z0-9+/]{86}==$/;

const UNPACKED_BYTES_MAX = 512 * 1024 * 1024;
const MODULES = "node_modules/";

export type NpmPackage = {
  /** Relative to the root: `node_modules/@noble/hashes`. */
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
};

export type TarballSource = {
  readonly cacheFolder: string;
  /** When not null, files come from here and nothing is fetched. */
  readonly handedFolder: string | null;
};

/** What package-lock.json says, by folder. What it does not fix by a hash is left out. */
export function readNpmLock(root: string): ReadonlyMap<string, NpmPackage> {
  const lock: unknown = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const packages = new Map<string, NpmPackage>();
  if (fieldOf(lock, "lockfileVersion") !== 3) throw new ImageError("a package-lock.json of old");
  for (const [folder, locked] of membersOf(fieldOf(lock, "packages"))) {
    const version = fieldOf(locked, "version");
    const integrity = fieldOf(locked, "integrity");
    if (!folder.startsWith(MODULES) || fieldOf(locked, "link") === true) continue;
    if (typeof version !== "string" || !VERSION.test(version)) continue;
    if (typeof integrity !== "string" || !INTEGRITY.test(integrity)) continue;
    const name = folder.slice(folder.lastIndexOf(MODULES) + MODULES.length);
    packages.set(folder, { folder, name, version, integrity });
  }
  return packages;
}

function membersOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** The locked package in a folder. */
export function lockedPackage(lock: ReadonlyMap<string, NpmPackage>, folder: string): NpmPackage {
  const found = lock.get(folder);
  if (found === undefined) throw new ImageError(`package-lock.json has no ${folder}`);
  return found;
}

export function tarballFileName({ name, version }: NpmPackage): string {
  return `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
}

/** Fetches what is not there yet, all at once; reading checks it. */
export function fetchTarballs(packages: readonly NpmPackage[], source: TarballSource): void {
  if (source.handedFolder !== null) return;
  const folder = resolve(source.cacheFolder, "npm");
  mkdirSync(folder, { recursive: true });
  const missing = packages.filter((locked) => !existsSync(join(folder, tarballFileName(locked))));
  if (missing.length === 0) return;
  const scratch = mkdtempSync(join(folder, ".fetch-"));
  try {
    const names = missing.map(({ name, version }) => `${name}@${version}`);
    runForText("npm", ["pack", "--ignore-scripts", "--silent", ...new Set(names)], {
      cwd: scratch,
    });
    for (const name of readdirSync(scratch)) renameSync(join(scratch, name), join(folder, name));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The content of a locked package by path (without the tarball's own first folder). */
export function readTarball(
  locked: NpmPackage,
  source: TarballSource,
): ReadonlyMap<string, TarEntry> {
  const folder = source.handedFolder ?? join(source.cacheFolder, "npm");
  const path = join(folder, tarballFileName(locked));
  if (!existsSync(path)) throw new ImageError(`${tarballFileName(locked)} is not in ${folder}`);
  const bytes = readFileSync(path);
  const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  if (integrity !== locked.integrity) {
    throw new ImageError(
      `${path} is not the ${locked.name} ${locked.version} of package-lock.json`,
    );
  }
  const tar = readTar(gunzipSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX }));
  return new Map([...tar].map(([name, entry]) => [name.slice(name.indexOf("/") + 1), entry]));
}
