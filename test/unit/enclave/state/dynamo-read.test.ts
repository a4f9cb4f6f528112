// Reads page by page against their deadline, and the calls that keep connections warm.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonFields } from "../../../../enclave/state/dynamo-item.ts";
import { COMMIT_DEADLINE_MS } from "../../../../shared/limits.ts";
import {
  type Answer,
  DynamoRig,
  failure,
  itemOf,
  KEY,
  type Line,
  LOST,
  late,
  SCOPE,
  STATE,
  success,
  writeOf,
} from "../../../fakes/scripted-dynamo.ts";

const NAME = STATE.table.text;
const CALL_COUNT = 8;
const PAGE_COUNT = 100;
const THROTTLED = failure("ThrottlingException");
const DENIED = failure("AccessDeniedException");
const MISSING = failure("ResourceNotFoundException");

function keyOf(number: number): Uint8Array {
  const key = KEY.slice();
  new DataView(key.buffer).setUint32(0, number);
  return key;
}

function keysOf(count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, number) => keyOf(number));
}

const FIRST = itemOf({ ...writeOf(2), key: keyOf(0) });
const SECOND = itemOf({ ...writeOf(2), key: keyOf(1) });
const THIRD = itemOf({ ...writeOf(2), key: keyOf(2) });

/** Items that were read, and of items that are left their keys. */
function page(items: readonly JsonFields[], left: readonly JsonFields[] = []): Answer {
  const keys = left.map(({ k = "" }) => ({ k }));
  const unprocessed = keys.length === 0 ? {} : { [NAME]: { Keys: keys } };
  return success({ Responses: { [NAME]: items }, UnprocessedKeys: unprocessed });
}

async function codeOf(rig: DynamoRig, keys = keysOf(2)): Promise<string> {
  const read = await rig.time.settle(rig.store.read(SCOPE, keys));
  if (!read.ok) return read.error.code;
  return `${read.value.filter((stored) => stored !== null).length} of ${read.value.length}`;
}

async function rigOf(...lines: readonly Line[]): Promise<DynamoRig> {
  return new DynamoRig(lines).open();
}

function askedCounts(rig: DynamoRig): readonly number[] {
  return rig.sent.map(({ body }) => JSON.stringify(body).split('"k"').length - 1);
}

function pausesOf(rig: DynamoRig): readonly number[] {
  return rig.calls.map(({ atMs }, index) => atMs - (rig.calls[index - 1]?.atMs ?? 0));
}

/** Each within the upper half of `wholeMs`, which doubles up to a bound. */
function assertDoubling(pauses: readonly number[], wholeMs: number): void {
  for (const [index, pauseMs] of pauses.entries()) {
    const mostMs = Math.min(wholeMs * 2 ** index, 400);
    assert(pauseMs >= mostMs / 2 && pauseMs < mostMs, `${pauseMs} of ${mostMs}`);
  }
}

test("a call reads a hundred keys, which is DynamoDB's bound", async () => {
  for (const [count, expected] of [
    [0, []],
    [PAGE_COUNT, [PAGE_COUNT]],
    [PAGE_COUNT + 1, [PAGE_COUNT, 1]],
    [2 * PAGE_COUNT, [PAGE_COUNT, PAGE_COUNT]],
  ] as const) {
    const rig = await rigOf(page([]));
    assert.equal(await codeOf(rig, keysOf(count)), `0 of ${count}`);
    assert.deepEqual(askedCounts(rig), expected);
  }
});

test("a read asks for eight pages at a time, and for no more after a refusal", async () => {
  const rig = await rigOf("hang");
  const reading = codeOf(rig, keysOf(20 * PAGE_COUNT));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(rig.sent.length, CALL_COUNT);
  assert.equal(await reading, "STORE_UNAVAILABLE");
  const denied = await rigOf(DENIED);
  assert.equal(await codeOf(denied, keysOf(20 * PAGE_COUNT)), "STORE_DENIED");
  assert.equal(denied.sent.length, CALL_COUNT);
});

test("of two pages that are refused the first is told", async () => {
  const rig = await rigOf(DENIED, failure("ValidationException"));
  assert.equal(await codeOf(rig, keysOf(2 * PAGE_COUNT)), "STORE_DENIED");
});

test("what a call leaves is asked for after a pause that doubles", async () => {
  const rig = await rigOf(
    page([FIRST], [SECOND, THIRD]),
    page([], [SECOND, THIRD]),
    page([SECOND], [THIRD]),
    page([THIRD]),
  );
  assert.equal(await codeOf(rig, keysOf(3)), "3 of 3");
  assert.deepEqual(askedCounts(rig), [3, 2, 2, 1]);
  const [first, ...pauses] = pausesOf(rig);
  assert.equal(first, 0);
  assertDoubling(pauses, 40);
});

