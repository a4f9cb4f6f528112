// One write against its deadline: when each attempt is made, and what is told when none is left.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DynamoCall } from "../../../../enclave/state/dynamo-client.ts";
import {
  encodeItemKey,
  encodeToken,
  type JsonFields,
} from "../../../../enclave/state/dynamo-item.ts";
import { backoffMs, writeItem } from "../../../../enclave/state/dynamo-write.ts";
import { refusal } from "../../../../shared/errors.ts";
import { COMMIT_DEADLINE_MS } from "../../../../shared/limits.ts";
import { err, ok } from "../../../../shared/result.ts";
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
  late,
  OTHER_TOKEN,
  SCOPE,
  STATE,
  success,
  writeOf,
} from "../../../fakes/scripted-dynamo.ts";

const CONDITION_FAILED = "ConditionalCheckFailedException";
const THROTTLED = failure("ThrottlingException");
const RELAY: Answer = err({ kind: "relay", refusal: refusal("RELAY_UNREACHABLE") });
const ATTEMPT_MS = 1000;
const OTHERS = itemOf(writeOf(3));
const CONFLICT = { kind: "conflict", stored: { seq: 3, record: writeOf(3).record } };

/** Refused for an item that only a read would show, and the read is refused as well. */
const unread: Line = (body) => ("Item" in body ? conditionFailed() : THROTTLED);

function operationsOf(rig: DynamoRig): readonly string[] {
  return rig.sent.map(({ operation }) => operation);
}

test("an attempt may take a second, and never longer than the write has left", async () => {
  const rig = new DynamoRig(["hang"]);
  assert.equal(await rig.causeOf(writeOf(1)), "STATE_UNKNOWN");
  assert.equal(rig.calls.length, 4);
  for (const { atMs, deadlineMs, waitMs } of rig.calls) {
    // For a connection it may wait as long as there is time.
    assert.equal(waitMs, COMMIT_DEADLINE_MS - atMs);
    assert.equal(deadlineMs, Math.min(ATTEMPT_MS, waitMs));
  }
});

test("the pause after each attempt doubles, up to a bound", async () => {
  const rig = new DynamoRig([THROTTLED]);
  await rig.commit(writeOf(1));
  const times = rig.calls.map(({ atMs }) => atMs);
  const pauses = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
  const wholes = pauses.map((_, index) => Math.min(20 * 2 ** index, 400));
  assert(pauses.length > 10);
  for (const [index, pauseMs] of pauses.entries()) {
    const wholeMs = wholes[index] ?? 0;
    assert(pauseMs >= wholeMs / 2 && pauseMs < wholeMs, `${pauseMs} of ${wholeMs}`);
  }
});

function pausesOf(bootId: Uint8Array): readonly number[] {
  return Array.from({ length: 8 }, (_, count) => backoffMs(count, encodeToken(bootId, 1n)));
}

test("the writes of a boot are spread over a half of their pause, and so are boots", () => {
  for (const [count, wholeMs] of [
    [0, 20],
    [1, 40],
    [4, 320],
    [5, 400],
    [9, 400],
  ] as const) {
    const pauses = Array.from({ length: 256 }, (_, last) => {
      return backoffMs(count, encodeToken(BOOT_ID, BigInt(last)));
    });
    const step = wholeMs / 2 / 256;
    const expected = Array.from({ length: 256 }, (_, at) => wholeMs / 2 + at * step);
    assert.deepEqual(
      pauses.toSorted((a, b) => a - b),
      expected,
    );
  }
  for (let at = 0; at < 8; at++) {
    const other = BOOT_ID.with(at, 77);
    assert.notDeepEqual(pausesOf(other), pausesOf(BOOT_ID), `byte ${at}`);
  }
});

test("nothing is sent at the deadline or later, and something while any time is left", async () => {
  for (const [leftMs, isSent] of [
    [1, true],
    [0, false],
    [-1, false],
    [-500, false],
  ] as const) {
    const rig = await new DynamoRig([THROTTLED]).open();
    // This thread is kept busy while the write pauses: the pause ends late, before the deadline.
    const busyMs = 2000;
    rig.time.after(busyMs, () => rig.time.passMs(COMMIT_DEADLINE_MS - busyMs - leftMs));
    assert.equal(await rig.causeOf(writeOf(1)), "STORE_THROTTLED");
    const lates = rig.calls.filter(({ atMs }) => atMs > busyMs);
    const expected = [{ atMs: COMMIT_DEADLINE_MS - leftMs, deadlineMs: leftMs, waitMs: leftMs }];
    assert.deepEqual(lates, isSent ? expected : [], `${leftMs} ms left`);
  }
});

test("a write that was answered at its deadline is not attempted again", async () => {
  const timers: { readonly delayMs: number; readonly run: () => void }[] = [];
  const ticker = {
    every: () => assert.fail("a write has no intervals"),
    after: (delayMs: number, run: () => void) => {
      timers.push({ delayMs, run });
      return { stop: () => undefined };
    },
  };
  const sent: JsonFields[] = [];
  const call: DynamoCall = (_, body) => {
    sent.push(body);
    return Promise.resolve(THROTTLED);
  };
  // A clock that is behind the timers.
  const ports = { call, ticker, clock: { nowMs: () => 0 } };
  const token = encodeToken(BOOT_ID, 1n);
  const itemKey = encodeItemKey(SCOPE, KEY);
  const write = writeItem(ports, {
    tableName: STATE.table.text,
    itemKey,
    write: writeOf(1),
    token,
  });
  await new Promise((resolve) => setImmediate(resolve));
  const [deadline, pause] = timers;
  assert(deadline !== undefined && pause !== undefined);
  assert.equal(deadline.delayMs, COMMIT_DEADLINE_MS);
  deadline.run();
  const cause = refusal("STORE_THROTTLED");
  assert.deepEqual(await write, { outcome: { kind: "unknown", cause }, other: null });
  pause.run();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([sent.length, timers.length], [1, 2]);
});

