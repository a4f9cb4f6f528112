// What the parent asks of an enclave that signs for Tendermint chains: part of ENCLAVE_METHODS.

import {
  CHAIN_ID_BYTES_MAX,
  COMMIT_COUNT_MAX,
  PAGE_COUNT_MAX,
  PRIVVAL_ANSWER_BYTES_MAX,
  PRIVVAL_MESSAGE_BYTES_MAX,
  RETIRE_COUNT_MAX,
} from "../limits.ts";
import {
  bytesField,
  countField,
  flagField,
  listField,
  nullableField,
  recordField,
  textField,
  u64Field,
  type ValueOf,
} from "./field.ts";
import { documentField, keyField, method, signedOrderField } from "./method.ts";
import { positionField } from "./position-field.ts";

export const chainIdField = textField(CHAIN_ID_BYTES_MAX);

/** As `ethereumStateField`, of a Tendermint chain's key. */
const consensusStateField = recordField({
  key: keyField,
  chainId: chainIdField,
  hasRecord: flagField,
  isRetired: flagField,
  seq: countField(),
  head: bytesField(32, 32),
  /** Null where nothing was signed yet. */
  last: nullableField(positionField),
  /** What was signed there, but for its time; null when it is not known. */
  root: nullableField(bytesField(32, 32)),
  /**
   * Up to which height a boot has reserved, and may have signed without a record; null: nothing is
   * reserved.
   */
  reserved: nullableField(u64Field),
});

export const CONSENSUS_METHODS = {
  /**
   * Answers one privval message of a chain's node (a protobuf `Message` without its length), as it
   * is to be sent back. `key` is null where the chain has one loaded key only. `signed` says what
   * was signed, for logs and metrics.
   */
  privval: method(
    recordField({
      chainId: chainIdField,
      key: nullableField(keyField),
      message: bytesField(1, PRIVVAL_MESSAGE_BYTES_MAX),
    }),
    recordField({
      answer: bytesField(1, PRIVVAL_ANSWER_BYTES_MAX),
      signed: nullableField(
        recordField({
          position: positionField,
          /** Empty for nil. */
          blockHash: bytesField(0, 32),
          hasExtension: flagField,
        }),
      ),
    }),
  ),
  "consensus.show": method(
    recordField({ keys: listField(keyField, PAGE_COUNT_MAX) }),
    listField(consensusStateField, PAGE_COUNT_MAX),
  ),
  /** As `state.import`, for keys of one chain. */
  "consensus.import": method(
    recordField({
      chainId: chainIdField,
      floors: listField(recordField({ key: keyField, last: positionField }), COMMIT_COUNT_MAX),
      isDryRun: flagField,
      reason: countField(255),
    }),
    listField(consensusStateField, COMMIT_COUNT_MAX),
  ),
  /** As `state.retire`; a key without a record is refused, for nothing is known of it. */
  "consensus.retire": method(
    recordField({ keys: listField(keyField, RETIRE_COUNT_MAX) }),
    listField(
      recordField({ state: consensusStateField, document: documentField }),
      RETIRE_COUNT_MAX,
    ),
  ),
  /** As `state.override`. */
  "consensus.override": method(signedOrderField, consensusStateField),
} as const;

export type ConsensusState = ValueOf<typeof consensusStateField>;
