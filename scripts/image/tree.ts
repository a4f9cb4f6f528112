// A file tree as data: what is in the image, before it is a cpio archive or a folder. Owner, times,
// inodes and all but two modes are left out on purpose: nothing that depends on the machine that
// builds can get in. Paths are relative to the root of the tree.

import {
  chmodSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ImageError } from "./image-error.ts";

export type FileMode = 0o644 | 0o755;

export type TreeEntry =
  | { readonly kind: "folder"; readonly path: string }
  | {
      readonly kind: "file";
      readonly path: string;
      readonly mode: FileMode;
      readonly content: Uint8Array;
    }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

const PRINTABLE = /^[!-~]+$/;
const PATH_LENGTH_MAX = 1024;

export function isTreePath(path: string): boolean {
  const isPlain = path.length <= PATH_LENGTH_MAX && PRINTABLE.test(path);
  return isPlain && path.split("/").every((name) => name !== "" && name !== "." && name !== "..");
}

/** In the order of the paths' bytes, each once, with the folders that lead to them. */
export function completeTree(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  const tree = new Map<string, TreeEntry>();
  for (const entry of entries) {
    if (!isTreePath(entry.path)) throw new ImageError(`not a path of a tree: ${entry.path}`);
    const other = tree.get(entry.path);
    if (other !== undefined && !(other.kind === "folder" && entry.kind === "folder")) {
      throw new ImageError(`twice in the tree: ${entry.path}`);
    }
    tree.set(entry.path, entry);
  }
  for (const { path } of entries) {
    for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) {
      const folder = path.slice(0, at);
      const parent = tree.get(folder);
      if (parent === undefined) tree.set(folder, { kind: "folder", path: folder });
      else if (parent.kind !== "folder") throw new ImageError(`not a folder: ${folder}`);
    }
  }
  // Paths are ASCII, so that the order of code units is that of bytes.
  return [...tree.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The same tree one folder down, as `/rootfs` of the second ramdisk. */
export function nestTree(entries: readonly TreeEntry[], folder: string): readonly TreeEntry[] {
  return entries.map((entry) => ({ ...entry, path: `${folder}/${entry.path}` }));
}

/** Writes the tree into a folder that must be empty; every time in it is zero. */
export function writeTree(folder: string, entries: readonly TreeEntry[]): void {
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length > 0) throw new ImageError(`not empty: ${folder}`);
  const complete = completeTree(entries);
  for (const entry of complete) {
    const path = join(folder, entry.path);
    if (entry.kind === "folder") mkdirSync(path);
    else if (entry.kind === "link") symlinkSync(entry.target, path);
    else writeFileSync(path, entry.content, { flag: "wx" });
    // After the fact: the umask is the builder's own.
    if (entry.kind !== "link") chmodSync(path, entry.kind === "file" ? entry.mode : 0o755);
  }
  for (const { path } of complete.toReversed()) lutimesSync(join(folder, path), 0, 0);
  chmodSync(folder, 0o755);
  lutimesSync(folder, 0, 0);
}

/** What lies in a folder; anything but folders, links and files of the two modes is refused. */
export function readTree(folder: string): readonly TreeEntry[] {
  return completeTree(listPaths(folder).map((path) => readEntry(folder, path)));
}

/** Every path below a folder, sorted. Node's own recursive listing would follow links. */
export function listPaths(folder: string, below = ""): readonly string[] {
  const entries = readdirSync(join(folder, below), { withFileTypes: true });
  const paths = entries.flatMap((entry) => {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    return entry.isDirectory() ? [path, ...listPaths(folder, path)] : [path];
  });
  return paths.sort();
}

function readEntry(folder: string, path: string): TreeEntry {
  const full = join(folder, path);
  const status = lstatSync(full);
  const mode = status.mode & 0o7777;
  if (status.isSymbolicLink()) return { kind: "link", path, target: readlinkSync(full) };
  if (status.isDirectory() && mode === 0o755) return { kind: "folder", path };
  if (status.isFile() && (mode === 0o644 || mode === 0o755)) {
    return { kind: "file", path, mode, content: readFileSync(full) };
  }
  throw new ImageError(`neither a plain file, folder nor link: ${path} (${mode.toString(8)})`);
}
