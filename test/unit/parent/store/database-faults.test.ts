// What the store does after a failure: what it says of the write, when it opens its file again,
// and what a probe finds out. SQLite fails here when a test says so.

import assert from "node:assert/strict";
import fs, { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { afterEach, beforeEach, type TestContext, test } from "node:test";
import { type Commit, RecordDatabase } from "../../../../parent/store/database.ts";
import { ok } from "../../../../shared/result.ts";

const SCOPE = new Uint8Array(32).fill(1);
const KEY = new Uint8Array(48).fill(2);
/** Result codes of SQLite. */
const BUSY = 5;
const IOERR = 10;
const FULL = 13;

let folder = "";
let path = "";
let nowMs = 0;
let opened: RecordDatabase[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "store-"));
  path = join(folder, "state.db");
  nowMs = 0;
  opened = [];
});

afterEach(() => {
  for (const database of opened) database.close();
  rmSync(folder, { recursive: true });
});

function open(clock = () => nowMs): RecordDatabase {
  const database = new RecordDatabase(path, {}, clock);
  opened.push(database);
  return database;
}

function commitOf(seq: number): Commit {
  const bytes = Uint8Array.of(seq);
  return { scope: SCOPE, writes: [{ key: KEY, seq, record: bytes, receipt: bytes }] };
}

/** Of each commit "ok", or the code of the refusal. */
function codes(database: RecordDatabase, ...seqs: readonly number[]): readonly string[] {
  return database
    .commitAll(seqs.map(commitOf))
    .map((outcome) => (outcome.ok ? "ok" : outcome.error.code));
}

function readCode(database: RecordDatabase): string {
  const answer = database.read(SCOPE, [KEY]);
  return answer.ok ? "ok" : answer.error.code;
}

function sqliteError(errcode: number): Error {
  return Object.assign(new Error("as told"), { code: "ERR_SQLITE_ERROR", errcode });
}

/** Makes COMMIT fail until it is restored; tells how often it was tried. */
function failCommits(t: TestContext, errcode: number) {
  // oxlint-disable-next-line typescript/unbound-method -- bound when it is called
  const { run } = StatementSync.prototype;
  const tried = { count: 0, restore: () => mocked.mock.restore() };
  const mocked = t.mock.method(
    StatementSync.prototype,
    "run",
    function failing(this: StatementSync, ...values: Parameters<typeof run>) {
      if (this.sourceSQL !== "COMMIT") return run.apply(this, values);
      tried.count += 1;
      throw sqliteError(errcode);
    },
  );
  return tried;
}

/** Makes statements without parameters fail that start so. */
function failExec(t: TestContext, start: string, error: Error): void {
  // oxlint-disable-next-line typescript/unbound-method -- bound when it is called
  const { exec } = DatabaseSync.prototype;
  t.mock.method(DatabaseSync.prototype, "exec", function failing(this: DatabaseSync, sql: string) {
    if (sql.startsWith(start)) throw error;
    exec.call(this, sql);
  });
}

/** A disk without any room, as far as it tells. */
function fillDisk(t: TestContext): void {
  const mocked = t.mock.method(fs, "statfsSync", () => ({ bavail: 0, bsize: 4096 }));
  syncBuiltinESMExports();
  t.after(() => {
    mocked.mock.restore();
    syncBuiltinESMExports();
  });
}

/** A store with one record, whose last write failed so. */
function failedStore(t: TestContext, errcode: number): RecordDatabase {
  const database = open();
  assert.deepEqual(codes(database, 1), ["ok"]);
  const failing = failCommits(t, errcode);
  codes(database, 2);
  failing.restore();
  return database;
}

test("a store that was just made has counted nothing, and has no fault", () => {
  const database = open();
  assert.equal(database.fault, null);
  assert.deepEqual(new Set(Object.values(database.stats)), new Set([0]));
  assert.deepEqual(database.open(), ok(null));
});

