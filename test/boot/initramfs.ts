// The test's own ramdisk, which lies before the image's in memory: busybox, the kernel's modules,
// the parent and the stand-ins with everything that they import, libraries, and the files that
// were prepared for them. Node is the image's own. It must never put anything under `/rootfs`,
// `/cmd` or `/env`: those are the image's, byte for byte.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { walkClosure } from "../../scripts/closure/walk.ts";
import { NODE_PATH } from "../../scripts/image/command.ts";
import { readElfNeeds } from "../../scripts/image/elf.ts";
import { ROOTFS_FOLDER } from "../../scripts/image/ramdisk.ts";
import type { FileMode, TreeEntry } from "../../scripts/image/tree.ts";
import { BootError, type Kernel } from "./kernel.ts";

/** Where the repository's files lie in the guest, and those that were prepared. */
const TREE_FOLDER = "redoubt";
const LOCAL_FOLDER = "local";

/** Programs of the guest; what they start is named here too, since they name it in strings. */
const ENTRIES: readonly string[] = [
  "test/boot/guest.ts",
  "test/boot/guest/nsm.ts",
  "test/boot/vsock-guest.ts",
  "parent/main.ts",
  "scripts/local/kms-program.ts",
  "scripts/local/end-with-parent.ts",
];

const IMAGE_NODE = `/${ROOTFS_FOLDER}${NODE_PATH}`;

/** Run on the image's files, so that nothing that it imports comes from here. */
const COMPOSITION = "test/boot/enclave.boot.ts";

const LIBRARY_FOLDERS: readonly string[] = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"];
const EMPTY_FOLDERS: readonly string[] = ["dev", "proc", "sys", "run", "tmp"];

export type Wish = {
  readonly root: string;
  readonly kernel: Kernel;
  /** Prepared files, on the host. */
  readonly localFolder: string;
  /** For what is compiled here. */
  readonly buildFolder: string;
};

export function testTree(wish: Wish): readonly TreeEntry[] {
  const closure = closureTree(wish.root);
  const node = file("bin/node", process.execPath, 0o755);
  const programs = [node, ...closure.filter(({ path }) => path.endsWith(".node"))];
  return [
    ...EMPTY_FOLDERS.map((path): TreeEntry => ({ kind: "folder", path })),
    file("init", join(import.meta.dirname, "init.sh"), 0o755),
    file("bin/busybox", staticBusybox(), 0o755),
    file("bin/cuse-nsm", compileDevice(wish.buildFolder), 0o755),
    ...wish.kernel.modules.map(({ name, content }): TreeEntry => {
      return { kind: "file", path: `modules/${name}`, mode: 0o644, content };
    }),
    // The image's: a second copy would be half of the ramdisks.
    { kind: "link", path: node.path, target: IMAGE_NODE },
    ...librariesOf(programs),
    ...closure,
    file(`${TREE_FOLDER}/${COMPOSITION}`, join(wish.root, COMPOSITION)),
    ...folderTree(wish.localFolder, LOCAL_FOLDER),
  ];
}

function file(path: string, source: string, mode: FileMode = 0o644): TreeEntry & { kind: "file" } {
  return { kind: "file", path, mode, content: readFileSync(source) };
}

function staticBusybox(): string {
  const path = "/bin/busybox";
  if (readElfNeeds(readFileSync(path)).interpreter !== null) {
    throw new BootError("install busybox-static: this busybox needs libraries");
  }
  return path;
}

function compileDevice(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const program = join(folder, "cuse-nsm");
  const source = join(import.meta.dirname, "cuse-nsm.c");
  execFileSync("gcc", ["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source]);
  return program;
}

/** What the programs import, machine code and the descriptions of their packages included. */
function closureTree(root: string): readonly (TreeEntry & { kind: "file" })[] {
  const closure = walkClosure(root, ENTRIES);
  if (closure.faults.length > 0) throw new BootError(closure.faults.join("\n"));
  const paths = new Set([...closure.files, ...closure.addons.map(({ path }) => path)]);
  for (const { name } of closure.natives) {
    const folder = join("node_modules", name);
    if (!existsSync(join(root, folder))) continue;
    for (const each of readdirSync(join(root, folder))) paths.add(join(folder, each));
  }
  const descriptions = new Set<string>();
  for (const path of paths) {
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      const description = join(folder, "package.json");
      if (existsSync(join(root, description))) descriptions.add(description);
      if (folder === ".") break;
    }
  }
  for (const description of descriptions) paths.add(description);
  return [...paths].map((path) => file(`${TREE_FOLDER}/${path}`, join(root, path)));
}

/** Libraries by the names in the programs' headers, and the loader at the path that they state. */
function librariesOf(programs: readonly (TreeEntry & { kind: "file" })[]): readonly TreeEntry[] {
  const found = new Map<string, TreeEntry & { kind: "file" }>();
  const pending = [...programs];
  for (;;) {
    const next = pending.pop();
    if (next === undefined) break;
    const { interpreter, libraries } = readElfNeeds(next.content);
    const paths = libraries.map((name) => libraryPath(name));
    if (interpreter !== null) paths.push(interpreter);
    for (const path of paths) {
      const target = path.slice(1);
      if (found.has(target)) continue;
      const entry = file(target, realpathSync(path), 0o755);
      found.set(target, entry);
      pending.push(entry);
    }
  }
  return [...found.values()];
}

function libraryPath(name: string): string {
  const folder = LIBRARY_FOLDERS.find((each) => existsSync(join(each, name)));
  if (folder === undefined) throw new BootError(`no library ${name} on this machine`);
  return join(folder, basename(name));
}

/** Whatever modes they have: root is alone in the guest. */
function folderTree(source: string, target: string): readonly TreeEntry[] {
  return readdirSync(source, { recursive: true, encoding: "utf8" }).map((name): TreeEntry => {
    const path = join(source, name);
    const inGuest = `${target}/${name}`;
    return statSync(path).isDirectory() ? { kind: "folder", path: inGuest } : file(inGuest, path);
  });
}
