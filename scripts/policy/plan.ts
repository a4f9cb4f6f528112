// From what an operator has (the measurements of an image, manifests, ARNs) to the plan of a key
// policy. Registers are read or computed here so that nobody has to type them. It must never plan a
// policy that leaves PCR0 or PCR16 open, or one for another key than the manifests name.

import { createHash } from "node:crypto";
import { parseJson } from "../../enclave/core/json.ts";
import { parseManifest } from "../../enclave/core/manifest.ts";
import { extendedPcr, MANIFEST_PCR_INDEX, manifestPcr } from "../../shared/attestation/pcr.ts";
import { isEqualBytes, isZeroBytes } from "../../shared/bytes/compare.ts";
import { parseHex } from "../../shared/bytes/hex.ts";
import { PCR_BYTES } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { parseRelease } from "../release/record.ts";

/** A register's values, each once, in the order given. */
export type Registers = ReadonlyMap<number, readonly Uint8Array[]>;

export function withValue(registers: Registers, index: number, value: Uint8Array): Registers {
  const values = registers.get(index) ?? [];
  if (values.some((each) => isEqualBytes(each, value))) return registers;
  return new Map([...registers, [index, [...values, value]]]);
}

export type ImagePcrs = readonly (readonly [number, Uint8Array])[];

/** Documents of image tools are deep and their other fields are none of ours. */
const EIF_JSON_DEPTH_MAX = 32;

/**
 * The registers of an image. PCR0 alone covers everything in it, but not where one part ends and
 * the next begins (nitro-kms.md §6: it hashes the parts joined); PCR1 and PCR2 hold the boundary
 * between kernel and program.
 */
const IMAGE_PCR_INDEXES = [0, 1, 2] as const;

/** PCR0 to PCR2 of a release record. The error is the end of a sentence about the file. */
export function parseReleasePcrs(bytes: Uint8Array): Result<ImagePcrs, string> {
  const release = parseRelease(bytes);
  if (!release.ok) return err("is no release record of a format known here");
  return imagePcrs((index) => release.value.pcrs.get(index));
}

/**
 * PCR0 to PCR2 of `nitro-cli build-enclave` and its like: a JSON object with
 * `{"Measurements": {"PCR0": "…", …}}`. The error is the end of a sentence about the file.
 */
export function parseImagePcrs(bytes: Uint8Array): Result<ImagePcrs, string> {
  const tree = parseJson(bytes, EIF_JSON_DEPTH_MAX, (value) => value);
  if (!tree.ok) return err("is no JSON, or has a name twice");
  const measurements = member(tree.value, "Measurements");
  return imagePcrs((index) => {
    const text = member(measurements, `PCR${index}`);
    const value = typeof text === "string" ? parseHex(text, PCR_BYTES) : null;
    return value?.ok === true ? value.value : undefined;
  });
}

function imagePcrs(read: (index: 0 | 1 | 2) => Uint8Array | undefined): Result<ImagePcrs, string> {
  const pcrs: (readonly [number, Uint8Array])[] = [];
  for (const index of IMAGE_PCR_INDEXES) {
    const value = read(index);
    if (value === undefined) return err(`states no PCR${index} of 48 bytes of hex`);
    if (isZeroBytes(value)) return err(`states zeros for PCR${index}: an enclave in debug mode`);
    pcrs.push([index, value]);
  }
  return ok(pcrs);
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name);
}

export type MeasuredManifest = { readonly pcr: Uint8Array; readonly keyArn: string };

/** PCR16 of an enclave that measures exactly these bytes. */
export function measureManifest(bytes: Uint8Array): Result<MeasuredManifest, string> {
  // No enclave gets as far as KMS with a manifest that it refuses.
  const manifest = parseManifest(bytes);
  if (!manifest.ok) return err(`is no manifest: ${String(manifest.error.detail)}`);
  const digest = createHash("sha384").update(bytes).digest();
  return ok({ pcr: manifestPcr(digest), keyArn: manifest.value.kmsKeyArn });
}

/** PCR3 of an enclave on an instance with this role: SHA384(zeros || ARN). */
export function rolePcr(roleArn: string): Uint8Array {
  return extendedPcr(new Uint8Array(PCR_BYTES), new TextEncoder().encode(roleArn));
}

/** The error is a sentence for people. */
export function checkRegisters(registers: Registers, countMax: number): Result<Registers, string> {
  if (!registers.has(0)) {
    return err(
      "PCR0, the image, is missing: give --release FILE, --eif-json FILE or --pcr 0=HEX. PCR3, PCR4 and PCR8 " +
        "name the role, the instance and the signer, and pin no image",
    );
  }
  if (!registers.has(MANIFEST_PCR_INDEX)) {
    return err("PCR16, the manifest, is missing: give --manifest FILE or --pcr 16=HEX");
  }
  for (const [index, values] of registers) {
    if (values.length > countMax) return err(`PCR${index} has more than ${countMax} values`);
  }
  return ok(registers);
}
