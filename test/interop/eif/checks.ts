// What is compared with the official library: files that it builds and we read, files that we build
// and it reads, and files that were damaged or signed. Each check throws when it does not hold.

import assert from "node:assert/strict";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { runMeasure } from "../../../scripts/cli/measure.ts";
import { type EifSource, encodeEif, parseEif } from "../../../scripts/image/eif.ts";
import { EIF_HEADER_BYTES } from "../../../scripts/image/eif-header.ts";
import { encodeEifMetadata } from "../../../scripts/image/eif-metadata.ts";
import { listMeasurement, measureEif } from "../../../scripts/image/measurement.ts";
import {
  encodeSignatureSection,
  type ImageSigner,
  SOURCE,
  signatureParts,
  signedEif,
} from "../../fakes/eif-images.ts";
import type { Oracle } from "./oracle.ts";

/** How Rust prints the hash: we print it as nitro-cli up to 1.4.5 does; 1.5.0 has the other. */
const HASH_NAME = /"HashAlgorithm": "(Sha384 \{ \.\.\. \}|Sha512_48 \{ \.\. \})"/;

/** Parts in files, as the oracle takes them. */
export async function writeOrder(folder: string, source: EifSource, signer: ImageSigner | null) {
  rmSync(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  writeFileSync(join(folder, "kernel"), source.kernel);
  const ramdisks = source.ramdisks.map((_, index) => `ramdisk${index}`);
  for (const [index, bytes] of source.ramdisks.entries()) {
    writeFileSync(join(folder, `ramdisk${index}`), bytes);
  }
  if (signer !== null) writeSigner(folder, signer);
  const metadata: unknown = JSON.parse(
    new TextDecoder().decode(encodeEifMetadata(source.metadata)),
  );
  const order = {
    flags: source.arch === "aarch64" ? 1 : 0,
    cmdline: source.cmdline,
    ramdisks,
    metadata,
    sign: signer !== null,
  };
  writeFileSync(join(folder, "order.json"), JSON.stringify(order));
}

export function writeSigner(folder: string, signer: ImageSigner): void {
  const key = signer.privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(join(folder, "key.pem"), key);
  writeFileSync(join(folder, "certificate.pem"), signer.certificatePem);
}

/** Both describe the file in the same words, and both find it right. */
export async function checkDescription(oracle: Oracle, path: string, exitCode: 0 | 1 = 0) {
  const theirs = oracle.call("describe", path);
  assert.ok(theirs.ok, theirs.stderr);
  assert.match(theirs.stdout, HASH_NAME);
  const ours = await runMeasure([path]);
  assert.equal(ours.stdout, theirs.stdout.replace(HASH_NAME, '"HashAlgorithm": "Sha384 { ... }"'));
  assert.equal(ours.exitCode, exitCode, ours.stderr);
}

/** They build: byte for byte what we build, with the same measurement. */
export async function checkTheirs(
  oracle: Oracle,
  folder: string,
  source: EifSource,
  signer: ImageSigner | null,
): Promise<void> {
  await writeOrder(folder, source, signer);
  const built = oracle.call("build", folder);
  assert.ok(built.ok, built.stderr);
  const path = join(folder, "out.eif");
  const file = new Uint8Array(readFileSync(path));
  const eif = parseEif(file);
  assert.ok(eif.ok, "our parser takes their file");
  const said: unknown = JSON.parse(built.stdout);
  assert.partialDeepStrictEqual(said, Object.fromEntries(listMeasurement(measureEif(eif.value))));
  // A signature has a random part: only theirs makes the same file.
  const section = signer === null ? {} : { signatureSection: signatureSectionOf(file) };
  assert.deepEqual(encodeEif({ ...source, ...section }), file, "the same bytes");
  await checkDescription(oracle, path);
}

/** We build: they read the header, the measurement and the signature as we do. */
export async function checkOurs(
  oracle: Oracle,
  folder: string,
  source: EifSource,
  signer: ImageSigner | null,
): Promise<void> {
  const path = join(folder, "ours.eif");
  const file = signer === null ? encodeEif(source) : signedEif(source, signer);
  writeFileSync(path, file);
  await checkDescription(oracle, path);
  checkHeader(oracle, path, file);
  const check = oracle.call("check", path);
  assert.ok(check.ok, check.stderr);
  assert.deepEqual(JSON.parse(check.stdout), { signed: signer !== null });
}

function checkHeader(oracle: Oracle, path: string, file: Uint8Array): void {
  const eif = parseEif(file);
  assert.ok(eif.ok);
  const { header } = eif.value;
  assert.deepEqual(JSON.parse(oracle.call("header", path).stdout), {
    version: 4,
    flags: header.arch === "aarch64" ? 1 : 0,
    defaultMem: Number(header.defaultMemoryBytes),
    defaultCpus: Number(header.defaultCpuCount),
    reserved: 0,
    offsets: header.table.map(({ offset }) => Number(offset)),
    sizes: header.table.map(({ size }) => Number(size)),
    unused: 0,
    crc32: header.crc32,
  });
}

/** The last section is the signature. */
function signatureSectionOf(file: Uint8Array): Uint8Array {
  const eif = parseEif(file);
  assert.ok(eif.ok && eif.value.signature !== null);
  return file.subarray(Number(eif.value.header.table.at(-1)?.offset) + 12);
}

/** Damage that leaves the sections readable: both say so, in the same words. */
export async function checkDamaged(oracle: Oracle, folder: string, file: Uint8Array, at: number) {
  const path = join(folder, "damaged.eif");
  const damaged = new Uint8Array(file);
  damaged[at] = (damaged[at] ?? 0) ^ 1;
  writeFileSync(path, damaged);
  await checkDescription(oracle, path, 1);
}

/** A true signature of another image: both say that it is not one of this. */
export async function checkForeign(oracle: Oracle, folder: string, signer: ImageSigner) {
  const path = join(folder, "foreign.eif");
  const other = signatureParts({ ...SOURCE, cmdline: "other" }, signer);
  const signatureSection = encodeSignatureSection(other);
  writeFileSync(path, encodeEif({ ...SOURCE, signatureSection }));
  assert.match(oracle.call("describe", path).stdout, /"SignatureCheck": false/);
  await checkDescription(oracle, path, 1);
}

/** What the library can't read, we do not read either. */
export async function checkRefused(oracle: Oracle, folder: string, file: Uint8Array) {
  const path = join(folder, "malformed.eif");
  writeFileSync(path, file);
  assert.equal(oracle.call("describe", path).ok, false, "the library refuses it");
  assert.equal((await runMeasure([path])).exitCode, 1, "we refuse it");
}

/** Signed after it was built, as `nitro-cli sign-eif` does. */
export async function checkSignedLater(
  oracle: Oracle,
  folder: string,
  source: EifSource,
  signer: ImageSigner,
): Promise<void> {
  await writeOrder(folder, source, signer);
  const path = join(folder, "out.eif");
  writeFileSync(path, encodeEif(source));
  const signed = oracle.call("sign", folder);
  assert.ok(signed.ok, signed.stderr);
  await checkDescription(oracle, path);
}

/**
 * Signed again with a certificate of another length: the library forgets to correct the size in the
 * header's table. It reads such a file all the same; a reader that follows the table does not.
 */
export async function checkSignedAgain(
  oracle: Oracle,
  folder: string,
  signer: ImageSigner,
): Promise<void> {
  const path = join(folder, "out.eif");
  copyFileSync(path, join(folder, "before.eif"));
  writeSigner(folder, signer);
  assert.ok(oracle.call("sign", folder).ok);
  assert.ok(oracle.call("describe", path).ok, "the library reads it");
  const ours = await runMeasure([path]);
  assert.match(ours.stderr, /\(EIF_SECTION_TABLE\)/);
  assert.equal(ours.exitCode, 1);
}

export const FIRST_SECTION_DATA = EIF_HEADER_BYTES + 12;
