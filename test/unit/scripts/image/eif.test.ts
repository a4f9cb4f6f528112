import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Eif, type EifRefusal, encodeEif, parseEif } from "../../../../scripts/image/eif.ts";
import { EIF_HEADER_BYTES, encodeChecksumInto } from "../../../../scripts/image/eif-header.ts";
import { measureEif } from "../../../../scripts/image/measurement.ts";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import {
  changed,
  METADATA,
  makeImageSigner,
  SOURCE,
  signedEif,
} from "../../../fakes/eif-images.ts";
import {
  AT,
  CMDLINE,
  fileOf,
  KERNEL,
  META,
  offsetOf,
  RAMDISK,
  SECTION_HEADER_BYTES,
  type Section,
  swapped,
  TYPE,
  withCount,
} from "../../../fakes/eif-sections.ts";

const FILE = encodeEif(SOURCE);

type Row = readonly [name: string, code: EifRefusal, file: Uint8Array];

function parsed(file: Uint8Array): Eif {
  const eif = parseEif(file);
  assert.ok(eif.ok);
  return eif.value;
}

const SIGNATURE: Section = [TYPE.signature, signatureSection()];

function signatureSection(): Uint8Array {
  const file = signedEif({ ...SOURCE, ramdisks: [RAMDISK[1]] }, makeImageSigner("P-384"));
  return file.subarray(offsetOf(file, 4) + SECTION_HEADER_BYTES);
}

function withTrailing(...bytes: number[]): Uint8Array {
  const file = concatBytes(FILE, Uint8Array.from(bytes));
  encodeChecksumInto(file);
  return file;
}

function cut(length: number): Uint8Array {
  const file = new Uint8Array(FILE.subarray(0, length));
  if (length >= EIF_HEADER_BYTES) encodeChecksumInto(file);
  return file;
}

describe("encodeEif", () => {
  test("writes what parseEif reads back", () => {
    for (const arch of ["x86_64", "aarch64"] as const) {
      const eif = parsed(encodeEif({ ...SOURCE, arch }));
      assert.equal(eif.arch, arch);
      assert.deepEqual(eif.kernel, SOURCE.kernel);
      assert.equal(eif.cmdline, SOURCE.cmdline);
      assert.deepEqual(eif.ramdisks, SOURCE.ramdisks);
      assert.deepEqual(eif.metadata, METADATA);
      assert.equal(eif.signature, null);
    }
  });

  test("gives the same bytes for the same source", () => {
    assert.deepEqual(encodeEif({ ...SOURCE, metadata: { ...METADATA } }), FILE);
  });

  test("writes kernel, command line, metadata, ramdisks, in this order", () => {
    const view = new DataView(FILE.buffer);
    const types = [0, 1, 2, 3, 4].map((index) => view.getUint16(offsetOf(FILE, index)));
    assert.deepEqual(types, [TYPE.kernel, TYPE.cmdline, TYPE.metadata, TYPE.ramdisk, TYPE.ramdisk]);
  });

  test("writes the memory and the processors that the official library writes", () => {
    const { header } = parsed(FILE);
    assert.equal(header.defaultMemoryBytes, 1_073_741_824n);
    assert.equal(header.defaultCpuCount, 2n);
  });

  test("takes 29 ramdisks, which fill the table, and not one more", () => {
    const ramdisks = Array.from({ length: 29 }, () => new Uint8Array(1));
    assert.equal(parsed(encodeEif({ ...SOURCE, ramdisks })).ramdisks.length, 29);
    assert.throws(() => encodeEif({ ...SOURCE, ramdisks: [...ramdisks, new Uint8Array(1)] }));
  });

  test("refuses to write what parseEif would not read", () => {
    assert.throws(() => encodeEif({ ...SOURCE, ramdisks: [] }));
    assert.throws(() => encodeEif({ ...SOURCE, cmdline: "quiet\0" }));
    assert.throws(() => encodeEif({ ...SOURCE, cmdline: "\ud800" }));
  });
});

