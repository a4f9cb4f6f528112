// Enclave image files (EIF), version 4: what nitro-cli starts an enclave from. Writing is
// deterministic, byte for byte what the official library writes. Reading is strict, because readers
// of this format find the sections in two ways: one walks the file, another follows the table in
// the header. It must never accept a file in which the two could see different sections, and so
// measure one program and start another.
//
// A section is a header of 12 bytes (u16 type, u16 flags, u64 size) and its data.

import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import {
  checksumOf,
  EIF_HEADER_BYTES,
  EIF_SECTION_COUNT_MAX,
  type EifArch,
  type EifHeader,
  type EifHeaderRefusal,
  encodeChecksumInto,
  encodeEifHeaderInto,
  parseEifHeader,
  type TableEntry,
} from "./eif-header.ts";
import { type EifMetadata, encodeEifMetadata, parseEifMetadata } from "./eif-metadata.ts";
import { type EifSignature, parseEifSignature } from "./eif-signature.ts";

/** What makes an image. With another order of ramdisks it is another image. */
export type EifParts = {
  readonly arch: EifArch;
  readonly kernel: Uint8Array;
  readonly cmdline: string;
  /** At least one: the first is the bootstrap's (PCR1), the others the application's (PCR2). */
  readonly ramdisks: readonly Uint8Array[];
};

export type EifSource = EifParts & {
  readonly metadata: EifMetadata;
  /** A signature section that was made before. */
  readonly signatureSection?: Uint8Array;
};

/** A file as it was read. The parts are views into it. */
export type Eif = EifParts & {
  readonly header: EifHeader;
  readonly metadata: EifMetadata | null;
  readonly signature: EifSignature | null;
};

export type EifRefusal =
  | EifHeaderRefusal
  | "EIF_OVERSIZE"
  | "EIF_SECTION_FLAGS"
  | "EIF_SECTION_TYPE"
  | "EIF_SECTION_ORDER"
  | "EIF_TRAILING"
  | "EIF_CMDLINE"
  | "EIF_METADATA"
  | "EIF_SIGNATURE"
  | "EIF_CRC";

/** Hashes and checksums of Node take 31-bit lengths at once. */
export const EIF_BYTES_MAX = 0x7fff_ffff;

const SECTION_HEADER_BYTES = 12;
const SECTION_TYPE = { kernel: 1, cmdline: 2, ramdisk: 3, signature: 4, metadata: 5 } as const;
/** The letter of each section type, by its number; 0 is "invalid". */
const LETTERS = [undefined, "k", "c", "r", "s", "m"] as const;
/** The order in which the official library writes. Signing later appends the signature. */
const ORDER = /^kcm?r+s?$/;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

type Section = { readonly type: number; readonly data: Uint8Array };

export function encodeEif(source: EifSource): Uint8Array<ArrayBuffer> {
  invariant(source.ramdisks.length > 0, "an image has a ramdisk");
  invariant(isCmdline(source.cmdline), "a command line without NUL");
  const sections: Section[] = [
    { type: SECTION_TYPE.kernel, data: source.kernel },
    { type: SECTION_TYPE.cmdline, data: new TextEncoder().encode(source.cmdline) },
    { type: SECTION_TYPE.metadata, data: encodeEifMetadata(source.metadata) },
    ...source.ramdisks.map((data) => ({ type: SECTION_TYPE.ramdisk, data })),
  ];
  if (source.signatureSection !== undefined) {
    sections.push({ type: SECTION_TYPE.signature, data: source.signatureSection });
  }
  invariant(sections.length <= EIF_SECTION_COUNT_MAX, "no more sections than an EIF can have");
  return encodeSections(source.arch, sections);
}

function encodeSections(arch: EifArch, sections: readonly Section[]): Uint8Array<ArrayBuffer> {
  const table: TableEntry[] = [];
  let end = EIF_HEADER_BYTES;
  for (const { data } of sections) {
    table.push({ offset: BigInt(end), size: BigInt(data.length) });
    end += SECTION_HEADER_BYTES + data.length;
  }
  invariant(end <= EIF_BYTES_MAX, "an image within its limit");
  const file = new Uint8Array(end);
  const view = new DataView(file.buffer);
  encodeEifHeaderInto(file, arch, table);
  let offset = EIF_HEADER_BYTES;
  for (const { type, data } of sections) {
    view.setUint16(offset, type);
    view.setBigUint64(offset + 4, BigInt(data.length));
    file.set(data, offset + SECTION_HEADER_BYTES);
    offset += SECTION_HEADER_BYTES + data.length;
  }
  encodeChecksumInto(file);
  return file;
}

