// Whether enough operators have signed an order to lower what is recorded of a key. Keys and
// threshold are the measured manifest's. It must never count an operator twice, or look at an order
// that is not signed.

import { createHash } from "node:crypto";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { OVERRIDE_VALID_MS_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { OverrideConfig } from "../core/state-config.ts";
import { verifyEd25519 } from "./ed25519.ts";

export type OperatorSignature = {
  readonly operator: Uint8Array;
  readonly signature: Uint8Array;
};

export type SignedOrder = {
  readonly order: Uint8Array;
  readonly signatures: readonly OperatorSignature[];
};

/** What orders of all families of chains say. */
export type OrderHead = {
  readonly scope: Uint8Array;
  readonly key: Uint8Array;
  readonly seq: number;
  readonly bootId: Uint8Array;
  readonly expiresMs: number;
};

/** An order that is signed and has not expired, with the SHA-256 of its bytes for the receipt. */
export type VerifiedOverride<O> = O & { readonly digest: Uint8Array };

/** `nowMs` is trusted Unix time; `parse` takes the orders of the enclave's family of chains. */
export function verifyOverride<O extends OrderHead>(
  config: OverrideConfig | null,
  { order, signatures }: SignedOrder,
  nowMs: number,
  parse: (order: Uint8Array) => Result<O, Refusal<"OVERRIDE_MALFORMED">>,
): Result<VerifiedOverride<O>, Refusal> {
  if (config === null) return err(refusal("OVERRIDE_DISABLED"));
  const validCount = config.operators.filter((operator) =>
    signatures.some(
      (signed) =>
        isEqualBytes(signed.operator, operator) && verifyEd25519(operator, order, signed.signature),
    ),
  ).length;
  if (validCount < config.threshold) {
    return err(refusal("OVERRIDE_UNSIGNED", config.threshold, validCount));
  }
  const parsed = parse(order);
  if (!parsed.ok) return parsed;
  const { expiresMs } = parsed.value;
  if (expiresMs <= nowMs || expiresMs - nowMs > OVERRIDE_VALID_MS_MAX) {
    return err(refusal("OVERRIDE_EXPIRED"));
  }
  const digest = createHash("sha256").update(order).digest();
  // Fields of a parsed order are views into the frame.
  const { scope, key, bootId } = parsed.value;
  const own = { scope: scope.slice(), key: key.slice(), bootId: bootId.slice() };
  return ok({ ...parsed.value, ...own, digest });
}
