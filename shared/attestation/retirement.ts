// What an enclave states of a key that it has retired, in `user_data` of an attestation document:
// the proof that another signer may take the key over. Canonical CBOR, an array of the fields below
// in this order, at most 512 bytes. It must never be made before the tombstone is durable.

import { encodeCbor, parseCbor } from "../bytes/cbor.ts";
import { isEqualBytes } from "../bytes/compare.ts";
import { type Refusal, refusal } from "../errors.ts";
import { invariant } from "../invariant.ts";
import { USER_DATA_BYTES_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";
import {
  bytesField,
  countField,
  nullableField,
  recordField,
  textField,
  u64Field,
  type ValueOf,
} from "../wire/field.ts";

const DOMAIN = "redoubt retirement v1";

const retirementField = recordField({
  domain: textField(32),
  /** 32 bytes that name the network (Ethereum: the genesis validators root). */
  scope: bytesField(32, 32),
  publicKey: bytesField(1, 200),
  /** Of the tombstone, and the head of the chain of receipts that ends with it. */
  seq: countField(),
  head: bytesField(32, 32),
  /** The last slot, source and target that may have been signed; null: none ever. */
  blockSlot: nullableField(u64Field),
  source: nullableField(u64Field),
  target: nullableField(u64Field),
  /** Of the enclave that states it. */
  bootId: bytesField(16, 16),
});

export type Retirement = Omit<ValueOf<typeof retirementField>, "domain">;

export function encodeRetirement(retirement: Retirement): Uint8Array<ArrayBuffer> {
  const bytes = encodeCbor(retirementField.encode({ domain: DOMAIN, ...retirement }));
  invariant(bytes.length <= USER_DATA_BYTES_MAX, "a retirement fits into user_data");
  return bytes;
}

/** Refuses another encoding of the same values. */
export function parseRetirement(bytes: Uint8Array): Result<Retirement, Refusal<"ATTEST_USER_DATA">> {
  const item = parseCbor(bytes, { depthMax: 1, itemCountMax: 10 });
  const parsed = item.ok ? retirementField.parse(item.value) : undefined;
  if (parsed === undefined || parsed.domain !== DOMAIN) return err(refusal("ATTEST_USER_DATA"));
  const { domain: _, ...retirement } = parsed;
  if (!isEqualBytes(encodeRetirement(retirement), bytes)) return err(refusal("ATTEST_USER_DATA"));
  return ok(retirement);
}
