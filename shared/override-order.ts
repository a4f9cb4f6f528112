// An order to lower what is recorded of one key, as operators sign it: exactly these bytes, with
// Ed25519. It names the very record that it replaces, and the boot of the enclave that is to do it:
// so it works once. A statement (shared/signed-statement.ts) with the fields below in this order;
// each family of chains has its own domain (docs/high-availability.md).

import { type Refusal, refusal } from "./errors.ts";
import { OVERRIDE_ORDER_BYTES_MAX } from "./limits.ts";
import { err, ok, type Result } from "./result.ts";
import { type StatementForm, statementForm } from "./signed-statement.ts";
import {
  bytesField,
  countField,
  nullableField,
  recordField,
  u64Field,
  type ValueOf,
} from "./wire/field.ts";
import { positionField } from "./wire/position-field.ts";

/** 32 bytes that name the network (Ethereum: the genesis validators root). */
const scopeField = bytesField(32, 32);
const keyField = bytesField(1, 200);
/** Version of the record that is replaced. */
const seqField = countField();
/** Of the enclave that it was drafted for; no other, and no later boot, takes it. */
const bootIdField = bytesField(16, 16);
/** Unix time. */
const expiresMsField = countField();

const ethereumField = recordField({
  scope: scopeField,
  key: keyField,
  seq: seqField,
  /** The whole record afterwards: what counts as signed last; null: nothing. */
  blockSlot: nullableField(u64Field),
  source: nullableField(u64Field),
  target: nullableField(u64Field),
  bootId: bootIdField,
  expiresMs: expiresMsField,
});

const consensusField = recordField({
  /** SHA-256 of a domain and the chain id. */
  scope: scopeField,
  key: keyField,
  seq: seqField,
  /** The whole record afterwards: what counts as signed last. */
  last: positionField,
  bootId: bootIdField,
  expiresMs: expiresMsField,
});

export type EthereumOrder = ValueOf<typeof ethereumField>;
/** For a Tendermint chain's key. */
export type ConsensusOrder = ValueOf<typeof consensusField>;

const ETHEREUM = statementForm("redoubt override v1", ethereumField);
const CONSENSUS = statementForm("redoubt consensus override v1", consensusField);

export function encodeEthereumOrder(order: EthereumOrder): Uint8Array<ArrayBuffer> {
  return ETHEREUM.encode(order);
}

export function encodeConsensusOrder(order: ConsensusOrder): Uint8Array<ArrayBuffer> {
  return CONSENSUS.encode(order);
}

/** Refuses another encoding of the same values, and a vote of which only one half is stated. */
export function parseEthereumOrder(
  bytes: Uint8Array,
): Result<EthereumOrder, Refusal<"OVERRIDE_MALFORMED">> {
  const order = parseAs(ETHEREUM, bytes);
  const isHalf = order.ok && (order.value.source === null) !== (order.value.target === null);
  return isHalf ? err(refusal("OVERRIDE_MALFORMED")) : order;
}

/** Refuses another encoding of the same values. */
export function parseConsensusOrder(
  bytes: Uint8Array,
): Result<ConsensusOrder, Refusal<"OVERRIDE_MALFORMED">> {
  return parseAs(CONSENSUS, bytes);
}

function parseAs<T>(
  form: StatementForm<T>,
  bytes: Uint8Array,
): Result<T, Refusal<"OVERRIDE_MALFORMED">> {
  const order = bytes.length > OVERRIDE_ORDER_BYTES_MAX ? undefined : form.parse(bytes);
  return order === undefined ? err(refusal("OVERRIDE_MALFORMED")) : ok(order);
}
