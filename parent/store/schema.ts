// Opens the database of records and receipts: our own file with our own schema, durable settings
// in force, and nobody else in it. It must never open a file of another program, go on with
// weaker durability than WAL with synchronous=FULL, or share the file with a second process.

import { chmodSync, closeSync, fsyncSync, openSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { err, ok, type Result } from "../../shared/result.ts";
import { faultOf, type StoreFault } from "./fault.ts";

export type DatabaseOptions = {
  /** Pages of the file; without it the disk is the limit. */
  readonly pageCountMax?: number;
};

/** "RDBT" */
const APPLICATION_ID = 0x52444254;
const SCHEMA_VERSION = 1;
/** Records are small and scattered over the file: 2 kB pages make commits a third cheaper. */
const PAGE_BYTES = 2048;
/** 8 MB of log between checkpoints. */
const CHECKPOINT_PAGE_COUNT = 4000;
const CACHE_KIB = 65_536;
/** Nobody else may hold the lock for longer than it takes to see that it is held. */
const BUSY_TIMEOUT_MS = 100;
const FILE_MODE = 0o600;
/** A disk with less than this still counts as full. */
const ROOM_BYTES_MIN = 1024 * 1024;

/**
 * Receipts are appended, in the order of commits: an index by key would cost a second scattered
 * page per commit, and only audits read them, in one pass.
 */
const SCHEMA: Readonly<Record<string, string>> = {
  receipts:
    "CREATE TABLE receipts (id INTEGER PRIMARY KEY, scope BLOB NOT NULL, key BLOB NOT NULL, " +
    "seq INTEGER NOT NULL, receipt BLOB NOT NULL) STRICT",
  records:
    "CREATE TABLE records (scope BLOB NOT NULL, key BLOB NOT NULL, seq INTEGER NOT NULL, " +
    "record BLOB NOT NULL, PRIMARY KEY (scope, key)) STRICT, WITHOUT ROWID",
};

export function openDatabase(
  path: string,
  options: DatabaseOptions,
): Result<DatabaseSync, StoreFault> {
  const created = createFile(path);
  if (!created.ok) return created;
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    const fault = prepareDatabase(database, options);
    if (fault === null) return ok(database);
    database.close();
    return err(fault);
  } catch (error) {
    if (database?.isOpen === true) database.close();
    return err(faultOf(error));
  }
}

/** A transaction that goes to the disk and changes nothing. */
export function touchDatabase(database: DatabaseSync): void {
  database.exec(`PRAGMA user_version=${SCHEMA_VERSION}`);
}

/** Whether the disk has room for some commits; true as well when it does not tell. */
export function hasRoom(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize >= ROOM_BYTES_MIN;
  } catch {
    return true;
  }
}

/**
 * The file exists with its mode before SQLite opens it. It is opened here only when it is new:
 * closing any descriptor of a file drops the locks that this process has on it (POSIX).
 */
function createFile(path: string): Result<null, StoreFault> {
  try {
    const file = statSync(path, { throwIfNoEntry: false });
    if (file !== undefined) {
      if (!file.isFile()) return err({ code: "STORE_UNAVAILABLE", reason: "the path is no file" });
      chmodSync(path, FILE_MODE);
      return ok(null);
    }
    closeSync(openSync(path, "wx", FILE_MODE));
    const folder = openSync(dirname(path), "r");
    fsyncSync(folder);
    closeSync(folder);
    return ok(null);
  } catch (error) {
    if (!(error instanceof Error) || !("syscall" in error)) throw error;
    return err({ code: "STORE_UNAVAILABLE", reason: "the file can't be created or opened" });
  }
}

