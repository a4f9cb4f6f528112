// Whether enough operators have signed an order to lower a floor. Keys and threshold are the
// measured manifest's. It must never count an operator twice, or look at an order that is not
// signed.

import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { concatBytes, isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { OVERRIDE_VALID_MS_MAX } from "../../shared/limits.ts";
import { type OverrideOrder, parseOverrideOrder } from "../../shared/override-order.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { OverrideConfig } from "../core/state-config.ts";

export type OperatorSignature = {
  readonly operator: Uint8Array;
  readonly signature: Uint8Array;
};

/** An order that is signed and has not expired, with the SHA-256 of its bytes for the receipt. */
export type VerifiedOverride = OverrideOrder & { readonly digest: Uint8Array };

/** SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410 §4). */
const ED25519_SPKI = Uint8Array.of(
  0x30,
  0x2a,
  0x30,
  0x05,
  0x06,
  0x03,
  0x2b,
  0x65,
  0x70,
  0x03,
  0x21,
  0,
);

/** `nowMs` is trusted Unix time. */
export function verifyOverride(
  config: OverrideConfig | null,
  order: Uint8Array,
  signatures: readonly OperatorSignature[],
  nowMs: number,
): Result<VerifiedOverride, Refusal> {
  if (config === null) return err(refusal("OVERRIDE_DISABLED"));
  const validCount = config.operators.filter((operator) =>
    signatures.some(
      (signed) =>
        isEqualBytes(signed.operator, operator) && isSigned(operator, order, signed.signature),
    ),
  ).length;
  if (validCount < config.threshold) {
    return err(refusal("OVERRIDE_UNSIGNED", config.threshold, validCount));
  }
  const parsed = parseOverrideOrder(order);
  if (!parsed.ok) return parsed;
  const { expiresMs } = parsed.value;
  if (expiresMs <= nowMs || expiresMs - nowMs > OVERRIDE_VALID_MS_MAX) {
    return err(refusal("OVERRIDE_EXPIRED"));
  }
  const digest = createHash("sha256").update(order).digest();
  // Fields of a parsed order are views into the frame.
  const { scope, key, bootId, ...rest } = parsed.value;
  const own = { scope: scope.slice(), key: key.slice(), bootId: bootId.slice() };
  return ok({ ...rest, ...own, digest });
}

function isSigned(operator: Uint8Array, order: Uint8Array, signature: Uint8Array): boolean {
  const key = publicKeyOf(operator);
  return key !== null && verify(null, order, key, signature);
}

/** Null for bytes that OpenSSL does not take for a key. */
function publicKeyOf(operator: Uint8Array): KeyObject | null {
  try {
    const der = Buffer.from(concatBytes(ED25519_SPKI, operator));
    return createPublicKey({ key: der, format: "der", type: "spki" });
  } catch {
    return null;
  }
}
