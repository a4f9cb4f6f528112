// The log of receipts: what is appended, how it is read, and rows that nobody here can have
// written.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { RecordDatabase } from "../../../../parent/store/database.ts";
import { RECEIPT_PAGE_COUNT_MAX, RECORD_BYTES_MAX } from "../../../../shared/limits.ts";
import { ok } from "../../../../shared/result.ts";

const SCOPE = new Uint8Array(32).fill(1);
const KEY = new Uint8Array(48).fill(2);

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

function open(): RecordDatabase {
  const database = new RecordDatabase(path, {}, () => 0);
  opened.push(database);
  return database;
}

function append(database: RecordDatabase, ...seqs: readonly number[]): unknown {
  const receipts = seqs.map((seq) => ({ key: KEY, seq, receipt: Uint8Array.of(9) }));
  return database.append({ scope: SCOPE, receipts });
}

/** The versions of the lines after this one, or the code of the refusal. */
function seqsAfter(database: RecordDatabase, id: number): unknown {
  const lines = database.receiptsAfter(id);
  return lines.ok ? lines.value.map(({ seq }) => seq) : lines.error.code;
}

/** Gives columns values that our table would refuse, behind the store's back. */
function forge(change: string): void {
  const database = new DatabaseSync(path, { defensive: false });
  const schema = database.prepare("SELECT sql FROM sqlite_schema WHERE name = 'receipts'").get();
  database.exec("CREATE TABLE loose (id INTEGER PRIMARY KEY, scope, key, seq, receipt)");
  database.exec("INSERT INTO loose SELECT * FROM receipts; DROP TABLE receipts");
  database.exec("ALTER TABLE loose RENAME TO receipts");
  database.exec(`UPDATE receipts SET ${change}; PRAGMA writable_schema = ON`);
  const restore = database.prepare("UPDATE sqlite_schema SET sql = ? WHERE name = 'receipts'");
  restore.run(schema?.["sql"] ?? null);
  database.close();
}

test("receipts are logged in the order in which they came, and twice if they come twice", () => {
  const database = open();
  assert.deepEqual(append(database, 0, 7), ok(null));
  assert.deepEqual(append(database, 7), ok(null));
  assert.deepEqual(seqsAfter(database, 0), [0, 7, 7]);
  assert.deepEqual(seqsAfter(database, 2), [7]);
  assert.deepEqual(seqsAfter(database, 3), []);
  const lines = database.receiptsAfter(2);
  assert(lines.ok);
  assert.deepEqual(
    lines.value.map(({ id, scope, key, seq, receipt }) => ({
      id,
      scope: Uint8Array.from(scope),
      key: Uint8Array.from(key),
      seq,
      receipt: Uint8Array.from(receipt),
    })),
    [{ id: 3, scope: SCOPE, key: KEY, seq: 7, receipt: Uint8Array.of(9) }],
  );
});

test("a page of the log ends at its limit", () => {
  const database = open();
  const seqs = Array.from({ length: RECEIPT_PAGE_COUNT_MAX + 1 }, (_, index) => index);
  assert.deepEqual(append(database, ...seqs), ok(null));
  assert.deepEqual(seqsAfter(database, 0), seqs.slice(0, -1));
  assert.deepEqual(seqsAfter(database, RECEIPT_PAGE_COUNT_MAX), seqs.slice(-1));
});

test("a log whose file is no database is refused with STORE_CORRUPT", () => {
  writeFileSync(path, "x".repeat(10_000));
  assert.equal(seqsAfter(open(), 0), "STORE_CORRUPT");
});

for (const change of [
  "seq = 'x'",
  "seq = '5'",
  "seq = x'35'",
  "seq = NULL",
  "seq = -1",
  "seq = 9223372036854775807",
  "id = 9223372036854775807",
  "scope = 'x'",
  "key = 'x'",
  "receipt = 'x'",
]) {
  test(`a line with ${change} is refused with STORE_CORRUPT`, () => {
    const before = open();
    append(before, 1);
    before.close();
    forge(change);
    const database = open();
    assert.deepEqual(database.open(), ok(null), "found by the reader alone");
    assert.equal(seqsAfter(database, 0), "STORE_CORRUPT");
  });
}

test("a line that is changed to what it may be is read", () => {
  const before = open();
  append(before, 1);
  before.close();
  forge("seq = 5");
  assert.deepEqual(seqsAfter(open(), 0), [5]);
});

test("a record of the greatest length is read as it was written", () => {
  const database = open();
  const record = new Uint8Array(RECORD_BYTES_MAX).fill(3);
  const receipt = Uint8Array.of(9);
  database.commitAll([{ scope: SCOPE, writes: [{ key: KEY, seq: 1, record, receipt }] }]);
  const answer = database.read(SCOPE, [KEY]);
  assert(answer.ok);
  assert.deepEqual(Uint8Array.from(answer.value[0]?.record ?? []), record);
});
