// The store's compare-and-swap, its group commit, and what it answers when the file fails it.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { type Commit, RecordDatabase } from "../../../../parent/store/database.ts";
import type { DatabaseOptions } from "../../../../parent/store/schema.ts";

const SCOPE = new Uint8Array(32).fill(1);
const KEY = new Uint8Array(48).fill(2);
const OTHER_KEY = new Uint8Array(48).fill(3);
const NONE = { seq: 0, record: new Uint8Array(0) };

let folder = "";
let path = "";
let opened: RecordDatabase[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "store-"));
  path = join(folder, "state.db");
  opened = [];
});

afterEach(() => {
  for (const database of opened) database.close();
  rmSync(folder, { recursive: true });
});

function open(options: DatabaseOptions = {}, nowMs?: () => number): RecordDatabase {
  const database = new RecordDatabase(path, options, nowMs);
  opened.push(database);
  return database;
}

function bytes(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values);
}

function write(key: Uint8Array, seq: number, value = seq): Commit["writes"][number] {
  return { key, seq, record: bytes(value), receipt: bytes(value, 9) };
}

function commitOf(...writes: Commit["writes"]): Commit {
  return { scope: SCOPE, writes };
}

/** One commit's outcome: what is stored instead of each write, or the code of the refusal. */
function commit(database: RecordDatabase, ...writes: Commit["writes"]): unknown {
  return outcomes(database, commitOf(...writes))[0];
}

function outcomes(database: RecordDatabase, ...commits: readonly Commit[]): readonly unknown[] {
  return database
    .commitAll(commits)
    .map((outcome) => (outcome.ok ? plain(outcome.value) : outcome.error.code));
}

function read(database: RecordDatabase, ...keys: readonly Uint8Array[]): unknown {
  const answer = database.read(SCOPE, keys);
  return answer.ok ? plain(answer.value) : answer.error.code;
}

/** Buffers of SQLite as plain byte arrays, to compare. */
function plain(
  records: readonly ({ readonly seq: number; readonly record: Uint8Array } | null)[],
): unknown {
  return records.map((item) =>
    item === null ? null : { seq: item.seq, record: Uint8Array.from(item.record) },
  );
}

function large(index: number): Commit["writes"][number] {
  return {
    key: Uint8Array.of(index >> 8, index & 255),
    seq: 1,
    record: new Uint8Array(512),
    receipt: new Uint8Array(512),
  };
}

function receiptsIn(file: string): readonly unknown[] {
  const database = new DatabaseSync(file, { readOnly: true });
  const rows = database.prepare("SELECT seq, receipt FROM receipts ORDER BY id").all();
  database.close();
  return rows.map((row) => row["seq"]);
}

