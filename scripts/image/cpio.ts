// The cpio archive ("newc") that the kernel unpacks as its first file system, uncompressed. One
// tree has one archive: sorted by path, owner 0, time 0, inodes counted from 1 in that order.
// Whatever the builder's machine could put in is a constant here (Linux:
// Documentation/driver-api/early-userspace/buffer-format.rst).

import { err, ok, type Result } from "../../shared/result.ts";
import { ImageError } from "./image-error.ts";
import { completeTree, isTreePath, type TreeEntry } from "./tree.ts";

/** More than an enclave's memory is worth; also keeps every size in the format's 32 bits. */
const CPIO_BYTES_MAX = 1024 * 1024 * 1024;

const MAGIC = "070701";
const FIELD_COUNT = 13;
const HEADER_BYTES = MAGIC.length + FIELD_COUNT * 8;
const TRAILER = "TRAILER!!!";
/** Archives follow each other in memory; a whole block keeps the next one aligned. */
const BLOCK_BYTES = 512;

const FOLDER_BITS = 0o040000;
const FILE_BITS = 0o100000;
const LINK_BITS = 0o120000;

export type CpioRefusal =
  | "CPIO_OVERSIZE"
  | "CPIO_TRUNCATED"
  | "CPIO_HEADER"
  | "CPIO_PATH"
  | "CPIO_MODE"
  | "CPIO_NOT_CANONICAL";

type Record = {
  readonly inode: number;
  readonly mode: number;
  readonly linkCount: number;
  readonly path: string;
  readonly content: Uint8Array;
};

export function encodeCpio(entries: readonly TreeEntry[]): Uint8Array {
  const records = completeTree(entries).map((entry, index) => recordOf(entry, index + 1));
  const trailer = { inode: 0, mode: 0, linkCount: 1, path: TRAILER, content: new Uint8Array() };
  const all: readonly Record[] = [...records, trailer];
  const size = alignUp(
    all.reduce((sum, record) => sum + recordBytes(record), 0),
    BLOCK_BYTES,
  );
  if (size > CPIO_BYTES_MAX) throw new ImageError(`the archive would take ${size} bytes`);
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const record of all) {
    bytes.set(Buffer.from(headerOf(record) + record.path, "latin1"), offset);
    bytes.set(record.content, offset + contentOffset(record.path));
    offset += recordBytes(record);
  }
  return bytes;
}

function recordOf(entry: TreeEntry, inode: number): Record {
  const { path } = entry;
  if (entry.kind === "folder") {
    return { inode, mode: FOLDER_BITS | 0o755, linkCount: 2, path, content: new Uint8Array() };
  }
  if (entry.kind === "link") {
    const content = Buffer.from(entry.target, "latin1");
    return { inode, mode: LINK_BITS | 0o777, linkCount: 1, path, content };
  }
  return { inode, mode: FILE_BITS | entry.mode, linkCount: 1, path, content: entry.content };
}

function headerOf({ inode, mode, linkCount, path, content }: Record): string {
  const nameBytes = path.length + 1;
  // Owner, group, time; then two devices, major and minor, around nothing; the checksum is unused.
  const fields = [inode, mode, 0, 0, linkCount, 0, content.length, 0, 0, 0, 0, nameBytes, 0];
  return MAGIC + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
}

function contentOffset(path: string): number {
  return alignUp(HEADER_BYTES + path.length + 1, 4);
}

function recordBytes({ path, content }: Record): number {
  return contentOffset(path) + alignUp(content.length, 4);
}

function alignUp(size: number, unit: number): number {
  return Math.ceil(size / unit) * unit;
}

/** Reads only what `encodeCpio` writes: the tree is encoded again and must give the same bytes. */
export function parseCpio(bytes: Uint8Array): Result<readonly TreeEntry[], CpioRefusal> {
  if (bytes.length > CPIO_BYTES_MAX) return err("CPIO_OVERSIZE");
  const entries: TreeEntry[] = [];
  for (let offset = 0; ; ) {
    const read = readRecord(bytes, offset);
    if (!read.ok) return read;
    const { entry, end } = read.value;
    if (entry === null) break;
    entries.push(entry);
    offset = end;
  }
  return isCanonical(entries, bytes) ? ok(entries) : err("CPIO_NOT_CANONICAL");
}

/** False, too, for what is no tree: a path twice, a file in a file. */
function isCanonical(entries: readonly TreeEntry[], bytes: Uint8Array): boolean {
  try {
    return Buffer.from(encodeCpio(entries)).equals(bytes);
  } catch (error) {
    if (error instanceof ImageError) return false;
    throw error;
  }
}

/** The record at an offset; a null entry is the trailer. */
function readRecord(
  bytes: Uint8Array,
  offset: number,
): Result<{ readonly entry: TreeEntry | null; readonly end: number }, CpioRefusal> {
  if (offset + HEADER_BYTES > bytes.length) return err("CPIO_TRUNCATED");
  const header = Buffer.from(bytes.subarray(offset, offset + HEADER_BYTES)).toString("latin1");
  if (!/^070701[0-9a-f]{104}$/.test(header)) return err("CPIO_HEADER");
  const field = (index: number): number => {
    const start = MAGIC.length + index * 8;
    return Number.parseInt(header.slice(start, start + 8), 16);
  };
  const pathBytes = field(11);
  const contentBytes = field(6);
  const pathEnd = offset + HEADER_BYTES + pathBytes;
  if (pathBytes < 2 || pathEnd > bytes.length) return err("CPIO_TRUNCATED");
  const path = Buffer.from(bytes.subarray(offset + HEADER_BYTES, pathEnd - 1)).toString("latin1");
  if (path === TRAILER) return ok({ entry: null, end: pathEnd });
  if (!isTreePath(path)) return err("CPIO_PATH");
  const start = offset + contentOffset(path);
  if (start + contentBytes > bytes.length) return err("CPIO_TRUNCATED");
  const entry = entryOf(field(1), path, bytes.subarray(start, start + contentBytes));
  if (entry === null) return err("CPIO_MODE");
  return ok({ entry, end: start + alignUp(contentBytes, 4) });
}

function entryOf(mode: number, path: string, content: Uint8Array): TreeEntry | null {
  if (mode === (FOLDER_BITS | 0o755)) return { kind: "folder", path };
  if (mode === (FILE_BITS | 0o644)) return { kind: "file", path, mode: 0o644, content };
  if (mode === (FILE_BITS | 0o755)) return { kind: "file", path, mode: 0o755, content };
  if (mode !== (LINK_BITS | 0o777)) return null;
  return { kind: "link", path, target: Buffer.from(content).toString("latin1") };
}
