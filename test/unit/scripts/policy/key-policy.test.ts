import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildKeyPolicy } from "../../../../scripts/policy/key-policy.ts";
import { KMS_ACTIONS, matchesPattern } from "../../../../scripts/policy/kms-actions.ts";
import { KEY_POLICY_BYTES_MAX, parseKeyPolicy } from "../../../../scripts/policy/statement.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import { ADMIN, IMAGE, MANIFEST, PLAN, ROLE, SEALER } from "../../../fakes/key-policy.ts";

const EIGHT = [1, 2, 3, 4, 5, 6, 7, 8];

function withPcrs(pcrs: ReadonlyMap<number, readonly Uint8Array[]>) {
  return () => buildKeyPolicy({ ...PLAN, pcrs });
}

describe("buildKeyPolicy", () => {
  it("denies each register in a statement of its own", () => {
    const pcrs = new Map([...PLAN.pcrs, [8, [IMAGE]] as const, [3, [MANIFEST]] as const]);
    const { Statement } = buildKeyPolicy({ ...PLAN, pcrs });
    assert.deepEqual(
      Statement.map(({ Sid, Effect }) => `${String(Effect)} ${String(Sid)}`),
      [
        "Allow TheMeasuredEnclave",
        "Deny NoDecryptWithoutPCR0",
        "Deny NoDecryptWithoutPCR3",
        "Deny NoDecryptWithoutPCR8",
        "Deny NoDecryptWithoutPCR16",
        "Deny NoWayAround",
        "Allow Sealing",
        "Allow Administration",
      ],
    );
  });

  it("names the account's root nowhere, and everybody in Deny statements only", () => {
    for (const { Effect, Principal } of buildKeyPolicy(PLAN).Statement) {
      const text = JSON.stringify(Principal);
      assert.equal(text.includes("root"), false);
      assert.equal(text.includes("*"), Effect === "Deny");
    }
  });

  it("names every allowed action in full, and only actions that KMS has", () => {
    for (const { Effect, Action } of buildKeyPolicy(PLAN).Statement) {
      const actions: readonly unknown[] = Array.isArray(Action) ? Action : [Action];
      for (const action of actions.map(String)) {
        assert.ok(
          KMS_ACTIONS.some((known) => matchesPattern(action, known)),
          action,
        );
        assert.ok(Effect === "Deny" || KMS_ACTIONS.includes(action), action);
      }
    }
  });

  it("refuses to leave a register open, or to zeros", () => {
    const zeros = new Uint8Array(48);
    const rows: readonly ReadonlyMap<number, readonly Uint8Array[]>[] = [
      new Map(),
      new Map([[0, [IMAGE]]]),
      new Map([[16, [MANIFEST]]]),
      new Map([
        [3, [IMAGE]],
        [4, [IMAGE]],
        [8, [IMAGE]],
        [16, [MANIFEST]],
      ]),
      new Map([...PLAN.pcrs, [0, []]]),
      new Map([...PLAN.pcrs, [0, [IMAGE, zeros]]]),
      new Map([...PLAN.pcrs, [16, [zeros]]]),
      new Map([...PLAN.pcrs, [0, [IMAGE.subarray(1)]]]),
    ];
    for (const pcrs of rows) assert.throws(withPcrs(pcrs), InvariantError);
  });

  it("stays within the size of a key policy at all limits of the command", () => {
    const eight = EIGHT.map((index) => new Uint8Array(48).fill(index));
    const policy = buildKeyPolicy({
      roleArn: ROLE.padEnd(256, "x"),
      sealerArns: EIGHT.map((index) => `${SEALER}${index}`.padEnd(256, "x")),
      adminArns: EIGHT.map((index) => `${ADMIN}${index}`.padEnd(256, "x")),
      pcrs: new Map([0, 1, 2, 3, 4, 8, 16].map((index) => [index, eight])),
    });
    const bytes = new TextEncoder().encode(JSON.stringify(policy, null, 2));
    assert.ok(bytes.length <= KEY_POLICY_BYTES_MAX, `${bytes.length}`);
    assert.equal(parseKeyPolicy(bytes).ok, true);
  });
});
