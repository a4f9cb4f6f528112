// The image's root file system as a tree: the program's closure, Node, our addons, the libraries
// that these load, and empty mount points. Nothing is copied because it lies there: every file is
// in the tree because something that runs needs it. No shell, no other program, no configuration.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { APP_FOLDER } from "../../enclave/platform/node-flags.ts";
import { closureFaults } from "../closure/enclave.ts";
import { type Closure, walkClosure } from "../closure/walk.ts";
import { ARCH_NAMES, type ImageArch } from "./arch.ts";
import { fetchDebs, readDeb } from "./base.ts";
import { NODE_PATH } from "./command.ts";
import { ImageError } from "./image-error.ts";
import { type ImageInputs, nodePackage } from "./inputs.ts";
import { collectLibraries } from "./libraries.ts";
import { fetchTarballs, lockedPackage, type NpmPackage, readNpmLock, readTarball } from "./npm.ts";
import type { TarEntry } from "./tar.ts";
import { completeTree, type TreeEntry } from "./tree.ts";

/** The one program of the image. */
const ENTRY = "enclave/main.nitro.ts";

/** The kernel's file systems are mounted over these by AWS's init. */
export const MOUNT_POINTS: readonly string[] = ["dev", "proc", "run", "sys", "tmp", "var"];

export type RootfsOptions = ImageInputs & {
  /** Our addons, built, by path in the repository: `build/vsock.node`. */
  readonly addons: ReadonlyMap<string, Uint8Array>;
};

const APP = APP_FOLDER.slice(1);
const NATIVE_MANIFEST = z.looseObject({ main: z.string() });

/** What the image's program loads. What nobody can follow, or is not the enclave's, is an error. */
export function imageClosure(root: string): Closure {
  const closure = walkClosure(root, [ENTRY]);
  const faults = closureFaults(root, closure);
  if (faults.length > 0) {
    throw new ImageError(`the closure is not what it must be:\n${faults.join("\n")}`);
  }
  return closure;
}

/** The npm packages that the image takes files from. */
export function imagePackages(
  root: string,
  arch: ImageArch,
  closure: Closure,
): readonly NpmPackage[] {
  const lock = readNpmLock(root);
  const folders = new Set(closure.files.map(packageFolder).filter((folder) => folder !== null));
  const wanted = [
    nodePackage(arch),
    ...closure.natives.flatMap(({ name }) => nativeFor(name, arch)),
  ];
  return [...folders, ...wanted.map((name) => `node_modules/${name}`)]
    .sort()
    .map((folder) => lockedPackage(lock, folder));
}

/** Packages with machine code are named after what they run on (napi-rs). */
function nativeFor(name: string, arch: ImageArch): readonly string[] {
  return name.endsWith(`-linux-${ARCH_NAMES[arch].node}-gnu`) ? [name] : [];
}

function packageFolder(path: string): string | null {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? null;
}

export function buildRootfs(options: RootfsOptions): readonly TreeEntry[] {
  const { root, arch, tarballs } = options;
  const closure = imageClosure(root);
  const packages = imagePackages(root, arch, closure);
  fetchTarballs(packages, tarballs);
  const entries: TreeEntry[] = [
    ...MOUNT_POINTS.map((path): TreeEntry => ({ kind: "folder", path })),
    { kind: "file", path: `${APP}/package.json`, mode: 0o644, content: PACKAGE_JSON },
    ...ownFiles(root, closure),
    ...addonFiles(closure, options.addons),
  ];
  for (const locked of packages) {
    const content = readTarball(locked, tarballs);
    const { name, folder } = locked;
    if (name === nodePackage(arch))
      entries.push(fileOf(content, "bin/node", NODE_PATH.slice(1), 0o755));
    else if (closure.natives.some((native) => native.name === name)) {
      entries.push(...nativeFiles(folder, content));
    } else entries.push(...packageFiles(root, folder, content, closure));
  }
  return completeTree([...entries, ...libraryFiles(entries, options)]);
}

/** What Node needs to know of our package: that `.ts` files are modules. */
const PACKAGE_JSON = Buffer.from('{"type":"module"}\n');

function ownFiles(root: string, closure: Closure): readonly TreeEntry[] {
  return closure.own.map(({ path }) => ({
    kind: "file",
    path: `${APP}/${path}`,
    mode: 0o644,
    content: readFileSync(join(root, path)),
  }));
}

function addonFiles(
  closure: Closure,
  addons: ReadonlyMap<string, Uint8Array>,
): readonly TreeEntry[] {
  return closure.addons.map(({ path }) => {
    const content = addons.get(path);
    if (content === undefined) throw new ImageError(`not built: ${path}`);
    return { kind: "file", path: `${APP}/${path}`, mode: 0o644, content };
  });
}

/** The closure's files of a package, and the package.json files that Node's resolution reads. */
function packageFiles(
  root: string,
  folder: string,
  content: ReadonlyMap<string, TarEntry>,
  closure: Closure,
): readonly TreeEntry[] {
  const used = closure.files.filter((path) => packageFolder(path) === folder);
  const names = new Set<string>(["package.json"]);
  for (const path of used) {
    const name = path.slice(folder.length + 1);
    names.add(name);
    // Whether a file is a module is told by the nearest package.json above it.
    for (let at = name.indexOf("/"); at !== -1; at = name.indexOf("/", at + 1)) {
      const manifest = `${name.slice(0, at)}/package.json`;
      if (content.has(manifest)) names.add(manifest);
    }
  }
  return [...names].map((name) => {
    const file = fileOf(content, name, `${APP}/${folder}/${name}`, 0o644);
    // The closure was walked on what is installed: it must be what was published.
    if (!readFileSync(join(root, folder, name)).equals(file.content)) {
      throw new ImageError(`changed since it was installed: ${folder}/${name}`);
    }
    return file;
  });
}

/** The machine code for the image's architecture, whatever this machine has installed. */
function nativeFiles(folder: string, content: ReadonlyMap<string, TarEntry>): readonly TreeEntry[] {
  const manifest = fileOf(content, "package.json", `${APP}/${folder}/package.json`, 0o644);
  const text = Buffer.from(manifest.content).toString("utf8");
  const { main } = NATIVE_MANIFEST.parse(JSON.parse(text));
  return [manifest, fileOf(content, main, `${APP}/${folder}/${main}`, 0o644)];
}

function fileOf(
  content: ReadonlyMap<string, TarEntry>,
  name: string,
  path: string,
  mode: 0o644 | 0o755,
): TreeEntry & { readonly kind: "file" } {
  const entry = content.get(name);
  if (entry?.kind !== "file") throw new ImageError(`no such file in its package: ${path}`);
  return { kind: "file", path, mode, content: entry.content };
}

function libraryFiles(entries: readonly TreeEntry[], options: RootfsOptions): readonly TreeEntry[] {
  const names = ARCH_NAMES[options.arch];
  const programs = new Map<string, Uint8Array>();
  for (const entry of entries) {
    const isProgram = entry.path === NODE_PATH.slice(1) || entry.path.endsWith(".node");
    if (entry.kind === "file" && isProgram) programs.set(entry.path, entry.content);
  }
  const debs = fetchDebs(options.lock[names.debian].runtime, options.debs);
  const files = new Map(debs.flatMap((path) => [...readDeb(path)]));
  return collectLibraries(programs, files, names);
}
