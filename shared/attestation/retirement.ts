// What an enclave states of a key that it has retired, in `user_data` of an attestation document:
// the proof that another signer may take the key over. A statement of at most 512 bytes
// (shared/signed-statement.ts), with the fields below in this order; each family of chains has its
// own domain. It must never be made before the tombstone is durable.

import { type Refusal, refusal } from "../errors.ts";
import { invariant } from "../invariant.ts";
import { USER_DATA_BYTES_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";
import { type StatementForm, statementForm } from "../signed-statement.ts";
import {
  bytesField,
  countField,
  nullableField,
  recordField,
  u64Field,
  type ValueOf,
} from "../wire/field.ts";
import { positionField } from "../wire/position-field.ts";

/** 32 bytes that name the network (Ethereum: the genesis validators root). */
const scopeField = bytesField(32, 32);
const publicKeyField = bytesField(1, 200);
/** Of the tombstone, and the head of the chain of receipts that ends with it. */
const seqField = countField();
const headField = bytesField(32, 32);
/** Of the enclave that states it. */
const bootIdField = bytesField(16, 16);

const ethereumField = recordField({
  scope: scopeField,
  publicKey: publicKeyField,
  seq: seqField,
  head: headField,
  /** The last slot, source and target that may have been signed; null: none ever. */
  blockSlot: nullableField(u64Field),
  source: nullableField(u64Field),
  target: nullableField(u64Field),
  bootId: bootIdField,
});

const consensusField = recordField({
  /** SHA-256 of a domain and the chain id. */
  scope: scopeField,
  publicKey: publicKeyField,
  seq: seqField,
  head: headField,
  /** The last place that may have been signed at; null: none ever. */
  last: nullableField(positionField),
  bootId: bootIdField,
});

export type EthereumRetirement = ValueOf<typeof ethereumField>;
/** Of a Tendermint chain's key. */
export type ConsensusRetirement = ValueOf<typeof consensusField>;

const ETHEREUM = statementForm("redoubt retirement v1", ethereumField);
const CONSENSUS = statementForm("redoubt consensus retirement v1", consensusField);

export function encodeEthereumRetirement(retirement: EthereumRetirement): Uint8Array<ArrayBuffer> {
  return encodeAs(ETHEREUM, retirement);
}

export function encodeConsensusRetirement(
  retirement: ConsensusRetirement,
): Uint8Array<ArrayBuffer> {
  return encodeAs(CONSENSUS, retirement);
}

/** As its domain says; refuses another encoding of the same values. */
export function parseEthereumRetirement(
  bytes: Uint8Array,
): Result<EthereumRetirement, Refusal<"ATTEST_USER_DATA">> {
  return parseAs(ETHEREUM, bytes);
}

/** As `parseEthereumRetirement`. */
export function parseConsensusRetirement(
  bytes: Uint8Array,
): Result<ConsensusRetirement, Refusal<"ATTEST_USER_DATA">> {
  return parseAs(CONSENSUS, bytes);
}

function encodeAs<T>(form: StatementForm<T>, retirement: T): Uint8Array<ArrayBuffer> {
  const bytes = form.encode(retirement);
  invariant(bytes.length <= USER_DATA_BYTES_MAX, "a retirement fits into user_data");
  return bytes;
}

function parseAs<T>(
  form: StatementForm<T>,
  bytes: Uint8Array,
): Result<T, Refusal<"ATTEST_USER_DATA">> {
  const retirement = form.parse(bytes);
  return retirement === undefined ? err(refusal("ATTEST_USER_DATA")) : ok(retirement);
}
