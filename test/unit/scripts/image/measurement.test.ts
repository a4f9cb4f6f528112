import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { type EifSource, encodeEif, parseEif } from "../../../../scripts/image/eif.ts";
import { listMeasurement, measureEif } from "../../../../scripts/image/measurement.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import { makeImageSigner, SOURCE, signedEif } from "../../../fakes/eif-images.ts";

/** Of an image with one ramdisk, whatever it is: published by others too. */
const PCR2_WITHOUT_CONTENT =
  "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a";

const CMDLINE = new TextEncoder().encode(SOURCE.cmdline);
const [FIRST = new Uint8Array(0), SECOND = new Uint8Array(0)] = SOURCE.ramdisks;

function register(...content: readonly Uint8Array[]): string {
  const hash = createHash("sha384");
  for (const part of content) hash.update(part);
  return createHash("sha384").update(new Uint8Array(48)).update(hash.digest()).digest("hex");
}

function hexOf(source: Parameters<typeof measureEif>[0]): Readonly<Record<string, string>> {
  return Object.fromEntries(listMeasurement(measureEif(source)));
}

test("measureEif extends each register with the data of its sections", () => {
  assert.deepEqual(hexOf(SOURCE), {
    PCR0: register(SOURCE.kernel, CMDLINE, FIRST, SECOND),
    PCR1: register(SOURCE.kernel, CMDLINE, FIRST),
    PCR2: register(SECOND),
  });
});

test("measureEif gives an image of one ramdisk twice the same and a PCR2 of nothing", () => {
  const pcrs = hexOf({ ...SOURCE, ramdisks: [FIRST] });
  assert.equal(pcrs["PCR0"], pcrs["PCR1"]);
  assert.equal(pcrs["PCR2"], PCR2_WITHOUT_CONTENT);
});

test("measureEif counts all ramdisks after the first for PCR2", () => {
  const third = new Uint8Array(3).fill(7);
  const pcrs = hexOf({ ...SOURCE, ramdisks: [FIRST, SECOND, third] });
  assert.equal(pcrs["PCR2"], register(SECOND, third));
});

test("measureEif measures the DER of the signing certificate as PCR8, and nothing else of it", () => {
  const signer = makeImageSigner("P-384");
  const eif = parseEif(signedEif(SOURCE, signer));
  assert.ok(eif.ok);
  assert.deepEqual(hexOf(eif.value), {
    ...hexOf(SOURCE),
    PCR8: register(signer.certificateDer),
  });
});

test("measureEif gives a parsed file the measurement of its parts", () => {
  const eif = parseEif(encodeEif({ ...SOURCE, cmdline: "größe=ß" }));
  assert.ok(eif.ok);
  assert.deepEqual(measureEif(eif.value), measureEif({ ...SOURCE, cmdline: "größe=ß" }));
});

test("measureEif looks neither at metadata nor at the architecture", () => {
  const metadata = { ...SOURCE.metadata, imageName: "other" };
  const other: EifSource = { ...SOURCE, metadata, arch: "aarch64" };
  assert.deepEqual(measureEif(other), measureEif(SOURCE));
});

test("PCR0 does not tell where one section ends, which is why the others exist", () => {
  const moved = { ...SOURCE, kernel: SOURCE.kernel.subarray(0, 0), cmdline: "" };
  const kernel = Uint8Array.from([...SOURCE.kernel, ...CMDLINE]);
  assert.equal(hexOf({ ...moved, kernel })["PCR0"], hexOf(SOURCE)["PCR0"]);
  const both = Uint8Array.from([...FIRST, ...SECOND]);
  const joined = hexOf({ ...SOURCE, ramdisks: [both] });
  assert.equal(joined["PCR0"], hexOf(SOURCE)["PCR0"]);
  assert.notEqual(joined["PCR2"], hexOf(SOURCE)["PCR2"]);
});

test("listMeasurement leaves PCR8 out of an image that is not signed", () => {
  const names = listMeasurement(measureEif(SOURCE)).map(([name]) => name);
  assert.deepEqual(names, ["PCR0", "PCR1", "PCR2"]);
  assert.equal(encodeHex(measureEif(SOURCE).pcr0).length, 96);
});