test("what is left for ever is unavailable at the deadline", async () => {
  const rig = await rigOf(page([], [FIRST]));
  assert.equal(await codeOf(rig), "STORE_UNAVAILABLE");
  assert.equal(rig.time.nowMs(), COMMIT_DEADLINE_MS);
  assert(rig.calls.every(({ atMs }) => atMs < COMMIT_DEADLINE_MS));
});

test("a call that may pass is made again after a pause that doubles, any other is not", async () => {
  const rig = await rigOf(THROTTLED, LOST, THROTTLED, page([FIRST]));
  assert.equal(await codeOf(rig), "1 of 2");
  const [first, ...pauses] = pausesOf(rig);
  assert.equal(first, 0);
  assertDoubling(pauses, 20);
  for (const [line, code] of [
    [DENIED, "STORE_DENIED"],
    [failure("ValidationException"), "STORE_MALFORMED"],
    [MISSING, "STORE_IDENTITY"],
  ] as const) {
    const rig = await rigOf(line);
    assert.equal(await codeOf(rig), code);
    assert.equal(rig.sent.length, 1);
  }
});

test("a read makes no call at its deadline, and one while any time is left", async () => {
  for (const [leftMs, isSent] of [
    [1, true],
    [0, false],
    [-1, false],
  ] as const) {
    const rig = await rigOf(THROTTLED);
    // This thread is kept busy while the read pauses: the pause ends late.
    const busyMs = 2000;
    rig.time.after(busyMs, () => rig.time.passMs(COMMIT_DEADLINE_MS - busyMs - leftMs));
    assert.equal(await codeOf(rig), "STORE_THROTTLED");
    const lates = rig.calls.filter(({ atMs }) => atMs > busyMs);
    const expected = [{ atMs: COMMIT_DEADLINE_MS - leftMs, deadlineMs: leftMs, waitMs: leftMs }];
    assert.deepEqual(lates, isSent ? expected : [], `${leftMs} ms left`);
  }
  // The last pause ends when the time does.
  const throttled = await rigOf(late(COMMIT_DEADLINE_MS - 1, THROTTLED));
  assert.equal(await codeOf(throttled), "STORE_THROTTLED");
  assert.equal(throttled.time.nowMs(), COMMIT_DEADLINE_MS);
});

test("a page has each key that it was asked for once, found or left", async () => {
  for (const answer of [
    page([FIRST, FIRST]),
    page([FIRST], [FIRST]),
    page([FIRST], [THIRD]),
    page([], [THIRD]),
    page([THIRD]),
  ]) {
    const rig = await rigOf(answer, page([]));
    assert.equal(await codeOf(rig), "STORE_MALFORMED");
    assert.equal(rig.sent.length, 1);
  }
  // Nor may it come back to one that was found before.
  const rig = await rigOf(page([FIRST], [SECOND]), page([FIRST]));
  assert.equal(await codeOf(rig), "STORE_MALFORMED");
});

async function codeOfWrite(rig: DynamoRig): Promise<string> {
  const [outcome] = await rig.time.settle(rig.store.commit(SCOPE, [writeOf(2)]));
  return outcome?.kind === "unknown" ? outcome.cause.code : (outcome?.kind ?? "none");
}

test("a read that finds no table leaves nothing to write to", async () => {
  const rig = await rigOf(MISSING, success());
  assert.equal(await codeOf(rig), "STORE_IDENTITY");
  assert.equal(await codeOfWrite(rig), "STORE_IDENTITY");
  assert.equal(rig.sent.length, 1);
});

test("a call that keeps a connection warm and finds no table leaves nothing to write to", async () => {
  const rig = await rigOf((body) => ("Key" in body ? MISSING : DENIED));
  assert.equal(rig.time.intervals.length, 1);
  rig.time.intervals[0]?.run();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    rig.sent.map(({ operation }) => operation),
    ["DescribeTable", "GetItem", "GetItem", "GetItem"],
  );
  rig.sent.length = 0;
  assert.equal(await codeOfWrite(rig), "STORE_IDENTITY");
  assert.deepEqual(rig.sent, []);
});

test("a table that only a later page of a read misses is written to no more", async () => {
  const denied = failure("AccessDeniedException");
  const missing = failure("ResourceNotFoundException");
  const rig = await new DynamoRig([denied, missing, success()]).open();
  const keys = Array.from({ length: 200 }, (_, number) => {
    const key = new Uint8Array(48);
    new DataView(key.buffer).setUint32(0, number);
    return key;
  });
  const read = await rig.time.settle(rig.store.read(SCOPE, keys));
  assert.equal(read.ok ? "ok" : read.error.code, "STORE_DENIED");
  assert.equal(await rig.causeOf(writeOf(2)), "STORE_IDENTITY");
  assert.equal(rig.sent.length, 2, "nothing is written");
});
