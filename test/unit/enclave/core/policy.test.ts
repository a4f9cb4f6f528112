import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeyGroup } from "../../../../enclave/core/chains/ethereum/manifest-part.ts";
import { decidePolicy } from "../../../../enclave/core/policy.ts";
import { OPERATION_KINDS, operationMaskOf } from "../../../../shared/operation.ts";

const OURS = new Uint8Array(20).fill(1);
const THEIRS = new Uint8Array(20).fill(2);

function groupWith(changes: Partial<KeyGroup>): KeyGroup {
  return {
    name: "test",
    keys: null,
    operations: operationMaskOf(OPERATION_KINDS),
    feeRecipients: null,
    ...changes,
  };
}

test("a kind is allowed when its group names it, and no other kind with it", () => {
  for (const allowed of OPERATION_KINDS) {
    const group = groupWith({ operations: operationMaskOf([allowed]) });
    for (const kind of OPERATION_KINDS) {
      const expected = kind === allowed ? undefined : "POLICY_KIND_DENIED";
      assert.equal(decidePolicy(group, { kind })?.code, expected, `${kind} of ${allowed}`);
    }
  }
});

test("a group without kinds allows nothing", () => {
  for (const kind of OPERATION_KINDS) {
    const group = groupWith({ operations: 0 });
    assert.equal(decidePolicy(group, { kind })?.code, "POLICY_KIND_DENIED");
  }
});

test("a fee recipient must be listed where there is a list, also an empty one", () => {
  const kind = "VALIDATOR_REGISTRATION";
  const rows = [
    [null, THEIRS, undefined],
    [[OURS], OURS, undefined],
    [[THEIRS, OURS], OURS.slice(), undefined],
    [[OURS], THEIRS, "POLICY_FEE_RECIPIENT"],
    [[OURS], new Uint8Array(20), "POLICY_FEE_RECIPIENT"],
    [[], OURS, "POLICY_FEE_RECIPIENT"],
  ] as const;
  for (const [feeRecipients, feeRecipient, expected] of rows) {
    const denied = decidePolicy(groupWith({ feeRecipients }), { kind, feeRecipient });
    assert.equal(denied?.code, expected);
  }
  assert.equal(decidePolicy(groupWith({ feeRecipients: [] }), { kind: "BLOCK" }), null);
});
