// What an image of this source is made of: the closure's files, the npm packages with their licence
// and hash, Node, Debian's libraries. Every file that the image takes from the repository or from a
// package must be in the image as it is here, or there is no release.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ARCH_NAMES, type ImageArch } from "../image/arch.ts";
import { LOCK_FILE, readBaseLock } from "../image/base-list.ts";
import { ImageError } from "../image/image-error.ts";
import { lockedPackage, readNpmLock } from "../image/npm.ts";
import { imageClosure, imagePackages } from "../image/rootfs.ts";
import { type NamedFile, sha384Hex } from "./digest.ts";
import type { ImageContent } from "./image-content.ts";
import type { BasePackage } from "./record.ts";

export type PackageEntry = {
  readonly name: string;
  readonly version: string;
  /** `sha512-` and base64, as package-lock.json has it. */
  readonly integrity: string;
  /** As its package.json states it; null when it does not. */
  readonly licence: string | null;
};

export type Inventory = {
  readonly version: string;
  readonly licence: string;
  /** What the program loads, and the sources of what is built for it. */
  readonly files: readonly NamedFile[];
  /** SHA-384 of `enclave/closure.txt`. */
  readonly closureList: string;
  readonly packages: readonly PackageEntry[];
  readonly node: Omit<PackageEntry, "licence">;
  /** SHA-384 of the lock file. */
  readonly baseLock: string;
  readonly basePackages: readonly BasePackage[];
};

const OWN_MANIFEST = z.looseObject({ version: z.string(), license: z.string() });
const MANIFEST = z.looseObject({ license: z.string().optional() });

export function readInventory(root: string, image: ImageContent): Inventory {
  const closure = imageClosure(root);
  const own = OWN_MANIFEST.parse(JSON.parse(readFileSync(join(root, "package.json"), "utf8")));
  const loaded = closure.files.map((path) => compareFile(root, path, image.app));
  // The image has the addons as machine code; here their sources count.
  const sources = [
    ...closure.addons.map(({ source }) => source),
    ...closure.headers.map(({ path }) => path),
  ].map((path) => ({ path, content: readFileSync(join(root, path)) }));
  const node = `node-linux-${ARCH_NAMES[image.arch].node}`;
  const packages = imagePackages(root, image.arch, closure).filter(({ name }) => name !== node);
  return {
    version: own.version,
    licence: own.license,
    files: [...loaded, ...sources],
    closureList: sha384Hex(readFileSync(join(root, "enclave/closure.txt"))),
    packages: packages.map(({ name, version, integrity, folder }) => {
      return { name, version, integrity, licence: licenceOf(folder, image) };
    }),
    node: lockedPackage(readNpmLock(root), `node_modules/${node}`),
    baseLock: sha384Hex(readFileSync(join(root, LOCK_FILE))),
    basePackages: basePackages(root, image.arch),
  };
}

function compareFile(root: string, path: string, app: ReadonlyMap<string, Uint8Array>): NamedFile {
  const content = readFileSync(join(root, path));
  const inImage = app.get(path);
  if (inImage === undefined) throw new ImageError(`the image has no ${path}`);
  if (!content.equals(inImage)) throw new ImageError(`the image has another ${path}`);
  return { path, content };
}

function licenceOf(folder: string, image: ImageContent): string | null {
  const manifest = image.app.get(`${folder}/package.json`);
  if (manifest === undefined) return null;
  return MANIFEST.parse(JSON.parse(Buffer.from(manifest).toString("utf8"))).license ?? null;
}

function basePackages(root: string, arch: ImageArch): readonly BasePackage[] {
  const lock = readBaseLock(join(root, LOCK_FILE));
  return lock[ARCH_NAMES[arch].debian].runtime.map(({ name, version, sha256 }) => {
    return { name, version, sha256 };
  });
}
