// Readers of EIF files find the sections in two ways. What must never be accepted is a file in
// which they see different images: one is measured, the other started.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeEif, parseEifSections } from "../../../../scripts/image/eif.ts";
import { EIF_HEADER_BYTES } from "../../../../scripts/image/eif-header.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import { changed, SOURCE } from "../../../fakes/eif-images.ts";
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
const OTHER: Section = [TYPE.ramdisk, new Uint8Array(9).fill(4)];

/**
 * EifReader of the official library walks the file to its end and looks at neither the table nor
 * the number of sections; QEMU (hw/core/eif.c) follows the table. What they start from:
 */
function walk(file: Uint8Array): readonly string[] {
  const view = new DataView(file.buffer);
  const found: string[] = [];
  let offset = EIF_HEADER_BYTES;
  while (offset + SECTION_HEADER_BYTES <= file.length) {
    const start = offset + SECTION_HEADER_BYTES;
    const end = start + Number(view.getBigUint64(offset + 4));
    found.push(`${view.getUint16(offset)}:${encodeHex(file.subarray(start, end))}`);
    offset = end;
  }
  return found;
}

function follow(file: Uint8Array): readonly string[] {
  const view = new DataView(file.buffer);
  return Array.from({ length: view.getUint16(AT.sectionCount) }, (_, index) => {
    const offset = offsetOf(file, index);
    const size = Number(view.getBigUint64(AT.sizes + 8 * index));
    assert.equal(size, Number(view.getBigUint64(offset + 4)), "QEMU compares the sizes");
    const start = offset + SECTION_HEADER_BYTES;
    return `${view.getUint16(offset)}:${encodeHex(file.subarray(start, start + size))}`;
  });
}

describe("a file in which two readers see different images", () => {
  test("an honest file looks the same to both", () => {
    assert.deepEqual(walk(FILE), follow(FILE));
  });

  const HIDDEN_KERNEL = fileOf(FILE, [[TYPE.kernel, new Uint8Array(7).fill(0xee)]]).subarray(
    EIF_HEADER_BYTES,
  );

  test("is refused when the table points into a ramdisk, at another kernel", () => {
    const honest = fileOf(FILE, [KERNEL, CMDLINE, META, [TYPE.ramdisk, HIDDEN_KERNEL]]);
    const crafted = changed(honest, (view) => {
      view.setBigUint64(AT.offsets, BigInt(offsetOf(honest, 3) + SECTION_HEADER_BYTES));
      view.setBigUint64(AT.sizes, 7n);
    });
    assert.notDeepEqual(walk(crafted), follow(crafted));
    assert.deepEqual(parseEifSections(crafted), { ok: false, error: "EIF_SECTION_TABLE" });
  });

  test("is refused when a ramdisk follows that the table does not list", () => {
    const crafted = withCount(FILE, 4);
    assert.notDeepEqual(walk(crafted), follow(crafted));
    assert.deepEqual(parseEifSections(crafted), { ok: false, error: "EIF_TRAILING" });
  });

  test("is refused when the table skips a ramdisk", () => {
    const honest = fileOf(FILE, [KERNEL, CMDLINE, META, RAMDISK, OTHER, RAMDISK]);
    const crafted = changed(honest, (view) => {
      view.setUint16(AT.sectionCount, 5);
      view.setBigUint64(AT.offsets + 8 * 4, BigInt(offsetOf(honest, 5)));
      view.setBigUint64(AT.sizes + 8 * 4, BigInt(RAMDISK[1].length));
      view.setBigUint64(AT.offsets + 8 * 5, 0n);
      view.setBigUint64(AT.sizes + 8 * 5, 0n);
    });
    assert.notDeepEqual(walk(crafted), follow(crafted));
    assert.deepEqual(parseEifSections(crafted), { ok: false, error: "EIF_SECTION_TABLE" });
  });

  test("is refused when the table lists the sections in another order", () => {
    const crafted = swapped(FILE, 3, 4);
    assert.notDeepEqual(walk(crafted), follow(crafted));
    assert.deepEqual(parseEifSections(crafted), { ok: false, error: "EIF_SECTION_TABLE" });
  });
});
