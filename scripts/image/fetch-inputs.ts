// Fetches all that an image is built from into one folder, so that the build itself needs no
// network: `node scripts/run.mjs scripts/image/fetch-inputs.ts [--arch ARCH] [FOLDER]`. The folder
// gets `debs` and `npm`; Dockerfile.enclave takes it from its default place.

import { cpSync, mkdirSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ARCH_NAMES, hostArch, IMAGE_ARCHES, type ImageArch } from "./arch.ts";
import { fetchDebs } from "./base.ts";
import { ImageError } from "./image-error.ts";
import { type ImageInputs, openInputs } from "./inputs.ts";
import { fetchTarballs, lockedPackage, readNpmLock, readTarball, tarballFileName } from "./npm.ts";
import { imageClosure, imagePackages } from "./rootfs.ts";

const ROOT = resolve(import.meta.dirname, "../..");
export const INPUTS_FOLDER = ".redoubt/image/inputs";

/** Not in the image, but imported by the scripts that build it. */
const BUILD_PACKAGES: readonly string[] = ["node_modules/zod"];

const USAGE = "usage: fetch-inputs.ts [--arch x86_64|aarch64] [FOLDER]\n";

/** What lies in the folder already is replaced. */
export function fetchInputs(inputs: ImageInputs, folder: string): void {
  const { root, arch, lock, tarballs } = inputs;
  rmSync(folder, { recursive: true, force: true });
  const { runtime, toolchain } = lock[ARCH_NAMES[arch].debian];
  const debs = fetchDebs([...runtime, ...toolchain], inputs.debs);
  copyInto(join(folder, "debs"), debs);
  const npmLock = readNpmLock(root);
  const packages = [
    ...imagePackages(root, arch, imageClosure(root)),
    ...BUILD_PACKAGES.map((name) => lockedPackage(npmLock, name)),
  ];
  fetchTarballs(packages, tarballs);
  for (const locked of packages) readTarball(locked, tarballs);
  const tarballFolder = tarballs.handedFolder ?? join(tarballs.cacheFolder, "npm");
  copyInto(
    join(folder, "npm"),
    packages.map((locked) => join(tarballFolder, tarballFileName(locked))),
  );
}

function copyInto(folder: string, paths: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  for (const path of paths) cpSync(path, join(folder, basename(path)));
}

type Options = { readonly arch: ImageArch | null; readonly folder: string };

function readOptions(args: readonly string[]): Options | null {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: true,
      options: { arch: { type: "string" } },
    });
    const arch = IMAGE_ARCHES.find((name) => name === values.arch) ?? null;
    const isKnown = values.arch === undefined || arch !== null;
    if (positionals.length > 1 || !isKnown) return null;
    const folder = resolve(positionals[0] ?? join(ROOT, INPUTS_FOLDER));
    return { arch: arch ?? hostArch(), folder };
  } catch {
    return null;
  }
}

function main(args: readonly string[]): number {
  const options = readOptions(args);
  if (options === null || options.arch === null) {
    process.stderr.write(USAGE);
    return 2;
  }
  try {
    fetchInputs(openInputs(ROOT, options.arch), options.folder);
    process.stdout.write(`inputs of an ${options.arch} image: ${options.folder}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    process.stderr.write(`fetch-inputs: ${error.message}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