describe("parseEif", () => {
  test("takes empty parts, as the official library does", () => {
    const nothing = new Uint8Array(0);
    const eif = parsed(encodeEif({ ...SOURCE, kernel: nothing, cmdline: "", ramdisks: [nothing] }));
    assert.equal(eif.cmdline, "");
    assert.equal(eif.kernel.length, 0);
  });

  test("takes a file without metadata", () => {
    assert.equal(parsed(fileOf(FILE, [KERNEL, CMDLINE, RAMDISK])).metadata, null);
  });

  test("does not copy the sections", () => {
    assert.equal(parsed(FILE).kernel.buffer, FILE.buffer);
  });

  const HEADER: readonly Row[] = [
    ["an empty file", "EIF_TRUNCATED", new Uint8Array(0)],
    ["a header that lacks a byte", "EIF_TRUNCATED", cut(EIF_HEADER_BYTES - 1)],
    ["another magic", "EIF_MAGIC", changed(FILE, (view) => view.setUint8(3, 0x67))],
    ["version 3", "EIF_VERSION", changed(FILE, (view) => view.setUint16(4, 3))],
    ["version 5", "EIF_VERSION", changed(FILE, (view) => view.setUint16(4, 5))],
    ["an unknown flag", "EIF_FLAGS", changed(FILE, (view) => view.setUint16(6, 2))],
    ["the highest flag", "EIF_FLAGS", changed(FILE, (view) => view.setUint16(6, 0x8000))],
    ["a reserved field that is set", "EIF_RESERVED", changed(FILE, (v) => v.setUint16(24, 1))],
    ["an unused field that is set", "EIF_RESERVED", changed(FILE, (v) => v.setUint32(540, 1))],
    ["33 sections", "EIF_SECTION_COUNT", changed(FILE, (view) => view.setUint16(26, 33))],
    ["no section", "EIF_TRAILING", withCount(FILE, 0)],
    ["a wrong checksum", "EIF_CRC", wrongChecksum()],
  ];

  const TABLE: readonly Row[] = [
    ["a section that begins a byte later", "EIF_SECTION_TABLE", moved(1, 1n)],
    ["a section that begins a byte earlier", "EIF_SECTION_TABLE", moved(1, -1n)],
    ["a section past 2^53", "EIF_SECTION_TABLE", moved(4, 2n ** 63n)],
    ["two sections that change places", "EIF_SECTION_TABLE", swapped(FILE, 3, 4)],
    ["two entries for one section", "EIF_SECTION_TABLE", doubled(3, 4)],
    ["a size in the table that differs", "EIF_SECTION_TABLE", resized(0, 1n)],
    [
      "an entry after the last section",
      "EIF_SECTION_TABLE",
      changed(FILE, (view) => view.setBigUint64(AT.offsets + 8 * 5, 548n)),
    ],
    [
      "a size after the last section",
      "EIF_SECTION_TABLE",
      changed(FILE, (view) => view.setBigUint64(AT.sizes + 8 * 31, 1n)),
    ],
  ];

  const SECTIONS: readonly Row[] = [
    ["a section that lacks its last byte", "EIF_TRUNCATED", cut(FILE.length - 1)],
    ["a section of 2^63 bytes", "EIF_TRUNCATED", grown(4, 2n ** 63n)],
    ["a section header that lacks a byte", "EIF_TRUNCATED", cut(offsetOf(FILE, 4) + 11)],
    ["a section whose header is missing", "EIF_TRUNCATED", cut(offsetOf(FILE, 4))],
    ["a byte at the end", "EIF_TRAILING", withTrailing(0)],
    ["less than a section header at the end", "EIF_TRAILING", withTrailing(...new Uint8Array(11))],
    ["a section at the end that is not in the table", "EIF_TRAILING", withCount(FILE, 4)],
    [
      "a section type 0",
      "EIF_SECTION_TYPE",
      fileOf(FILE, [KERNEL, CMDLINE, RAMDISK, [0, RAMDISK[1]]]),
    ],
    [
      "a section type 6",
      "EIF_SECTION_TYPE",
      fileOf(FILE, [KERNEL, CMDLINE, RAMDISK, [6, RAMDISK[1]]]),
    ],
    [
      "flags of a section",
      "EIF_SECTION_FLAGS",
      changed(FILE, (view) => view.setUint16(offsetOf(FILE, 2) + 2, 1)),
    ],
  ];

  const ORDER: readonly Row[] = (
    [
      ["no kernel", [CMDLINE, META, RAMDISK]],
      ["no command line", [KERNEL, META, RAMDISK]],
      ["no ramdisk", [KERNEL, CMDLINE, META]],
      ["two kernels", [KERNEL, KERNEL, CMDLINE, META, RAMDISK]],
      ["two command lines", [KERNEL, CMDLINE, CMDLINE, META, RAMDISK]],
      ["two metadata sections", [KERNEL, CMDLINE, META, META, RAMDISK]],
      ["two signatures", [KERNEL, CMDLINE, META, RAMDISK, SIGNATURE, SIGNATURE]],
      ["the command line first", [CMDLINE, KERNEL, META, RAMDISK]],
      ["the kernel last", [CMDLINE, META, RAMDISK, KERNEL]],
      ["a ramdisk before the metadata", [KERNEL, CMDLINE, RAMDISK, META]],
      ["a ramdisk after the signature", [KERNEL, CMDLINE, META, RAMDISK, SIGNATURE, RAMDISK]],
    ] as const
  ).map(([name, sections]) => [name, "EIF_SECTION_ORDER", fileOf(FILE, sections)]);

  const CONTENTS: readonly Row[] = [
    ["a NUL in the command line", "EIF_CMDLINE", withCmdline(0x61, 0)],
    ["a command line that is not UTF-8", "EIF_CMDLINE", withCmdline(0xff)],
    ["empty metadata", "EIF_METADATA", withMetadata("")],
    ["metadata that are no JSON", "EIF_METADATA", withMetadata("{")],
    ["metadata without an image name", "EIF_METADATA", withMetadata('{"ImageVersion":"1"}')],
    [
      "an empty signature",
      "EIF_SIGNATURE",
      fileOf(FILE, [KERNEL, CMDLINE, META, RAMDISK, [TYPE.signature, new Uint8Array(0)]]),
    ],
  ];

  for (const [name, code, file] of [...HEADER, ...TABLE, ...SECTIONS, ...ORDER, ...CONTENTS]) {
    test(`refuses ${name}: ${code}`, () => {
      assert.deepEqual(parseEif(file), { ok: false, error: code });
    });
  }

  test("takes the file that those of the table differ from", () => {
    assert.ok(parseEif(fileOf(FILE, [KERNEL, CMDLINE, META, RAMDISK, SIGNATURE])).ok);
    assert.deepEqual(fileOf(FILE, fiveSections()), FILE);
  });

  test("refuses every file that was cut", () => {
    for (let length = 0; length < FILE.length; length++) {
      assert.equal(parseEif(FILE.subarray(0, length)).ok, false, `${length} bytes`);
    }
  });

  test("refuses every file with one flipped bit", () => {
    const file = new Uint8Array(FILE);
    for (let bit = 0; bit < file.length * 8; bit++) {
      const at = bit >> 3;
      const mask = 1 << (bit & 7);
      file[at] = (file[at] ?? 0) ^ mask;
      assert.equal(parseEif(file).ok, false, `bit ${bit}`);
      file[at] = (file[at] ?? 0) ^ mask;
    }
    assert.ok(parseEif(file).ok);
  });

  test("never takes a change with a new checksum for the same image where it is measured", () => {
    const pcr0 = encodeHex(measureEif(SOURCE).pcr0);
    const measured = [0, 1, 3, 4].map((index) => rangeOf(index));
    for (let at = 0; at < FILE.length; at++) {
      const eif = parseEif(changed(FILE, (view) => view.setUint8(at, view.getUint8(at) ^ 0x20)));
      const isMeasured = measured.some(([start, end]) => at >= start && at < end);
      if (!isMeasured || !eif.ok) continue;
      assert.notEqual(encodeHex(measureEif(eif.value).pcr0), pcr0, `byte ${at}`);
    }
  });
});

