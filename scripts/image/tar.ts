// Reads tar archives of known content: npm packages and Debian's data archives, each checked
// against its locked hash before. In memory, so that nothing on a disk can come between the check
// and the use. Long names are understood in both forms, GNU and pax; what else is odd is refused.

import { ImageError } from "./image-error.ts";

export type TarEntry =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly isExecutable: boolean;
      readonly content: Uint8Array;
    }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

const BLOCK_BYTES = 512;
const PATH_LENGTH_MAX = 4096;

type Header = {
  readonly type: string;
  readonly path: string;
  readonly target: string;
  readonly mode: number;
  readonly size: number;
};

/** Files and links by path, without a leading `./`. A hard link is the file that it names. */
export function readTar(bytes: Uint8Array): ReadonlyMap<string, TarEntry> {
  const entries = new Map<string, TarEntry>();
  let longPath: string | null = null;
  let longTarget: string | null = null;
  for (let offset = 0; ; ) {
    const block = bytes.subarray(offset, offset + BLOCK_BYTES);
    if (block.length < BLOCK_BYTES) throw new ImageError("a tar archive without its end");
    if (block.every((byte) => byte === 0)) return entries;
    const header = readHeader(block);
    const start = offset + BLOCK_BYTES;
    const content = bytes.subarray(start, start + header.size);
    if (content.length < header.size) throw new ImageError("a tar archive that ends early");
    offset = start + Math.ceil(header.size / BLOCK_BYTES) * BLOCK_BYTES;
    if (header.type === "L") longPath = textOf(content);
    else if (header.type === "K") longTarget = textOf(content);
    else if (header.type === "x") {
      longPath = paxValue(content, "path") ?? longPath;
      longTarget = paxValue(content, "linkpath") ?? longTarget;
    } else if (header.type !== "g") {
      const path = plainPath(longPath ?? header.path);
      add(entries, { ...header, path, target: longTarget ?? header.target }, content);
      longPath = null;
      longTarget = null;
    }
  }
}

function add(entries: Map<string, TarEntry>, header: Header, content: Uint8Array): void {
  const { type, path, target } = header;
  if (type === "5") return;
  if (entries.has(path)) throw new ImageError(`twice in a tar archive: ${path}`);
  if (type === "0" || type === "\0") {
    entries.set(path, { kind: "file", path, isExecutable: (header.mode & 0o111) !== 0, content });
  } else if (type === "2") {
    entries.set(path, { kind: "link", path, target });
  } else if (type === "1") {
    const linked = entries.get(plainPath(target));
    if (linked === undefined) throw new ImageError(`a hard link to nothing: ${path}`);
    entries.set(path, { ...linked, path });
  } else throw new ImageError(`neither a file nor a link in a tar archive: ${path}`);
}

function readHeader(block: Uint8Array): Header {
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (readOctal(block, 148, 8) !== sum) throw new ImageError("a tar header with a wrong checksum");
  const name = textOf(block.subarray(0, 100));
  const isPosix = textOf(block.subarray(257, 263)) === "ustar";
  const prefix = isPosix ? textOf(block.subarray(345, 500)) : "";
  return {
    type: String.fromCharCode(block[156] ?? 0),
    path: prefix === "" ? name : `${prefix}/${name}`,
    target: textOf(block.subarray(157, 257)),
    mode: readOctal(block, 100, 8),
    size: readOctal(block, 124, 12),
  };
}

function readOctal(block: Uint8Array, start: number, length: number): number {
  const text = textOf(block.subarray(start, start + length)).trim();
  if (!/^[0-7]{1,11}$/.test(text)) throw new ImageError("a tar header with a number out of form");
  return Number.parseInt(text, 8);
}

/** Up to the first zero byte. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString("utf8");
}

/** `LENGTH NAME=VALUE\n`, where the length counts the whole record. */
function paxValue(content: Uint8Array, name: string): string | null {
  for (let rest = Buffer.from(content); rest.length > 0; ) {
    const length = Number.parseInt(rest.toString("latin1", 0, rest.indexOf(" ")), 10);
    if (!(length > 4 && length <= rest.length)) throw new ImageError("a pax header out of form");
    const record = rest.toString("utf8", rest.indexOf(" ") + 1, length - 1);
    if (record.startsWith(`${name}=`)) return record.slice(name.length + 1);
    rest = rest.subarray(length);
  }
  return null;
}

function plainPath(path: string): string {
  const plain = path.replace(/^(\.\/)+/, "").replace(/\/$/, "");
  const names = plain.split("/");
  if (plain.startsWith("/") || names.includes("..") || plain.length > PATH_LENGTH_MAX) {
    throw new ImageError(`a path that leaves a tar archive: ${path}`);
  }
  return plain;
}
