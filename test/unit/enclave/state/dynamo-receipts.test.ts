// Which receipts a write puts into the log, and how many writes may wait.

import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeToken } from "../../../../enclave/state/dynamo-item.ts";
import { IN_FLIGHT_COUNT_MAX } from "../../../../shared/limits.ts";
import {
  BOOT_ID,
  conditionFailed,
  DynamoRig,
  failure,
  itemOf,
  KEY,
  type Line,
  LOST,
  SCOPE,
  success,
  writeOf,
} from "../../../fakes/scripted-dynamo.ts";

const OWN_TOKEN = Uint8Array.from(encodeToken(BOOT_ID, 99n));
const DENIED = failure("AccessDeniedException");

/** Answers that a write of this boot was replaced. */
function replaced(seq: number): Line {
  return success({ Attributes: itemOf(writeOf(seq), OWN_TOKEN) });
}

/** The versions that are logged when these are written one after the other. */
async function loggedBy(lines: readonly Line[], seqs: readonly number[]) {
  const rig = new DynamoRig(lines);
  for (const seq of seqs) await rig.commit(writeOf(seq));
  return rig.logged.map(({ seq }) => seq);
}

test("a receipt that this boot has logged is not logged with its successor", async () => {
  assert.deepEqual(await loggedBy([success(), replaced(1), replaced(2)], [1, 2, 3]), [1, 2, 3]);
});

test("a receipt whose write had an unknown outcome is logged with its successor, once", async () => {
  const lines = [LOST, DENIED, replaced(1), replaced(2)];
  assert.deepEqual(await loggedBy(lines, [1, 2, 3]), [1, 2, 3]);
  // Another key's is not this one's.
  const rig = new DynamoRig([DENIED, replaced(1)]);
  await rig.commit({ ...writeOf(1), key: KEY.with(0, 1) });
  await rig.commit(writeOf(2));
  assert.deepEqual(
    rig.logged.map(({ seq }) => seq),
    [2],
  );
});

test("a conflict's receipt is logged, also where this boot has written it", async () => {
  const own = itemOf(writeOf(3), OWN_TOKEN);
  assert.deepEqual(await loggedBy([conditionFailed(own), replaced(3)], [2, 4]), [3, 4]);
});

test("the log is told nothing when there is nothing to tell", async () => {
  for (const lines of [[DENIED], [LOST], [conditionFailed(), success()]] as const) {
    const rig = new DynamoRig(lines);
    assert.notEqual(await rig.causeOf(writeOf(1)), "committed");
    assert.equal(rig.appendCount, 0);
  }
});

test("a write beyond the limit is refused, and the limit stays what it was", async () => {
  const rig = await new DynamoRig([success()]).open();
  const writes = Array.from({ length: IN_FLIGHT_COUNT_MAX + 1 }, () => writeOf(1));
  for (let round = 0; round < 2; round++) {
    const outcomes = await rig.time.settle(rig.store.commit(SCOPE, writes));
    assert.equal(outcomes.filter(({ kind }) => kind === "committed").length, IN_FLIGHT_COUNT_MAX);
    const last = outcomes.at(-1);
    assert.equal(last?.kind === "unknown" && last.cause.code, "STORE_UNAVAILABLE");
  }
});
