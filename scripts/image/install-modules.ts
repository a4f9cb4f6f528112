// Unpacks handed npm tarballs into node_modules, each after its SHA-512 was compared with
// package-lock.json: `node scripts/image/install-modules.ts FOLDER`. For builds without network
// and without npm (Dockerfile.enclave); it runs nothing of what it unpacks.

import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ImageError } from "./image-error.ts";
import { type NpmPackage, readNpmLock, readTarball, tarballFileName } from "./npm.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Every locked package whose tarball is in the folder; the count. */
export function installModules(root: string, tarballFolder: string): number {
  const found = [...readNpmLock(root).values()].filter((locked) =>
    existsSync(join(tarballFolder, tarballFileName(locked))),
  );
  for (const locked of found) unpack(root, locked, tarballFolder);
  return found.length;
}

function unpack(root: string, locked: NpmPackage, tarballFolder: string): void {
  const source = { cacheFolder: "", handedFolder: tarballFolder };
  for (const [name, entry] of readTarball(locked, source)) {
    if (entry.kind !== "file") throw new ImageError(`a link in ${locked.name}: ${name}`);
    const path = join(root, locked.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, entry.content);
    if (entry.isExecutable) chmodSync(path, 0o755);
  }
}

function main(folder: string | undefined): number {
  if (folder === undefined) {
    process.stderr.write("usage: install-modules.ts FOLDER\n");
    return 2;
  }
  try {
    process.stdout.write(`installed packages: ${installModules(ROOT, folder)}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    process.stderr.write(`install-modules: ${error.message}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = main(process.argv[2]);