test("a write that has ended leaves no timer behind", async () => {
  for (const lines of [
    [success()],
    [THROTTLED, success()],
    [failure("AccessDeniedException")],
    [conditionFailed(OTHERS)],
  ] as const satisfies readonly (readonly Line[])[]) {
    const rig = new DynamoRig(lines);
    await rig.commit(writeOf(2));
    assert.equal(rig.time.timerCount, 0);
  }
});

test("what is told at the deadline is what is known by then", async () => {
  const lateMs = COMMIT_DEADLINE_MS - 500;
  for (const [name, lines, code] of [
    ["an attempt is under way", [late(lateMs, THROTTLED), "hang"], "STATE_UNKNOWN"],
    ["an attempt was lost, the next not sent", [LOST, RELAY], "STATE_UNKNOWN"],
    ["an attempt was malformed", [err({ kind: "malformed" }), RELAY], "STATE_UNKNOWN"],
    ["nothing was sent", [RELAY], "STORE_UNAVAILABLE"],
    ["refused, and not sent again", [THROTTLED, RELAY], "STORE_UNAVAILABLE"],
    ["refused for what can't be read", [unread], "STORE_THROTTLED"],
    ["refused, not read, refused", [conditionFailed(), THROTTLED], "STORE_THROTTLED"],
    ["lost, refused for what can't be read", [LOST, unread], "STATE_UNKNOWN"],
    ["a read is under way", [late(lateMs, conditionFailed()), "hang"], "STORE_UNAVAILABLE"],
    ["an error without meaning", [failure("Unheard", 418), RELAY], "STATE_UNKNOWN"],
  ] as const satisfies readonly (readonly [string, readonly Line[], string])[]) {
    const rig = new DynamoRig(lines);
    assert.equal(await rig.causeOf(writeOf(2)), code, name);
    assert.equal(rig.time.nowMs(), COMMIT_DEADLINE_MS, name);
    assert.deepEqual(rig.logged, [], name);
  }
});

test("only a client's fault of that name says that the condition failed", async () => {
  for (const status of [401, 500]) {
    const rig = new DynamoRig([failure(CONDITION_FAILED, status, { Item: OTHERS }), success()]);
    assert.equal(await rig.causeOf(writeOf(2)), "committed");
    assert.deepEqual(operationsOf(rig), ["PutItem", "PutItem"]);
  }
});

test("a conflict whose body can't be read is read from the table", async () => {
  const unreadable = ok({
    kind: "error",
    status: 400,
    name: CONDITION_FAILED,
    body: null,
  } as const);
  const rig = new DynamoRig([unreadable, success({ Item: OTHERS })]);
  assert.deepEqual(await rig.commit(writeOf(2)), CONFLICT);
  const Key = { k: OTHERS["k"] };
  const read = { TableName: STATE.table.text, Key, ConsistentRead: true };
  assert.deepEqual(rig.sent[1], { operation: "GetItem", body: read });
  assert.equal(rig.calls[1]?.deadlineMs, ATTEMPT_MS);
});

test("a conflict that can't be read yet is attempted again, one that never can is told", async () => {
  const other = itemOf({ ...writeOf(3), key: KEY.with(0, 1) });
  const put = ["PutItem", "PutItem"];
  const read = ["PutItem", "GetItem", "PutItem"];
  for (const [lines, operations] of [
    [[conditionFailed(), THROTTLED, conditionFailed(OTHERS)], read],
    [[conditionFailed(), LOST, conditionFailed(OTHERS)], read],
    [[conditionFailed(), failure("ValidationException"), conditionFailed(OTHERS)], read],
    [[conditionFailed(), success({ Item: other }), conditionFailed(OTHERS)], read],
    [[conditionFailed(other), conditionFailed(OTHERS)], put],
  ] as const satisfies readonly (readonly [readonly Line[], readonly string[]])[]) {
    const rig = new DynamoRig(lines);
    assert.deepEqual(await rig.commit(writeOf(2)), CONFLICT);
    assert.deepEqual(operationsOf(rig), operations);
  }
  for (const [line, code] of [
    [failure("AccessDeniedException"), "STORE_DENIED"],
    [failure("ResourceNotFoundException"), "STORE_IDENTITY"],
    [success({ Item: { ...OTHERS, q: { N: "0" } } }), "STORE_CORRUPT"],
  ] as const satisfies readonly (readonly [Line, string])[]) {
    const rig = new DynamoRig([conditionFailed(), line, success()]);
    assert.equal(await rig.causeOf(writeOf(2)), code);
    assert.deepEqual(operationsOf(rig), ["PutItem", "GetItem"]);
  }
});

test("what was replaced is told where it is an item of the same key", async () => {
  const other = itemOf({ ...writeOf(1), key: KEY.with(0, 1) }, OTHER_TOKEN);
  for (const [Attributes, seqs] of [
    [itemOf(writeOf(1)), [1, 2]],
    [other, [2]],
    [{ ...itemOf(writeOf(1)), q: { N: "0" } }, [2]],
    [7, [2]],
  ] as const) {
    const rig = new DynamoRig([success({ Attributes })]);
    assert.deepEqual(await rig.commit(writeOf(2)), { kind: "committed" });
    assert.deepEqual(
      rig.logged.map(({ seq }) => seq),
      seqs,
    );
  }
});
