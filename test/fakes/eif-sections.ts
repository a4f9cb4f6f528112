// EIF files of any sections in any order, with a true table and checksum, and such files bent.

import { EIF_HEADER_BYTES, encodeChecksumInto } from "../../scripts/image/eif-header.ts";
import { encodeEifMetadata } from "../../scripts/image/eif-metadata.ts";
import { concatBytes } from "../../shared/bytes/compare.ts";
import { changed, METADATA, SOURCE } from "./eif-images.ts";

export type Section = readonly [type: number, data: Uint8Array];

export const SECTION_HEADER_BYTES = 12;
/** Of the header. */
export const AT = { sectionCount: 26, offsets: 28, sizes: 284 } as const;
export const TYPE = { kernel: 1, cmdline: 2, ramdisk: 3, signature: 4, metadata: 5 } as const;

/** The parts of `SOURCE`, and a RAM disk. */
export const KERNEL: Section = [TYPE.kernel, SOURCE.kernel];
export const CMDLINE: Section = [TYPE.cmdline, new TextEncoder().encode(SOURCE.cmdline)];
export const META: Section = [TYPE.metadata, encodeEifMetadata(METADATA)];
export const RAMDISK: Section = [TYPE.ramdisk, new Uint8Array(5).fill(3)];

/**
 * A file of any sections in any order, with a true table and checksum; the header's other fields
 * are those of `like`.
 */
export function fileOf(like: Uint8Array, sections: readonly Section[]): Uint8Array {
  const empty = new Uint8Array(EIF_HEADER_BYTES);
  empty.set(like.subarray(0, AT.offsets));
  const parts: Uint8Array[] = [empty];
  const table = new DataView(empty.buffer);
  table.setUint16(AT.sectionCount, sections.length);
  let offset = EIF_HEADER_BYTES;
  for (const [index, [type, data]] of sections.entries()) {
    const header = new DataView(new ArrayBuffer(SECTION_HEADER_BYTES));
    header.setUint16(0, type);
    header.setBigUint64(4, BigInt(data.length));
    table.setBigUint64(AT.offsets + 8 * index, BigInt(offset));
    table.setBigUint64(AT.sizes + 8 * index, BigInt(data.length));
    parts.push(new Uint8Array(header.buffer), data);
    offset += SECTION_HEADER_BYTES + data.length;
  }
  const file = concatBytes(...parts);
  encodeChecksumInto(file);
  return file;
}

/** Where the header of a section is. */
export function offsetOf(file: Uint8Array, index: number): number {
  return Number(new DataView(file.buffer).getBigUint64(AT.offsets + 8 * index));
}

/** Fewer sections in header and table than the file has. */
export function withCount(file: Uint8Array, count: number): Uint8Array {
  return changed(file, (view) => {
    view.setUint16(AT.sectionCount, count);
    for (let index = count; index < 32; index++) {
      view.setBigUint64(AT.offsets + 8 * index, 0n);
      view.setBigUint64(AT.sizes + 8 * index, 0n);
    }
  });
}

/** Two entries of the table change places. */
export function swapped(file: Uint8Array, first: number, second: number): Uint8Array {
  return changed(file, (view) => {
    for (const base of [AT.offsets, AT.sizes]) {
      const kept = view.getBigUint64(base + 8 * first);
      view.setBigUint64(base + 8 * first, view.getBigUint64(base + 8 * second));
      view.setBigUint64(base + 8 * second, kept);
    }
  });
}
