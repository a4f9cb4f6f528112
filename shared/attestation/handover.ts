// What a draining enclave states to its successor, in `user_data` of an attestation document whose
// nonce is the successor's challenge: these are the last records of these keys, and I sign nothing
// any more. Canonical CBOR, an array of the fields below in this order.

import { encodeCbor, parseCbor } from "../bytes/cbor.ts";
import { isEqualBytes } from "../bytes/compare.ts";
import { type Refusal, refusal } from "../errors.ts";
import { KEY_COUNT_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";
import { bytesField, countField, recordField, textField, type ValueOf } from "../wire/field.ts";

const DOMAIN = "redoubt handover v1";

const handoverField = recordField({
  domain: textField(32),
  /** 32 bytes that name the network (Ethereum: the genesis validators root). */
  scope: bytesField(32, 32),
  keyCount: countField(KEY_COUNT_MAX),
  /** SHA-384 over all keys with their records (`enclave/state/state-digest.ts`). */
  state: bytesField(48, 48),
  /** Of the enclave that states it. */
  bootId: bytesField(16, 16),
  /** Its time when it stopped to sign: from then on another enclave may have signed. */
  drainedMs: countField(),
});

export type Handover = Omit<ValueOf<typeof handoverField>, "domain">;

export function encodeHandover(handover: Handover): Uint8Array<ArrayBuffer> {
  return encodeCbor(handoverField.encode({ domain: DOMAIN, ...handover }));
}

/** Refuses another encoding of the same values. */
export function parseHandover(bytes: Uint8Array): Result<Handover, Refusal<"ATTEST_USER_DATA">> {
  const item = parseCbor(bytes, { depthMax: 1, itemCountMax: 7 });
  const parsed = item.ok ? handoverField.parse(item.value) : undefined;
  if (parsed === undefined || parsed.domain !== DOMAIN) return err(refusal("ATTEST_USER_DATA"));
  const { domain: _, ...handover } = parsed;
  if (!isEqualBytes(encodeHandover(handover), bytes)) return err(refusal("ATTEST_USER_DATA"));
  return ok(handover);
}
