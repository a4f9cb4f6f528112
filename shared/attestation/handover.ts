// What a draining enclave states to its successor, in `user_data` of an attestation document whose
// nonce is the successor's challenge: these are the last records of these keys, and I sign nothing
// any more. A statement (shared/signed-statement.ts) with the fields below in this order.

import { type Refusal, refusal } from "../errors.ts";
import { KEY_COUNT_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";
import { statementForm } from "../signed-statement.ts";
import { bytesField, countField, recordField, type ValueOf } from "../wire/field.ts";

const handoverField = recordField({
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

export type Handover = ValueOf<typeof handoverField>;

const FORM = statementForm("redoubt handover v1", handoverField);

export function encodeHandover(handover: Handover): Uint8Array<ArrayBuffer> {
  return FORM.encode(handover);
}

/** Refuses another encoding of the same values. */
export function parseHandover(bytes: Uint8Array): Result<Handover, Refusal<"ATTEST_USER_DATA">> {
  const handover = FORM.parse(bytes);
  return handover === undefined ? err(refusal("ATTEST_USER_DATA")) : ok(handover);
}
