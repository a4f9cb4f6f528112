// Records and receipts in SQLite: a compare-and-swap per key, many commits in one durable
// transaction. It must never answer `committed` before the transaction is on disk, and never give
// out a row that it could not have written. Statements block: only the store's thread runs this.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { RECEIPT_PAGE_COUNT_MAX, RECORD_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { AnswerOf, LoggedLine, ParamsOf, STORE_METHODS } from "../../shared/wire/methods.ts";
import { CorruptRow, faultOf, ROW_REASON, type StoreFault } from "./fault.ts";
import { type DatabaseOptions, hasRoom, openDatabase, touchDatabase } from "./schema.ts";

export type Commit = ParamsOf<(typeof STORE_METHODS)["store.commit"]>;
export type Append = ParamsOf<(typeof STORE_METHODS)["store.append"]>;
export type CommitAnswer = AnswerOf<(typeof STORE_METHODS)["store.commit"]>;
export type ReadAnswer = AnswerOf<(typeof STORE_METHODS)["store.read"]>;
type Write = Commit["writes"][number];
type Stored = { readonly seq: number; readonly record: Uint8Array };

export type DatabaseStats = {
  /** `store.commit` requests that were answered with outcomes. */
  commitCount: number;
  refusedCount: number;
  recordCount: number;
  conflictCount: number;
  transactionCount: number;
  /** Time in COMMIT: writing the log, the fsync, and now and then a checkpoint. */
  syncMsSum: number;
  syncMsMax: number;
};

/** How long a file that failed is left alone before it is opened again. */
const REOPEN_PAUSE_MS = 1000;

const NO_RECORD: Stored = { seq: 0, record: new Uint8Array(0) };

type Statements = {
  readonly database: DatabaseSync;
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly select: StatementSync;
  readonly insert: StatementSync;
  readonly update: StatementSync;
  readonly append: StatementSync;
  readonly receipts: StatementSync;
};

export class RecordDatabase {
  readonly stats: DatabaseStats = {
    commitCount: 0,
    refusedCount: 0,
    recordCount: 0,
    conflictCount: 0,
    transactionCount: 0,
    syncMsSum: 0,
    syncMsMax: 0,
  };
  readonly #path: string;
  readonly #options: DatabaseOptions;
  readonly #nowMs: () => number;
  #statements: Statements | null = null;
  #fault: StoreFault | null = null;
  #triedMs = Number.NEGATIVE_INFINITY;

  constructor(path: string, options: DatabaseOptions = {}, nowMs = () => performance.now()) {
    this.#path = path;
    this.#options = options;
    this.#nowMs = nowMs;
  }

  /** Why an operation failed, null after a write that did not. */
  get fault(): StoreFault | null {
    return this.#fault;
  }

  open(): Result<null, StoreFault> {
    const statements = this.#opened();
    return statements.ok ? ok(null) : statements;
  }