test("the time in COMMIT is summed up, and its maximum kept", () => {
  const times = [0, 10, 13, 20, 27, 30, 32];
  const database = open(() => times.shift() ?? 40);
  for (const seq of [1, 2, 3]) assert.deepEqual(codes(database, seq), ["ok"]);
  assert.equal(database.stats.syncMsSum, 12);
  assert.equal(database.stats.syncMsMax, 7);
});

test("a store that was closed opens its file for the next request, at once", () => {
  const database = open();
  assert.deepEqual(codes(database, 1), ["ok"]);
  database.close();
  assert.deepEqual(codes(database, 2), ["ok"]);
  database.close();
  assert.equal(readCode(database), "ok");
});

for (const { errcode, code } of [
  { errcode: FULL, code: "STORE_FULL" },
  { errcode: BUSY, code: "STORE_LOCKED" },
]) {
  test(`a COMMIT that fails with ${code} wrote nothing, and the next one is tried at once`, (t) => {
    const database = open();
    assert.deepEqual(codes(database, 1), ["ok"]);
    const failing = failCommits(t, errcode);
    assert.deepEqual(codes(database, 2, 3), [code, code]);
    assert.equal(failing.count, 1, "not each alone");
    assert.equal(database.stats.refusedCount, 2);
    assert.equal(database.fault?.code, code);
    failing.restore();
    assert.deepEqual(codes(database, 2, 3), ["ok", "ok"]);
    assert.equal(database.fault, null);
  });
}

test("a COMMIT that fails otherwise is unknown, and the file is left alone for a second", (t) => {
  const database = open();
  assert.deepEqual(codes(database, 1), ["ok"]);
  nowMs = 5000;
  const failing = failCommits(t, IOERR);
  assert.deepEqual(codes(database, 2, 3), ["STATE_UNKNOWN", "STATE_UNKNOWN"]);
  assert.equal(failing.count, 1);
  failing.restore();
  nowMs = 5999;
  assert.deepEqual(codes(database, 2), ["STORE_UNAVAILABLE"]);
  assert.equal(database.fault?.code, "STORE_UNAVAILABLE");
  nowMs = 6000;
  assert.deepEqual(codes(database, 2), ["ok"]);
  assert.equal(database.fault, null);
});

test("a rollback that fails like no database does ends the program", (t) => {
  const database = open();
  assert.deepEqual(codes(database, 1), ["ok"]);
  const failing = failCommits(t, FULL);
  failExec(t, "ROLLBACK", new TypeError("a bug"));
  assert.throws(() => codes(database, 2), TypeError);
  failing.restore();
});

test("a probe of a store without a fault does nothing", () => {
  open().probe();
  assert.equal(existsSync(path), false);
});

test("a probe of a full store writes to the disk before it clears the fault", (t) => {
  const database = failedStore(t, FULL);
  const { size } = statSync(`${path}-wal`);
  database.probe();
  assert.equal(database.fault, null);
  assert(statSync(`${path}-wal`).size > size);
});

test("a probe of a full store waits until the disk has room for commits", (t) => {
  const database = failedStore(t, FULL);
  const { size } = statSync(`${path}-wal`);
  fillDisk(t);
  database.probe();
  assert.equal(database.fault?.code, "STORE_FULL");
  assert.equal(statSync(`${path}-wal`).size, size);
});

test("a probe after another fault does not ask for room", (t) => {
  const database = failedStore(t, BUSY);
  fillDisk(t);
  database.probe();
  assert.equal(database.fault, null);
});

test("a probe whose write fails states the new fault, and leaves the file alone", (t) => {
  const database = failedStore(t, FULL);
  failExec(t, "PRAGMA user_version=", sqliteError(IOERR));
  database.probe();
  assert.equal(database.fault?.code, "STORE_UNAVAILABLE");
  assert.equal(readCode(database), "STORE_UNAVAILABLE");
});
