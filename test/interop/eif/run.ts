// `npm run test:eif`: compares encodeEif, parseEif and `redoubt measure` with the official library
// of AWS, which nitro-cli is made of (`src/main.rs`). It needs Rust; without it one line says so,
// and only what needs no oracle runs. The last line is `N passed, N failed`.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { runMeasure } from "../../../scripts/cli/measure.ts";
import { type EifSource, encodeEif, parseEif } from "../../../scripts/image/eif.ts";
import { measureEif } from "../../../scripts/image/measurement.ts";
import {
  encodeSignatureSection,
  type ImageSigner,
  makeImageSigner,
  SOURCE,
  signatureParts,
  signedEif,
} from "../../fakes/eif-images.ts";
import { fileOf, TYPE } from "../../fakes/eif-sections.ts";
import { print, Results } from "../results.ts";
import {
  checkDamaged,
  checkForeign,
  checkOurs,
  checkRefused,
  checkSignedAgain,
  checkSignedLater,
  checkTheirs,
  FIRST_SECTION_DATA,
} from "./checks.ts";
import { findOracle, type Oracle } from "./oracle.ts";
import { RandomImages } from "./random-images.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const FOLDER = join(ROOT, ".redoubt/interop");
const IMAGE_COUNT = 40;
const SIGNED_COUNT = 8;

/** Of issuers: what is printed of them must not depend on who prints it. */
const NAMES = [
  "Exämple 名前 🦀",
  "quote\" back\\slash it's {}",
  "\0\u0007\t\r\n\u001b[31m",
  "\u00a0\u200b\u202e e\u0301 \ufeff",
] as const;

/** Without an oracle: what we write, the command reads and measures as the parts measure. */
async function checkAlone(results: Results, folder: string, images: RandomImages) {
  const signers = [null, makeImageSigner("P-256"), makeImageSigner("P-384")];
  for (const [index, signer] of signers.entries()) {
    const source = images.source();
    await results.check(`redoubt measure on our own file ${index}`, async () => {
      const path = join(folder, "own.eif");
      const file = signer === null ? encodeEif(source) : signedEif(source, signer);
      writeFileSync(path, file);
      const eif = parseEif(file);
      assert.ok(eif.ok);
      assert.deepEqual(measureEif(eif.value).pcr0, measureEif(source).pcr0);
      assert.equal((await runMeasure([path])).exitCode, 0);
    });
  }
}

async function checkImages(results: Results, oracle: Oracle, folder: string, images: RandomImages) {
  for (let index = 0; index < IMAGE_COUNT; index++) {
    const source = images.source();
    const what = `image ${index} (${source.arch}, ${source.ramdisks.length} ramdisks)`;
    await results.check(`theirs, ${what}`, () => checkTheirs(oracle, folder, source, null));
    await results.check(`ours, ${what}`, () => checkOurs(oracle, folder, source, null));
  }
  for (const curve of ["P-256", "P-384", "P-521"] as const) {
    const signer = makeImageSigner(curve);
    for (let index = 0; index < SIGNED_COUNT; index++) {
      const source = signable(images.source());
      const what = `image ${index} signed with ${curve}`;
      await results.check(`theirs, ${what}`, () => checkTheirs(oracle, folder, source, signer));
      await results.check(`ours, ${what}`, () => checkOurs(oracle, folder, source, signer));
      await results.check(`signed later, ${what}`, () =>
        checkSignedLater(oracle, folder, source, signer),
      );
    }
    const other = { ...signer, ...longerCertificate(signer) };
    await results.check(`signed again with ${curve}`, () =>
      checkSignedAgain(oracle, folder, other),
    );
  }
}

async function checkBent(results: Results, oracle: Oracle, folder: string): Promise<void> {
  const signer = makeImageSigner("P-384");
  const file = encodeEif(SOURCE);
  for (const name of NAMES) {
    await results.check(`a certificate of ${JSON.stringify(name)}`, () =>
      checkOurs(oracle, folder, SOURCE, makeImageSigner("P-384", name)),
    );
  }
  await results.check("a flipped bit of the kernel", () =>
    checkDamaged(oracle, folder, file, FIRST_SECTION_DATA),
  );
  await results.check("a flipped bit of the last ramdisk", () =>
    checkDamaged(oracle, folder, file, file.length - 1),
  );
  await results.check("a flipped bit of the checksum", () =>
    checkDamaged(oracle, folder, file, 544),
  );
  await results.check("a signature of another image", () => checkForeign(oracle, folder, signer));
  const foreign = signatureParts(SOURCE, signer);
  const signature = new Uint8Array(foreign.signature);
  signature[7] = (signature[7] ?? 0) ^ 1;
  const section = encodeSignatureSection({ ...foreign, signature });
  await results.check("a flipped bit of the signature", () =>
    checkRefused(oracle, folder, encodeEif({ ...SOURCE, signatureSection: section })),
  );
  await results.check("a section of type 6", () =>
    checkRefused(oracle, folder, fileOf(file, [[6, new Uint8Array(1)]])),
  );
  await results.check("metadata that are no JSON", () =>
    checkRefused(oracle, folder, fileOf(file, [[TYPE.metadata, Uint8Array.of(0x7b)]])),
  );
  await results.check("a file that ends in a section", () =>
    checkRefused(oracle, folder, file.subarray(0, file.length - 1)),
  );
}

/** More ramdisks would leave no room in the table for the signature. */
function signable(source: EifSource): EifSource {
  return { ...source, ramdisks: source.ramdisks.slice(0, 28) };
}

/** Text around a certificate makes the section longer, and changes nothing else. */
function longerCertificate(signer: ImageSigner): Pick<ImageSigner, "certificatePem"> {
  return { certificatePem: `subject=image signer\n${signer.certificatePem}` };
}

async function main(): Promise<number> {
  const seed = process.env["REDOUBT_SEED"] ?? randomBytes(8).toString("hex");
  print(`seed ${seed} (REDOUBT_SEED repeats it)`);
  const results = new Results();
  const images = new RandomImages(seed);
  const folder = join(FOLDER, `eif-run-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    await checkAlone(results, folder, images);
    const found = findOracle(import.meta.dirname, join(FOLDER, "eif-target"));
    if (found.kind === "absent") {
      print(`not compared with the official library: ${found.reason}`);
    } else if (found.kind === "broken") {
      results.fail("the official library", found.reason);
    } else {
      await checkImages(results, found.oracle, folder, images);
      await checkBent(results, found.oracle, folder);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return results.close();
}

process.exitCode = await main();