function prepareDatabase(database: DatabaseSync, options: DatabaseOptions): StoreFault | null {
  // Before the first access, so that the lock is taken with it and lives as long as the process.
  database.exec("PRAGMA locking_mode=EXCLUSIVE");
  database.exec("PRAGMA trusted_schema=OFF");
  database.exec("PRAGMA cell_size_check=ON");
  database.exec(`PRAGMA cache_size=-${CACHE_KIB}`);
  const foreign = checkOwner(database);
  if (foreign !== null) return foreign;
  database.exec(`PRAGMA page_size=${PAGE_BYTES}`);
  database.exec("PRAGMA journal_mode=WAL");
  database.exec("PRAGMA synchronous=FULL");
  database.exec(`PRAGMA wal_autocheckpoint=${CHECKPOINT_PAGE_COUNT}`);
  database.exec(`PRAGMA journal_size_limit=${CHECKPOINT_PAGE_COUNT * PAGE_BYTES * 2}`);
  if (isEmpty(database)) createSchema(database);
  return checkSettings(database) ?? checkSchema(database) ?? settle(database, options);
}

function isEmpty(database: DatabaseSync): boolean {
  return pragma(database, "application_id") === 0 && tableCount(database) === 0;
}

/** Asked before anything is changed: a foreign file stays as it was. */
function checkOwner(database: DatabaseSync): StoreFault | null {
  if (isEmpty(database)) return null;
  if (pragma(database, "application_id") !== APPLICATION_ID) {
    return { code: "STORE_CORRUPT", reason: "the file is another program's" };
  }
  if (pragma(database, "user_version") !== SCHEMA_VERSION) {
    return { code: "STORE_CORRUPT", reason: "the file is of another version" };
  }
  return null;
}

function createSchema(database: DatabaseSync): void {
  database.exec("BEGIN IMMEDIATE");
  for (const sql of Object.values(SCHEMA)) database.exec(sql);
  database.exec(`PRAGMA application_id=${APPLICATION_ID}`);
  database.exec(`PRAGMA user_version=${SCHEMA_VERSION}`);
  database.exec("COMMIT");
}

/** SQLite ignores a PRAGMA that it can't follow: what is in force is read back. */
function checkSettings(database: DatabaseSync): StoreFault | null {
  const settings: readonly (readonly [string, SQLOutputValue])[] = [
    ["journal_mode", "wal"],
    ["synchronous", 2],
    ["locking_mode", "exclusive"],
  ];
  for (const [name, wanted] of settings) {
    if (pragma(database, name) !== wanted) {
      return { code: "STORE_UNAVAILABLE", reason: `${name} is not in force` };
    }
  }
  return null;
}

/** Exactly our tables: a trigger or another column would change what our statements mean. */
function checkSchema(database: DatabaseSync): StoreFault | null {
  const fault: StoreFault = { code: "STORE_CORRUPT", reason: "the schema is not ours" };
  const names = Object.keys(SCHEMA);
  if (tableCount(database) !== names.length) return fault;
  const select = database.prepare(
    "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?",
  );
  for (const name of names) {
    if (select.get(name)?.["sql"] !== SCHEMA[name]) return fault;
  }
  return null;
}

/**
 * Checks the pages of the records and moves the log into the file with a sync of its own: after a
 * failed fsync, what the log seems to hold may be in the page cache only.
 */
function settle(database: DatabaseSync, options: DatabaseOptions): StoreFault | null {
  if (pragma(database, "quick_check(records)") !== "ok") {
    return { code: "STORE_CORRUPT", reason: "quick_check" };
  }
  if (pragma(database, "wal_checkpoint(TRUNCATE)") !== 0) {
    return { code: "STORE_LOCKED", reason: "checkpoint" };
  }
  if (options.pageCountMax !== undefined) {
    database.exec(`PRAGMA max_page_count=${options.pageCountMax}`);
  }
  return null;
}

function tableCount(database: DatabaseSync): SQLOutputValue {
  const row = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get();
  return row?.["count"] ?? null;
}

/** The first column of the answer's first row. */
function pragma(database: DatabaseSync, text: string): SQLOutputValue {
  const row = database.prepare(`PRAGMA ${text}`).get();
  return row === undefined ? null : (Object.values(row)[0] ?? null);
}
