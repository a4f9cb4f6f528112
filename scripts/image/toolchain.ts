// Builds our addons for the image: in a fresh file system that holds nothing but the locked
// Debian compiler, the sources and Node's headers, at fixed paths, without network. The same
// inputs give the same bytes wherever it runs. It runs the compiler, and so needs a machine of the
// image's architecture.

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Closure } from "../closure/walk.ts";
import { compileArguments } from "../native/compile.ts";
import { ARCH_NAMES, hostArch } from "./arch.ts";
import { fetchDebs, unpackDebs } from "./base.ts";
import { runForText } from "./command-output.ts";
import { ImageError } from "./image-error.ts";
import { type ImageInputs, nodePackage } from "./inputs.ts";
import { fetchTarballs, lockedPackage, readNpmLock, readTarball } from "./npm.ts";

/** What to build: the path that the closure names, and the source that it is built from. */
type AddonSource = { readonly path: string; readonly source: string };

/** Addons, and the headers that they include. */
export type AddonSources = Pick<Closure, "addons" | "headers">;

const SOURCES = "build/source";
const HEADERS = "build/include";
const OUTPUT = "build/output";

const ENVIRONMENT = {
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C",
  TMPDIR: "/tmp",
  SOURCE_DATE_EPOCH: "0",
};

/** Each addon's bytes by its path: `build/vsock.node`. */
export function buildAddons(
  { addons, headers }: AddonSources,
  options: ImageInputs,
): ReadonlyMap<string, Uint8Array> {
  const { root, arch } = options;
  if (arch !== hostArch()) {
    throw new ImageError(`the addons of an ${arch} image are built on an ${arch} machine`);
  }
  mkdirSync(resolve(options.debs.cacheFolder), { recursive: true });
  const chroot = mkdtempSync(join(resolve(options.debs.cacheFolder), "toolchain-"));
  try {
    furnish(chroot, options);
    // One by one: a header that the closure list does not show must not be found.
    const own = [...addons.map(({ source }) => source), ...headers.map(({ path }) => path)];
    for (const path of own) {
      mkdirSync(dirname(join(chroot, SOURCES, path)), { recursive: true });
      copyFileSync(join(root, path), join(chroot, SOURCES, path));
    }
    return new Map(addons.map((addon) => [addon.path, compile(chroot, addon)]));
  } finally {
    rmSync(chroot, { recursive: true, force: true });
  }
}

function furnish(chroot: string, options: ImageInputs): void {
  const { root, arch, tarballs } = options;
  const { runtime, toolchain } = options.lock[ARCH_NAMES[arch].debian];
  unpackDebs(fetchDebs([...runtime, ...toolchain], options.debs), chroot);
  for (const folder of [SOURCES, HEADERS, OUTPUT, "tmp"]) {
    mkdirSync(join(chroot, folder), { recursive: true });
  }
  const node = lockedPackage(readNpmLock(root), `node_modules/${nodePackage(arch)}`);
  fetchTarballs([node], tarballs);
  const prefix = "include/node/";
  for (const [name, entry] of readTarball(node, tarballs)) {
    if (entry.kind !== "file" || !name.startsWith(prefix)) continue;
    const path = join(chroot, HEADERS, name.slice(prefix.length));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, entry.content);
  }
}

function compile(chroot: string, { path, source }: AddonSource): Uint8Array {
  const output = `${OUTPUT}/${path.slice(path.lastIndexOf("/") + 1)}`;
  const args = compileArguments({
    headers: `/${HEADERS}`,
    source: `/${SOURCES}/${source}`,
    output: `/${output}`,
  });
  const [program, ...before] = enter(chroot);
  // Nothing of the caller's environment: compilers take search paths from there.
  runForText(program ?? "", [...before, "/usr/bin/gcc-12", ...args], { environment: ENVIRONMENT });
  return readFileSync(join(chroot, output));
}

/** How to run a program in the folder: without network where this machine allows it. */
function enter(chroot: string): readonly string[] {
  if (process.getuid?.() !== 0) return ["unshare", "--map-root-user", "--net", `--root=${chroot}`];
  return canUnshare() ? ["unshare", "--net", `--root=${chroot}`] : ["chroot", chroot];
}

/** A container's root may not. */
function canUnshare(): boolean {
  try {
    runForText("unshare", ["--net", "true"]);
    return true;
  } catch (error) {
    if (error instanceof ImageError) return false;
    throw error;
  }
}
