// What a program or library needs from the system, read from its ELF headers: the loader and the
// names of libraries (System V ABI, chapter 5). The image gets exactly those, found and not listed
// by hand. Only 64-bit little-endian files are understood, which both architectures use.

import { ImageError } from "./image-error.ts";

export type ElfNeeds = {
  /** The numbers that ELF gives architectures. */
  readonly machine: number;
  /** Path of the loader, null for a library. */
  readonly interpreter: string | null;
  readonly libraries: readonly string[];
};

export const ELF_MACHINE_X86_64 = 62;
export const ELF_MACHINE_AARCH64 = 183;

const SEGMENT_LOAD = 1;
const SEGMENT_DYNAMIC = 2;
const SEGMENT_INTERPRETER = 3;
const TAG_END = 0;
const TAG_NEEDED = 1;
const TAG_STRING_TABLE = 5;
const SEGMENT_COUNT_MAX = 64;

type Segment = {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
};

export function isElf(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 4)).toString("latin1") === "\x7fELF";
}

/** Throws an ImageError for what is not a 64-bit little-endian ELF file. */
export function readElfNeeds(bytes: Uint8Array): ElfNeeds {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isElf(bytes) || bytes[4] !== 2 || bytes[5] !== 1) throw new ImageError("no 64-bit ELF file");
  try {
    const segments = readSegments(view);
    const interpreter = segments.find(({ type }) => type === SEGMENT_INTERPRETER);
    return {
      machine: view.getUint16(18, true),
      interpreter: interpreter === undefined ? null : textAt(bytes, interpreter.offset),
      libraries: readLibraries(bytes, view, segments),
    };
  } catch (error) {
    if (error instanceof RangeError) throw new ImageError("an ELF file that ends early");
    throw error;
  }
}

function readSegments(view: DataView): readonly Segment[] {
  const tableOffset = readSize(view, 32);
  const entryBytes = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (count > SEGMENT_COUNT_MAX) throw new ImageError("an ELF file with too many segments");
  return Array.from({ length: count }, (_, index) => {
    const at = tableOffset + index * entryBytes;
    return {
      type: view.getUint32(at, true),
      offset: readSize(view, at + 8),
      address: readSize(view, at + 16),
      size: readSize(view, at + 32),
    };
  });
}

function readLibraries(
  bytes: Uint8Array,
  view: DataView,
  segments: readonly Segment[],
): readonly string[] {
  const dynamic = segments.find(({ type }) => type === SEGMENT_DYNAMIC);
  if (dynamic === undefined) return [];
  const nameOffsets: number[] = [];
  let strings: number | null = null;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = readSize(view, at);
    if (tag === TAG_END) break;
    if (tag === TAG_NEEDED) nameOffsets.push(readSize(view, at + 8));
    if (tag === TAG_STRING_TABLE) strings = fileOffset(segments, readSize(view, at + 8));
  }
  if (nameOffsets.length === 0) return [];
  if (strings === null) throw new ImageError("an ELF file without its names");
  const base = strings;
  return nameOffsets.map((offset) => textAt(bytes, base + offset));
}

function fileOffset(segments: readonly Segment[], address: number): number | null {
  const segment = segments.find(
    ({ type, address: start, size }) =>
      type === SEGMENT_LOAD && address >= start && address < start + size,
  );
  return segment === undefined ? null : segment.offset + address - segment.address;
}

/** 64 bits of which a number holds all that a file can need; tags beyond that are none of ours. */
function readSize(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function textAt(bytes: Uint8Array, start: number): string {
  const end = bytes.indexOf(0, start);
  if (end === -1) throw new ImageError("an ELF file that ends in a name");
  return Buffer.from(bytes.subarray(start, end)).toString("latin1");
}