/** Changes the file behind the store's back, with our own checks out of the way. */
function edit(sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

for (const { stored, seq, outcome } of [
  { stored: 0, seq: 1, outcome: null },
  { stored: 0, seq: 0, outcome: NONE },
  { stored: 0, seq: 2, outcome: NONE },
  { stored: 1, seq: 0, outcome: { seq: 1, record: bytes(1) } },
  { stored: 1, seq: 1, outcome: { seq: 1, record: bytes(1) } },
  { stored: 1, seq: 2, outcome: null },
  { stored: 1, seq: 3, outcome: { seq: 1, record: bytes(1) } },
  { stored: 3, seq: 1, outcome: { seq: 3, record: bytes(3) } },
  { stored: 3, seq: 3, outcome: { seq: 3, record: bytes(3) } },
  { stored: 3, seq: 4, outcome: null },
  { stored: 3, seq: Number.MAX_SAFE_INTEGER, outcome: { seq: 3, record: bytes(3) } },
]) {
  const verdict = outcome === null ? "committed" : "a conflict";
  test(`a write of version ${seq} over version ${stored} is ${verdict}`, () => {
    const database = open();
    for (let version = 1; version <= stored; version++) commit(database, write(KEY, version));
    assert.deepEqual(commit(database, write(KEY, seq, 77)), [outcome]);
    const now = outcome === null ? { seq, record: bytes(77) } : outcome;
    assert.deepEqual(read(database, KEY), [now === NONE ? null : now]);
  });
}

test("a read answers in the order of its keys, null where there is no record", () => {
  const database = open();
  commit(database, write(KEY, 1));
  assert.deepEqual(read(database, OTHER_KEY, KEY, KEY), [
    null,
    { seq: 1, record: bytes(1) },
    { seq: 1, record: bytes(1) },
  ]);
  const elsewhere = database.read(new Uint8Array(32).fill(9), [KEY]);
  assert.deepEqual(elsewhere, { ok: true, value: [null] });
});

test("a later write of the same key in one commit builds on the earlier one", () => {
  const database = open();
  assert.deepEqual(commit(database, write(KEY, 1), write(KEY, 2), write(KEY, 2, 8)), [
    null,
    null,
    { seq: 2, record: bytes(2) },
  ]);
});

test("a conflict of one key leaves the other keys of its commit committed", () => {
  const database = open();
  assert.deepEqual(commit(database, write(KEY, 2), write(OTHER_KEY, 1)), [NONE, null]);
});

test("commits of one group share one transaction and see each other in order", () => {
  const database = open();
  const group = [
    commitOf(write(KEY, 1)),
    commitOf(write(OTHER_KEY, 1), write(KEY, 1, 9)),
    commitOf(write(KEY, 2)),
  ];
  assert.deepEqual(outcomes(database, ...group), [
    [null],
    [null, { seq: 1, record: bytes(1) }],
    [null],
  ]);
  assert.equal(database.stats.transactionCount, 1);
  assert.equal(database.stats.commitCount, 3);
  assert.equal(database.stats.recordCount, 3);
  assert.equal(database.stats.conflictCount, 1);
});

test("a closed and reopened store holds every record and one receipt per committed write", () => {
  const first = open();
  commit(first, write(KEY, 1), write(KEY, 2), write(KEY, 2), write(KEY, 9));
  first.close();
  assert.deepEqual(receiptsIn(path), [1, 2]);
  assert.deepEqual(read(open(), KEY), [{ seq: 2, record: bytes(2) }]);
});

test("the files of the store are its owner's only", () => {
  commit(open(), write(KEY, 1));
  for (const file of [path, `${path}-wal`]) assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("a full file refuses with STORE_FULL, writes nothing, and works again once there is room", () => {
  const database = open({ pageCountMax: 40 });
  let count = 0;
  while (count < 1000) {
    const answer = commit(database, large(count));
    if (answer === "STORE_FULL") break;
    assert.deepEqual(answer, [null]);
    count += 1;
  }
  assert.ok(count > 0 && count < 1000);
  const group = [commitOf(large(count)), commitOf(large(count + 1))];
  assert.deepEqual(outcomes(database, ...group), ["STORE_FULL", "STORE_FULL"]);
  assert.equal(database.fault?.code, "STORE_FULL");
  assert.deepEqual(read(database, large(count).key), [null]);
  assert.equal(database.fault?.code, "STORE_FULL", "a read says nothing of writes");
  database.close();
  const roomy = open();
  assert.deepEqual(commit(roomy, large(count)), [null]);
  assert.equal(roomy.fault, null);
});

for (const { title, sql } of [
  { title: "a version of zero", sql: "UPDATE records SET seq = 0" },
  { title: "a negative version", sql: "UPDATE records SET seq = -1" },
  { title: "a version beyond 2^53", sql: "UPDATE records SET seq = 9223372036854775807" },
  { title: "an empty record", sql: "UPDATE records SET record = x''" },
  { title: "an oversize record", sql: "UPDATE records SET record = zeroblob(513)" },
]) {
  test(`a row with ${title} is STORE_CORRUPT and takes no other key down`, () => {
    const before = open();
    commit(before, write(KEY, 1));
    before.close();
    edit(sql);
    const database = open();
    commit(database, write(OTHER_KEY, 1));
    assert.equal(read(database, KEY), "STORE_CORRUPT");
    const group = [commitOf(write(KEY, 2 ** 40)), commitOf(write(OTHER_KEY, 2))];
    assert.deepEqual(outcomes(database, ...group), ["STORE_CORRUPT", [null]]);
    assert.deepEqual(read(database, OTHER_KEY), [{ seq: 2, record: bytes(2) }]);
  });
}

for (const { title, prepare } of [
  { title: "no database", prepare: () => writeFileSync(path, "x".repeat(10_000)) },
  { title: "another program's", prepare: () => edit("CREATE TABLE a (b)") },
  {
    title: "of a later version",
    prepare: () => {
      open().open();
      opened[0]?.close();
      edit("PRAGMA user_version = 2");
    },
  },
  {
    title: "ours with a trigger in it",
    prepare: () => {
      open().open();
      opened[0]?.close();
      edit("CREATE TRIGGER t AFTER UPDATE ON records BEGIN DELETE FROM receipts; END");
    },
  },
  {
    title: "ours with another table",
    prepare: () => {
      open().open();
      opened[0]?.close();
      edit("DROP TABLE receipts; CREATE TABLE receipts (scope, key, seq, receipt)");
    },
  },
]) {
  test(`a file that is ${title} is refused with STORE_CORRUPT`, () => {
    prepare();
    const database = open();
    const outcome = database.open();
    assert.equal(outcome.ok ? "opened" : outcome.error.code, "STORE_CORRUPT");
    assert.equal(read(database, KEY), "STORE_CORRUPT");
    assert.equal(commit(database, write(KEY, 1)), "STORE_CORRUPT");
  });
}

test("a path that can't be a file is refused with STORE_UNAVAILABLE", () => {
  for (const bad of [folder, join(folder, "missing", "state.db")]) {
    const outcome = new RecordDatabase(bad).open();
    assert.equal(outcome.ok ? "opened" : outcome.error.code, "STORE_UNAVAILABLE");
  }
});

test("a second opening of the same file is STORE_LOCKED, and works after the first has closed", () => {
  let nowMs = 0;
  const first = open();
  commit(first, write(KEY, 1));
  const second = open({}, () => nowMs);
  assert.equal(commit(second, write(KEY, 2)), "STORE_LOCKED");
  first.close();
  assert.equal(read(second, KEY), "STORE_LOCKED");
  nowMs += 1000;
  assert.deepEqual(commit(second, write(KEY, 2)), [null]);
});

test("a file that was left in another journal mode is put back into WAL", () => {
  const database = open();
  commit(database, write(KEY, 1));
  database.close();
  edit("PRAGMA journal_mode = DELETE");
  assert.deepEqual(commit(open(), write(KEY, 2)), [null]);
  assert.ok(statSync(`${path}-wal`).size > 0);
});

test("a probe after a fault opens the file again, and clears the fault", () => {
  let nowMs = 0;
  const first = open();
  commit(first, write(KEY, 1));
  const second = open({}, () => nowMs);
  assert.equal(read(second, KEY), "STORE_LOCKED");
  nowMs += 1000;
  second.probe();
  assert.equal(second.fault?.code, "STORE_LOCKED");
  first.close();
  nowMs += 1000;
  second.probe();
  assert.equal(second.fault, null);
  assert.deepEqual(read(second, KEY), [{ seq: 1, record: bytes(1) }]);
});