  /**
   * After a fault: a durable write that changes nothing tells whether the cause is gone. Without it
   * a store that nobody asks, because it fails, would never be seen to work again.
   */
  probe(): void {
    if (this.#fault === null) return;
    // The probe's own write is smaller than a commit, and may fit where none does.
    if (this.#fault.code === "STORE_FULL" && !hasRoom(this.#path)) return;
    const statements = this.#opened();
    if (!statements.ok) return;
    try {
      touchDatabase(statements.value.database);
      this.#fault = null;
    } catch (error) {
      this.#failed(error);
    }
  }

  close(): void {
    const database = this.#statements?.database;
    this.#statements = null;
    if (database?.isOpen === true) database.close();
  }

  read(scope: Uint8Array, keys: readonly Uint8Array[]): Result<ReadAnswer, Refusal> {
    const statements = this.#opened();
    if (!statements.ok) return err(refusal(statements.error.code));
    try {
      const { select } = statements.value;
      // That reading works tells nothing of writing: a fault stays until a write has been done.
      return ok(keys.map((key) => stored(select, scope, key)));
    } catch (error) {
      return err(refusal(this.#failed(error).code));
    }
  }

  /** All of them in one transaction, and the outcome of each, in order. */
  commitAll(commits: readonly Commit[]): readonly Result<CommitAnswer, Refusal>[] {
    const outcomes = this.#transact(commits);
    if (outcomes.ok) return outcomes.value.map(ok);
    // One commit must not take the others down with it (a corrupt row of one key): each alone.
    if (commits.length > 1 && outcomes.error.code === "STORE_CORRUPT") {
      return commits.flatMap((commit) => this.commitAll([commit]));
    }
    this.stats.refusedCount += commits.length;
    return commits.map(() => outcomes);
  }

  /** Receipts of records that another store holds. The same one may come twice. */
  append({ scope, receipts }: Append): Result<null, Refusal> {
    return this.#durably(({ append }) => {
      for (const { key, seq, receipt } of receipts) append.run(scope, key, seq, receipt);
      return null;
    });
  }

  /** The next page of the log, in the order in which it was written. */
  receiptsAfter(id: number): Result<readonly LoggedLine[], Refusal> {
    const statements = this.#opened();
    if (!statements.ok) return err(refusal(statements.error.code));
    try {
      const rows = statements.value.receipts.all(id, RECEIPT_PAGE_COUNT_MAX);
      return ok(rows.map(lineOf));
    } catch (error) {
      return err(refusal(this.#failed(error).code));
    }
  }

  #transact(commits: readonly Commit[]): Result<readonly CommitAnswer[], Refusal> {
    const answers = this.#durably((statements) =>
      commits.map(({ scope, writes }) =>
        writes.map((write) => writeRecord(statements, scope, write)),
      ),
    );
    if (answers.ok) this.#count(answers.value);
    return answers;
  }

  /** One transaction; what it answers is on disk. */
  #durably<T>(run: (statements: Statements) => T): Result<T, Refusal> {
    const opened = this.#opened();
    if (!opened.ok) return err(refusal(opened.error.code));
    const statements = opened.value;
    let done: T;
    try {
      statements.begin.run();
      done = run(statements);
    } catch (error) {
      return err(refusal(this.#failed(error).code));
    }
    const startMs = this.#nowMs();
    try {
      statements.commit.run();
    } catch (error) {
      const { code } = this.#failed(error);
      // With a full or locked file nothing was written. After any other failure (an fsync) the
      // transaction may be found in the log when the file is opened again.
      const isCertain = code === "STORE_FULL" || code === "STORE_LOCKED";
      return err(refusal(isCertain ? code : "STATE_UNKNOWN"));
    }
    const { stats } = this;
    const syncMs = this.#nowMs() - startMs;
    stats.transactionCount += 1;
    stats.syncMsSum += syncMs;
    stats.syncMsMax = Math.max(stats.syncMsMax, syncMs);
    this.#fault = null;
    return ok(done);
  }

  #count(answers: readonly CommitAnswer[]): void {
    const { stats } = this;
    for (const answer of answers) {
      stats.commitCount += 1;
      for (const conflict of answer) {
        if (conflict === null) stats.recordCount += 1;
        else stats.conflictCount += 1;
      }
    }
  }

  #opened(): Result<Statements, StoreFault> {
    if (this.#statements !== null) return ok(this.#statements);
    const nowMs = this.#nowMs();
    if (this.#fault !== null && nowMs - this.#triedMs < REOPEN_PAUSE_MS) return err(this.#fault);
    this.#triedMs = nowMs;
    const database = openDatabase(this.#path, this.#options);
    if (!database.ok) {
      this.#fault = database.error;
      return database;
    }
    this.#statements = prepareStatements(database.value);
    return ok(this.#statements);
  }

  /** Leaves the transaction. A file that is not just full or locked is closed, and opened anew. */
  #failed(error: unknown): StoreFault {
    const fault = faultOf(error);
    this.#fault = fault;
    const database = this.#statements?.database;
    try {
      if (database?.isTransaction === true) database.exec("ROLLBACK");
      if (fault.code === "STORE_FULL" || fault.code === "STORE_LOCKED") return fault;
      if (fault.reason === ROW_REASON) return fault;
    } catch (rollbackError) {
      faultOf(rollbackError);
    }
    this.#triedMs = this.#nowMs();
    this.close();
    return fault;
  }
}

function prepareStatements(database: DatabaseSync): Statements {
  return {
    database,
    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    select: database.prepare("SELECT seq, record FROM records WHERE scope = ? AND key = ?"),
    insert: database.prepare("INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"),
    update: database.prepare(
      "UPDATE records SET seq = ?, record = ? WHERE scope = ? AND key = ? AND seq = ?",
    ),
    append: database.prepare("INSERT INTO receipts (scope, key, seq, receipt) VALUES (?, ?, ?, ?)"),
    receipts: database.prepare(
      "SELECT id, scope, key, seq, receipt FROM receipts WHERE id > ? ORDER BY id LIMIT ?",
    ),
  };
}

function lineOf({ id, scope, key, seq, receipt }: Record<string, unknown>): LoggedLine {
  const isLine = typeof id === "number" && typeof seq === "number" && seq >= 0;
  const isBytes = scope instanceof Uint8Array && key instanceof Uint8Array;
  if (!isLine || !isBytes || !(receipt instanceof Uint8Array)) throw new CorruptRow();
  return { id, scope, key, seq, receipt };
}

/** Null when it was written, else what is stored instead. */
function writeRecord(statements: Statements, scope: Uint8Array, write: Write): Stored | null {
  const { key, seq, record } = write;
  const { changes } =
    seq === 1
      ? statements.insert.run(scope, key, seq, record)
      : statements.update.run(seq, record, scope, key, seq - 1);
  if (changes !== 1) return stored(statements.select, scope, key) ?? NO_RECORD;
  statements.append.run(scope, key, seq, write.receipt);
  return null;
}

/** The types of columns are what a corrupt or edited file says they are. */
function stored(select: StatementSync, scope: Uint8Array, key: Uint8Array): Stored | null {
  const row = select.get(scope, key);
  if (row === undefined) return null;
  const { seq, record } = row;
  if (typeof seq !== "number" || seq < 1) throw new CorruptRow();
  if (!(record instanceof Uint8Array)) throw new CorruptRow();
  if (record.length === 0 || record.length > RECORD_BYTES_MAX) throw new CorruptRow();
  return { seq, record };
}
