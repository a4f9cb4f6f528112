// What an image is built from beside the repository itself: locked Debian packages and locked npm
// tarballs, fetched when they are missing or handed in as folders.

import { join } from "node:path";
import { ARCH_NAMES, type ImageArch } from "./arch.ts";
import type { DebSource } from "./base.ts";
import { type BaseLock, LOCK_FILE, readBaseLock } from "./base-list.ts";
import type { TarballSource } from "./npm.ts";

export type ImageInputs = {
  /** Of the repository. */
  readonly root: string;
  readonly arch: ImageArch;
  readonly lock: BaseLock;
  readonly debs: DebSource;
  readonly tarballs: TarballSource;
};

export type HandedFolders = { readonly debs: string | null; readonly npm: string | null };

/** The inputs as the repository's own lock files fix them. */
export function openInputs(
  root: string,
  arch: ImageArch,
  handed: HandedFolders = { debs: null, npm: null },
): ImageInputs {
  const cacheFolder = join(root, ".redoubt/image");
  return {
    root,
    arch,
    lock: readBaseLock(join(root, LOCK_FILE)),
    debs: { arch, cacheFolder, handedFolder: handed.debs },
    tarballs: { cacheFolder, handedFolder: handed.npm },
  };
}

/** The npm package that is the pinned Node. */
export function nodePackage(arch: ImageArch): string {
  return `node-linux-${ARCH_NAMES[arch].node}`;
}
