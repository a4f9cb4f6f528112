import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { type EifSource, encodeEif, parseEif } from "../../../scripts/image/eif.ts";
import { encodeChecksumInto } from "../../../scripts/image/eif-header.ts";
import { parseJson } from "../../../scripts/image/json-text.ts";
import { measureEif } from "../../../scripts/image/measurement.ts";
import { METADATA, makeImageSigner, signedEif } from "../../fakes/eif-images.ts";

const bytes = fc.uint8Array({ maxLength: 64 });
const text = fc.string({ unit: "grapheme", maxLength: 12 });
const custom = fc.jsonValue({ maxDepth: 3 }).filter((value) => value !== undefined);

const source: fc.Arbitrary<EifSource> = fc.record({
  arch: fc.constantFrom("x86_64" as const, "aarch64" as const),
  kernel: bytes,
  cmdline: text.filter((value) => !value.includes("\0")),
  ramdisks: fc.array(bytes, { minLength: 1, maxLength: 4 }),
  metadata: fc
    .record({ imageName: text, buildTime: text })
    .map((some) => ({ ...METADATA, ...some })),
});

test("parseEif reads what encodeEif writes, and encodeEif writes it again", () => {
  fc.assert(
    fc.property(source, (original) => {
      const file = encodeEif(original);
      const eif = parseEif(file);
      assert.ok(eif.ok && eif.value.metadata !== null);
      const { arch, kernel, cmdline, ramdisks, metadata } = eif.value;
      const again = { arch, kernel, cmdline, ramdisks, metadata };
      assert.deepEqual(encodeEif(again), file);
      assert.deepEqual(measureEif(eif.value), measureEif(original));
    }),
  );
});

test("encodeEif and parseEif carry any metadata of the user", () => {
  fc.assert(
    fc.property(custom, (value) => {
      const plain = parseJson(JSON.stringify(value));
      assert.ok(plain.ok);
      const customMetadata = plain.value;
      const file = encodeEif({ ...sample(), metadata: { ...METADATA, customMetadata } });
      const eif = parseEif(file);
      assert.ok(eif.ok);
      assert.deepEqual(eif.value.metadata?.customMetadata, customMetadata);
    }),
  );
});

test("parseEif is total, and what it accepts measures as one image only", () => {
  const file = signedEif(sample(), makeImageSigner("P-256"));
  const honest = parseEif(file);
  assert.ok(honest.ok);
  const pcrs = measureEif(honest.value);
  const edit = fc.record({
    at: fc.nat({ max: file.length - 1 }),
    to: fc.integer({ max: 255, min: 0 }),
  });
  fc.assert(
    fc.property(
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (edits, isRepaired) => {
        const bent = new Uint8Array(file);
        for (const { at, to } of edits) bent[at] = to;
        if (isRepaired) encodeChecksumInto(bent);
        const eif = parseEif(bent);
        if (!eif.ok) return;
        const { kernel, cmdline, ramdisks } = honest.value;
        const isSame = isDeepStrictEqual(
          [eif.value.kernel, eif.value.cmdline, eif.value.ramdisks],
          [kernel, cmdline, ramdisks],
        );
        assert.equal(isDeepStrictEqual(measureEif(eif.value).pcr0, pcrs.pcr0), isSame);
      },
    ),
    { numRuns: 500 },
  );
});

test("parseEif is total on any bytes behind a true magic", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1200 }), (noise) => {
      parseEif(Uint8Array.from([0x2e, 0x65, 0x69, 0x66, 0, 4, 0, 0, ...noise]));
      parseEif(noise);
    }),
  );
});

function sample(): EifSource {
  return {
    arch: "x86_64",
    kernel: new Uint8Array(40).fill(1),
    cmdline: "console=ttyS0",
    ramdisks: [new Uint8Array(30).fill(2), new Uint8Array(20).fill(3)],
    metadata: METADATA,
  };
}