function fiveSections(): readonly Section[] {
  const [first = RAMDISK[1], second = RAMDISK[1]] = SOURCE.ramdisks;
  return [KERNEL, CMDLINE, META, [TYPE.ramdisk, first], [TYPE.ramdisk, second]];
}

function rangeOf(index: number): readonly [start: number, end: number] {
  const start = offsetOf(FILE, index) + SECTION_HEADER_BYTES;
  return [start, start + Number(new DataView(FILE.buffer).getBigUint64(AT.sizes + 8 * index))];
}

function wrongChecksum(): Uint8Array {
  const file = new Uint8Array(FILE);
  file[544] = (file[544] ?? 0) ^ 1;
  return file;
}

function moved(index: number, by: bigint): Uint8Array {
  const at = AT.offsets + 8 * index;
  return changed(FILE, (view) => view.setBigUint64(at, view.getBigUint64(at) + by));
}

function resized(index: number, by: bigint): Uint8Array {
  const at = AT.sizes + 8 * index;
  return changed(FILE, (view) => view.setBigUint64(at, view.getBigUint64(at) + by));
}

/** Larger in the table and in its own header. */
function grown(index: number, size: bigint): Uint8Array {
  return changed(FILE, (view) => {
    view.setBigUint64(AT.sizes + 8 * index, size);
    view.setBigUint64(offsetOf(FILE, index) + 4, size);
  });
}

function doubled(first: number, second: number): Uint8Array {
  return changed(FILE, (view) => {
    for (const base of [AT.offsets, AT.sizes]) {
      view.setBigUint64(base + 8 * second, view.getBigUint64(base + 8 * first));
    }
  });
}

function withCmdline(...bytes: number[]): Uint8Array {
  return fileOf(FILE, [KERNEL, [TYPE.cmdline, Uint8Array.from(bytes)], META, RAMDISK]);
}

function withMetadata(text: string): Uint8Array {
  return fileOf(FILE, [KERNEL, CMDLINE, [TYPE.metadata, new TextEncoder().encode(text)], RAMDISK]);
}
