// The header of an EIF, version 4: 548 bytes, big-endian, with a table of where each section begins
// and how long it is. It must never let a field pass that it does not understand.
//
//   0 magic  4 u16 version  6 u16 flags  8 u64 memory  16 u64 CPUs  24 u16 reserved
//   26 u16 number of sections
//   28 u64[32] offsets of section headers  284 u64[32] sizes of section data  540 u32 unused
//   544 u32 CRC-32 of all the file but these four bytes

import { crc32 } from "node:zlib";
import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export type EifArch = "x86_64" | "aarch64";

export type EifHeader = {
  readonly arch: EifArch;
  /** What the official builder always writes; the size of an enclave is chosen when it starts. */
  readonly defaultMemoryBytes: bigint;
  readonly defaultCpuCount: bigint;
  /** One for each section. */
  readonly table: readonly TableEntry[];
  readonly crc32: number;
};

export type TableEntry = { readonly offset: bigint; readonly size: bigint };

export type EifHeaderRefusal =
  | "EIF_TRUNCATED"
  | "EIF_MAGIC"
  | "EIF_VERSION"
  | "EIF_FLAGS"
  | "EIF_RESERVED"
  | "EIF_SECTION_COUNT"
  | "EIF_SECTION_TABLE";

export const EIF_HEADER_BYTES = 548;
export const EIF_SECTION_COUNT_MAX = 32;
export const EIF_VERSION = 4;
const DEFAULT_MEMORY_BYTES = 1_073_741_824n;
const DEFAULT_CPU_COUNT = 2n;

const MAGIC = 0x2e656966; // ".eif"
const FLAG_AARCH64 = 1;
const AT = {
  magic: 0,
  version: 4,
  flags: 6,
  memory: 8,
  cpus: 16,
  reserved: 24,
  sectionCount: 26,
  offsets: 28,
  sizes: 284,
  unused: 540,
  crc32: 544,
} as const;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Of the first bytes of a file; says nothing of what the table points to. */
export function parseEifHeader(bytes: Uint8Array): Result<EifHeader, EifHeaderRefusal> {
  if (bytes.length < EIF_HEADER_BYTES) return err("EIF_TRUNCATED");
  const view = viewOf(bytes);
  if (view.getUint32(AT.magic) !== MAGIC) return err("EIF_MAGIC");
  if (view.getUint16(AT.version) !== EIF_VERSION) return err("EIF_VERSION");
  const flags = view.getUint16(AT.flags);
  if ((flags & ~FLAG_AARCH64) !== 0) return err("EIF_FLAGS");
  if (view.getUint16(AT.reserved) !== 0 || view.getUint32(AT.unused) !== 0) {
    return err("EIF_RESERVED");
  }
  const count = view.getUint16(AT.sectionCount);
  if (count > EIF_SECTION_COUNT_MAX) return err("EIF_SECTION_COUNT");
  const table: TableEntry[] = [];
  for (let index = 0; index < EIF_SECTION_COUNT_MAX; index++) {
    const offset = view.getBigUint64(AT.offsets + 8 * index);
    const size = view.getBigUint64(AT.sizes + 8 * index);
    if (index < count) table.push({ offset, size });
    else if (offset !== 0n || size !== 0n) return err("EIF_SECTION_TABLE");
  }
  return ok({
    arch: (flags & FLAG_AARCH64) === 0 ? "x86_64" : "aarch64",
    defaultMemoryBytes: view.getBigUint64(AT.memory),
    defaultCpuCount: view.getBigUint64(AT.cpus),
    table,
    crc32: view.getUint32(AT.crc32),
  });
}

/** Writes all but the checksum into the first bytes of `file`. */
export function encodeEifHeaderInto(file: Uint8Array, arch: EifArch, table: readonly TableEntry[]) {
  invariant(table.length <= EIF_SECTION_COUNT_MAX, "as many sections as the table has room for");
  const view = viewOf(file);
  view.setUint32(AT.magic, MAGIC);
  view.setUint16(AT.version, EIF_VERSION);
  view.setUint16(AT.flags, arch === "aarch64" ? FLAG_AARCH64 : 0);
  view.setBigUint64(AT.memory, DEFAULT_MEMORY_BYTES);
  view.setBigUint64(AT.cpus, DEFAULT_CPU_COUNT);
  view.setUint16(AT.sectionCount, table.length);
  for (const [index, { offset, size }] of table.entries()) {
    view.setBigUint64(AT.offsets + 8 * index, offset);
    view.setBigUint64(AT.sizes + 8 * index, size);
  }
}

export function encodeChecksumInto(file: Uint8Array): void {
  viewOf(file).setUint32(AT.crc32, checksumOf(file));
}

/** What the header's last field must be. It finds accidents; anybody can make it fit. */
export function checksumOf(file: Uint8Array): number {
  return crc32(file.subarray(EIF_HEADER_BYTES), crc32(file.subarray(0, AT.crc32)));
}
