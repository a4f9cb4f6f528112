// The measurements of an image, as the Nitro hypervisor makes them: register n is
// SHA-384(48 zero bytes || SHA-384(content)), where the content is the data of sections in file
// order, without headers. It must never leave out a part that an enclave starts from.
//
// Nothing in PCR0 says where one section ends and the next begins: cut elsewhere, the same bytes
// have the same PCR0. PCR1 and PCR2 tell where the second ramdisk begins, and nothing tells where
// the command line does; whoever relies on one reads /proc/cmdline.

import { createHash, type Hash } from "node:crypto";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { PCR_BYTES } from "../../shared/limits.ts";
import type { EifParts } from "./eif.ts";
import type { EifSignature } from "./eif-signature.ts";

export type Measurement = {
  /** Kernel, command line, all ramdisks: the image. */
  readonly pcr0: Uint8Array;
  /** Kernel, command line, first ramdisk. */
  readonly pcr1: Uint8Array;
  /** The other ramdisks. */
  readonly pcr2: Uint8Array;
  /** The signing certificate, when the file has one; otherwise the register stays zero. */
  readonly pcr8: Uint8Array | null;
};

/** Takes a parsed file as well as the parts of one that is yet to be written. */
export function measureEif(
  eif: EifParts & { readonly signature?: EifSignature | null },
): Measurement {
  const [bootstrap, ...application] = eif.ramdisks;
  const image = createHash("sha384").update(eif.kernel).update(eif.cmdline, "utf8");
  if (bootstrap !== undefined) image.update(bootstrap);
  // What both registers begin with is hashed once: it may be most of the file.
  const pcr1 = registerOf(image.copy());
  const rest = createHash("sha384");
  for (const ramdisk of application) {
    image.update(ramdisk);
    rest.update(ramdisk);
  }
  const der = eif.signature?.certificateDer;
  const pcr8 = der === undefined ? null : registerOf(createHash("sha384").update(der));
  return { pcr0: registerOf(image), pcr1, pcr2: registerOf(rest), pcr8 };
}

/** A register that was extended once, from zero. */
function registerOf(content: Hash): Uint8Array {
  const zero = new Uint8Array(PCR_BYTES);
  return new Uint8Array(createHash("sha384").update(zero).update(content.digest()).digest());
}

/** Names and lower-case hex, in nitro-cli's order. */
export function listMeasurement(measurement: Measurement): readonly (readonly [string, string])[] {
  const registers = [
    ["PCR0", encodeHex(measurement.pcr0)],
    ["PCR1", encodeHex(measurement.pcr1)],
    ["PCR2", encodeHex(measurement.pcr2)],
  ] as const;
  if (measurement.pcr8 === null) return registers;
  return [...registers, ["PCR8", encodeHex(measurement.pcr8)]];
}
