// Which receipts a write or a read puts into the log, and how many writes may wait.

import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeToken, type JsonFields } from "../../../../enclave/state/dynamo-item.ts";
import { IN_FLIGHT_COUNT_MAX } from "../../../../shared/limits.ts";
import {
  type Answer,
  BOOT_ID,
  conditionFailed,
  DynamoRig,
  failure,
  itemOf,
  KEY,
  type Line,
  LOST,
  SCOPE,
  STATE,
  success,
  writeOf,
} from "../../../fakes/scripted-dynamo.ts";

const OWN_TOKEN = Uint8Array.from(encodeToken(BOOT_ID, 99n));
const DENIED = failure("AccessDeniedException");

/** Answers that a write of this boot was replaced. */
function replaced(seq: number): Line {
  return success({ Attributes: itemOf(writeOf(seq), OWN_TOKEN) });
}

function page(items: readonly JsonFields[]): Answer {
  return success({ Responses: { [STATE.table.text]: items } });
}

async function read(rig: DynamoRig, keys: readonly Uint8Array[]): Promise<void> {
  assert.ok((await rig.time.settle(rig.store.read(SCOPE, keys))).ok);
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

test("a read logs what it finds of keys whose write had an unknown outcome, and of no other", async () => {
  const [unknown, missing, known] = [KEY.with(0, 1), KEY.with(0, 2), KEY.with(0, 3)];
  const items = [known, unknown].map((key) => itemOf({ ...writeOf(5), key }));
  const rig = new DynamoRig([DENIED, DENIED, success(), page(items)]);
  for (const key of [unknown, missing, known]) await rig.commit({ ...writeOf(1), key });
  assert.equal(rig.appendCount, 1, "one was committed");
  await read(rig, [unknown, missing, known]);
  assert.deepEqual(rig.logged.slice(1), [{ key: unknown, seq: 5, receipt: writeOf(5).receipt }]);
});

test("a read that finds nothing for the log tells it nothing", async () => {
  for (const lines of [
    [success(), page([itemOf(writeOf(1))])],
    [DENIED, page([])],
  ] as const) {
    const rig = new DynamoRig(lines);
    await rig.commit(writeOf(1));
    const countBefore = rig.appendCount;
    await read(rig, [KEY]);
    assert.equal(rig.appendCount, countBefore);
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