/** The whole file, in its one form, and undamaged. */
export function parseEif(file: Uint8Array): Result<Eif, EifRefusal> {
  const eif = parseEifSections(file);
  if (!eif.ok) return eif;
  return isChecksumRight(file, eif.value) ? eif : err("EIF_CRC");
}

export function isChecksumRight(file: Uint8Array, eif: Eif): boolean {
  return checksumOf(file) === eif.header.crc32;
}

/** As `parseEif`, but the checksum is left to the caller, who wants to report on it. */
export function parseEifSections(file: Uint8Array): Result<Eif, EifRefusal> {
  if (file.length > EIF_BYTES_MAX) return err("EIF_OVERSIZE");
  const header = parseEifHeader(file);
  if (!header.ok) return header;
  const sections = readSections(file, header.value.table);
  if (!sections.ok) return sections;
  const letters = sections.value.map(({ type }) => LETTERS[type] ?? "?").join("");
  if (!ORDER.test(letters)) return err("EIF_SECTION_ORDER");
  const cmdline = readCmdline(dataOf(sections.value, SECTION_TYPE.cmdline));
  if (cmdline === undefined) return err("EIF_CMDLINE");
  const metadata = optional(sections.value, SECTION_TYPE.metadata, parseEifMetadata);
  if (!metadata.ok) return metadata;
  const signature = optional(sections.value, SECTION_TYPE.signature, parseEifSignature);
  if (!signature.ok) return signature;
  return ok({
    arch: header.value.arch,
    kernel: dataOf(sections.value, SECTION_TYPE.kernel),
    cmdline,
    ramdisks: sections.value
      .filter(({ type }) => type === SECTION_TYPE.ramdisk)
      .map(({ data }) => data),
    header: header.value,
    metadata: metadata.value,
    signature: signature.value,
  });
}

/** Walks the file and holds the table against it: one after the other, no gap, nothing left. */
function readSections(
  file: Uint8Array,
  table: readonly TableEntry[],
): Result<readonly Section[], EifRefusal> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const sections: Section[] = [];
  let offset = EIF_HEADER_BYTES;
  for (const entry of table) {
    if (entry.offset !== BigInt(offset)) return err("EIF_SECTION_TABLE");
    const start = offset + SECTION_HEADER_BYTES;
    if (start > file.length) return err("EIF_TRUNCATED");
    const type = view.getUint16(offset);
    if (LETTERS[type] === undefined) return err("EIF_SECTION_TYPE");
    if (view.getUint16(offset + 2) !== 0) return err("EIF_SECTION_FLAGS");
    const size = view.getBigUint64(offset + 4);
    if (size !== entry.size) return err("EIF_SECTION_TABLE");
    if (size > BigInt(file.length - start)) return err("EIF_TRUNCATED");
    offset = start + Number(size);
    sections.push({ type, data: file.subarray(start, offset) });
  }
  return offset === file.length ? ok(sections) : err("EIF_TRAILING");
}

function dataOf(sections: readonly Section[], wanted: number): Uint8Array {
  const found = sections.find(({ type }) => type === wanted);
  invariant(found !== undefined, "the order of sections has been checked");
  return found.data;
}

function optional<T, E>(
  sections: readonly Section[],
  wanted: number,
  parse: (data: Uint8Array) => Result<T, E>,
): Result<T | null, E> {
  const found = sections.find(({ type }) => type === wanted);
  return found === undefined ? ok(null) : parse(found.data);
}

/** The kernel stops at a NUL, the measurement does not. */
function isCmdline(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

function readCmdline(bytes: Uint8Array): string | undefined {
  try {
    const text = strictUtf8.decode(bytes);
    return isCmdline(text) ? text : undefined;
  } catch {
    return undefined;
  }
}
