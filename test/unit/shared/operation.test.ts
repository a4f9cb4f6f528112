import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DEFAULT_OPERATIONS,
  hasOperation,
  IS_DEFAULT_OPERATION,
  OPERATION_KINDS,
  OPERATION_MASK_MAX,
  operationMaskOf,
} from "../../../shared/operation.ts";

/** On the wire, in receipts and in records: a kind that is moved becomes another one. */
const BITS: readonly (readonly [(typeof OPERATION_KINDS)[number], number])[] = [
  ["BLOCK", 0],
  ["ATTESTATION", 1],
  ["AGGREGATION_SLOT", 2],
  ["AGGREGATE_AND_PROOF", 3],
  ["RANDAO_REVEAL", 4],
  ["VOLUNTARY_EXIT", 5],
  ["DEPOSIT", 6],
  ["SYNC_COMMITTEE_MESSAGE", 7],
  ["SYNC_COMMITTEE_SELECTION_PROOF", 8],
  ["SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", 9],
  ["VALIDATOR_REGISTRATION", 10],
  ["EXECUTION_PAYLOAD_BID", 11],
  ["EXECUTION_PAYLOAD_ENVELOPE", 12],
  ["PAYLOAD_ATTESTATION_MESSAGE", 13],
  ["PROPOSER_PREFERENCES", 14],
  ["BUILDER_REQUEST_AUTH", 15],
];

test("operation kinds are unique and fit in the bits of a mask", () => {
  assert.ok(OPERATION_KINDS.length <= 32);
  assert.equal(new Set(OPERATION_KINDS).size, OPERATION_KINDS.length);
  assert.equal(OPERATION_MASK_MAX, 2 ** 32 - 1);
});

test("a kind's bit is its index, and that of a kind which is out never changes", () => {
  for (const [index, kind] of OPERATION_KINDS.entries()) {
    assert.equal(operationMaskOf([kind]), 2 ** index);
  }
  for (const [kind, bit] of BITS) assert.equal(OPERATION_KINDS[bit], kind);
});

test("a mask has the kinds that it was made of and no others", () => {
  for (const kind of OPERATION_KINDS) {
    const only = operationMaskOf([kind, kind]);
    const others = operationMaskOf(OPERATION_KINDS.filter((other) => other !== kind));
    for (const other of OPERATION_KINDS) {
      assert.equal(hasOperation(only, other), other === kind);
      assert.equal(hasOperation(others, other), other !== kind);
    }
    assert.equal(hasOperation(0, kind), false);
    assert.equal(hasOperation(OPERATION_MASK_MAX, kind), true);
  }
  assert.equal(operationMaskOf([]), 0);
});

test("bits without a kind, the sign bit too, give no kind", () => {
  const unknown = (OPERATION_MASK_MAX - operationMaskOf(OPERATION_KINDS)) >>> 0;
  for (const kind of OPERATION_KINDS) assert.equal(hasOperation(unknown, kind), false);
});

test("by default nothing can be asked for that moves a stake", () => {
  const denied = OPERATION_KINDS.filter((kind) => !hasOperation(DEFAULT_OPERATIONS, kind));
  assert.deepEqual(denied, ["VOLUNTARY_EXIT", "DEPOSIT"]);
  assert.deepEqual(Object.keys(IS_DEFAULT_OPERATION), [...OPERATION_KINDS]);
});
