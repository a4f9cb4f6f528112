// The first step of a life: the manifest is parsed, its exact bytes are hashed into PCR16, and
// PCR16 is locked, before anybody is asked for anything. It must happen once; whatever goes wrong
// after PCR16 was touched ends this life, because what it would attest is no longer true.

import { hash } from "node:crypto";
import { MANIFEST_PCR_INDEX, manifestPcr } from "../../shared/attestation/pcr.ts";
import { isEqualBytes, isZeroBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type Manifest, parseManifest } from "../core/manifest.ts";
import type { Nsm } from "../core/ports.ts";

export type Measured = { readonly manifest: Manifest; readonly digest: Uint8Array };

/** `isSpoiled`: PCR16 was touched, so that another attempt needs a reboot. */
export type MeasureRefusal = { readonly refusal: Refusal; readonly isSpoiled: boolean };

export async function measureManifest(
  bytes: Uint8Array,
  nsm: Nsm,
): Promise<Result<Measured, MeasureRefusal>> {
  const manifest = parseManifest(bytes);
  if (!manifest.ok) return err({ refusal: manifest.error, isSpoiled: false });
  const before = await nsm.describePcr(MANIFEST_PCR_INDEX);
  if (!before.ok) return err({ refusal: before.error, isSpoiled: false });
  if (before.value.isLocked || !isZeroBytes(before.value.digest)) return spoiled();
  const digest = hash("sha384", bytes, "buffer");
  const extended = await nsm.extendPcr(MANIFEST_PCR_INDEX, digest);
  if (!extended.ok) return err({ refusal: extended.error, isSpoiled: true });
  const locked = await nsm.lockPcr(MANIFEST_PCR_INDEX);
  if (!locked.ok) return err({ refusal: locked.error, isSpoiled: true });
  // What the device says now, not what we believe that we did.
  const after = await nsm.describePcr(MANIFEST_PCR_INDEX);
  if (!after.ok) return err({ refusal: after.error, isSpoiled: true });
  const isMeasured = isEqualBytes(after.value.digest, manifestPcr(digest));
  if (!after.value.isLocked || !isMeasured) return spoiled();
  return ok({ manifest: manifest.value, digest });
}

function spoiled(): Result<Measured, MeasureRefusal> {
  return err({ refusal: refusal("NSM_PCR_UNEXPECTED"), isSpoiled: true });
}
