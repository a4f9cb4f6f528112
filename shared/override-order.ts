// An order to lower one key's floor, as operators sign it: exactly these bytes, with Ed25519. It
// names the very record that it replaces, and the boot of the enclave that is to do it: so it works
// once. Canonical CBOR, an array of the fields below in this order (docs/high-availability.md).

import { encodeCbor, parseCbor } from "./bytes/cbor.ts";
import { isEqualBytes } from "./bytes/compare.ts";
import { type Refusal, refusal } from "./errors.ts";
import { OVERRIDE_ORDER_BYTES_MAX } from "./limits.ts";
import { err, ok, type Result } from "./result.ts";
import {
  bytesField,
  countField,
  nullableField,
  recordField,
  textField,
  u64Field,
  type ValueOf,
} from "./wire/field.ts";

const DOMAIN = "redoubt override v1";

const orderField = recordField({
  domain: textField(32),
  /** 32 bytes that name the network (Ethereum: the genesis validators root). */
  scope: bytesField(32, 32),
  key: bytesField(1, 200),
  /** Version of the record that is replaced. */
  seq: countField(),
  /** The whole record afterwards: what counts as signed last; null: nothing. */
  blockSlot: nullableField(u64Field),
  source: nullableField(u64Field),
  target: nullableField(u64Field),
  /** Of the enclave that it was drafted for; no other, and no later boot, takes it. */
  bootId: bytesField(16, 16),
  /** Unix time. */
  expiresMs: countField(),
});

export type OverrideOrder = Omit<ValueOf<typeof orderField>, "domain">;

export function encodeOverrideOrder(order: OverrideOrder): Uint8Array<ArrayBuffer> {
  return encodeCbor(orderField.encode({ domain: DOMAIN, ...order }));
}

/** Refuses another encoding of the same values, and a vote of which only one half is stated. */
export function parseOverrideOrder(
  bytes: Uint8Array,
): Result<OverrideOrder, Refusal<"OVERRIDE_MALFORMED">> {
  const malformed = err(refusal("OVERRIDE_MALFORMED"));
  if (bytes.length > OVERRIDE_ORDER_BYTES_MAX) return malformed;
  const item = parseCbor(bytes, { depthMax: 1, itemCountMax: 10 });
  const parsed = item.ok ? orderField.parse(item.value) : undefined;
  if (parsed === undefined || parsed.domain !== DOMAIN) return malformed;
  const { domain: _, ...order } = parsed;
  if ((order.source === null) !== (order.target === null)) return malformed;
  return isEqualBytes(encodeOverrideOrder(order), bytes) ? ok(order) : malformed;
}
