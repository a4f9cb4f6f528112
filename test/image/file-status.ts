// A root file system as somebody else wrote it, entry by entry, with what `TreeEntry` leaves out on
// purpose: owner, every mode bit, times.

import { createHash } from "node:crypto";
import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { listPaths, type TreeEntry } from "../../scripts/image/tree.ts";

export type FileStatus = {
  readonly path: string;
  readonly kind: "folder" | "file" | "link" | "other";
  /** All twelve bits, octal. */
  readonly mode: string;
  readonly owner: string;
  /** Of a file its SHA-256, of a link its target. */
  readonly content: string;
  readonly modifiedSeconds: number;
};

export function listFiles(folder: string): readonly FileStatus[] {
  return listPaths(folder).map((path) => statusOf(folder, path));
}

function statusOf(folder: string, path: string): FileStatus {
  const full = join(folder, path);
  const status = lstatSync(full);
  const kind = kindOf(status);
  return {
    path,
    kind,
    mode: (status.mode & 0o7777).toString(8),
    owner: `${status.uid}:${status.gid}`,
    content:
      kind === "file" ? digestOf(readFileSync(full)) : kind === "link" ? readlinkSync(full) : "",
    modifiedSeconds: Math.floor(status.mtimeMs / 1000),
  };
}

function kindOf(status: ReturnType<typeof lstatSync>): FileStatus["kind"] {
  if (status?.isDirectory() === true) return "folder";
  if (status?.isFile() === true) return "file";
  return status?.isSymbolicLink() === true ? "link" : "other";
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What our own tree becomes when a ramdisk is unpacked. */
export function expectedFiles(tree: readonly TreeEntry[]): readonly FileStatus[] {
  return tree.map((entry) => {
    const common = { path: entry.path, kind: entry.kind, owner: "0:0", modifiedSeconds: 0 };
    if (entry.kind === "folder") return { ...common, mode: "755", content: "" };
    if (entry.kind === "link") return { ...common, mode: "777", content: entry.target };
    return { ...common, mode: entry.mode.toString(8), content: digestOf(entry.content) };
  });
}
