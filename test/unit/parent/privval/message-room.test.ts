import assert from "node:assert/strict";
import { test } from "node:test";
import { CONNECTION_COUNT_MAX } from "../../../../parent/grpc/privval-listener.ts";
import { STREAM_COUNT_MAX } from "../../../../parent/grpc/privval-service.ts";
import {
  MessageRoom,
  ROOM_BYTES,
  SMALL_MESSAGE_BYTES_MAX,
} from "../../../../parent/privval/message-room.ts";
import {
  IN_FLIGHT_BYTES_MAX,
  PRIVVAL_MESSAGE_BYTES_MAX,
  PRIVVAL_NODE_COUNT_MAX,
} from "../../../../shared/limits.ts";

const SMALL = SMALL_MESSAGE_BYTES_MAX;
const LARGE = SMALL + 1;

test("a room takes what it has room for, and not one byte over", () => {
  const room = new MessageRoom(3 * LARGE);
  const bookings = [room.take(LARGE), room.take(LARGE)];
  assert.equal(room.take(LARGE + 1), null);
  assert.notEqual(room.take(LARGE), null);
  assert.equal(room.take(LARGE), null);
  bookings[0]?.release();
  bookings[0]?.release();
  assert.notEqual(room.take(LARGE), null);
  assert.equal(room.take(LARGE), null);
});

test("a small message always has room, and none is counted for it", () => {
  const room = new MessageRoom(LARGE);
  for (let count = 0; count < 100; count++) assert.equal(room.take(SMALL)?.byteCount, 0);
  assert.notEqual(room.take(LARGE), null);
  assert.equal(room.await(1, assert.fail).isGranted, true);
  assert.notEqual(room.take(SMALL), null);
  assert.equal(room.await(SMALL, assert.fail).isGranted, true);
});

test("who waits is told in order, is not overtaken, and may give up", () => {
  const room = new MessageRoom(2 * LARGE);
  const told: string[] = [];
  const first = room.take(2 * LARGE);
  const large = room.await(2 * LARGE, () => told.push("large"));
  const gone = room.await(LARGE, () => told.push("gone"));
  const last = room.await(LARGE, () => told.push("last"));
  gone.release();
  first?.release();
  assert.deepEqual(told, ["large"]);
  // There is none for it now, and another one waits before.
  assert.equal(room.take(LARGE), null);
  large.release();
  assert.deepEqual(told, ["large", "last"]);
  assert.deepEqual([large.isGranted, gone.isGranted, last.isGranted], [true, false, true]);
  assert.notEqual(room.take(LARGE), null);
  assert.equal(room.take(LARGE), null);
});

test("whoever is told may give its room back at once", () => {
  const room = new MessageRoom(LARGE);
  const first = room.take(LARGE);
  const told: string[] = [];
  const second = room.await(LARGE, () => {
    told.push("second");
    second.release();
  });
  room.await(LARGE, () => told.push("third"));
  room.await(LARGE, () => told.push("fourth"));
  first?.release();
  assert.deepEqual(told, ["second", "third"]);
});

test("both rooms and all small messages together fit into the link", () => {
  const smallCount = PRIVVAL_NODE_COUNT_MAX + CONNECTION_COUNT_MAX * STREAM_COUNT_MAX;
  const sum = 2 * ROOM_BYTES + smallCount * SMALL;
  assert.ok(sum < IN_FLIGHT_BYTES_MAX);
  assert.ok(ROOM_BYTES >= 4 * PRIVVAL_MESSAGE_BYTES_MAX);
});
