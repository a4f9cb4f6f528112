// What can go wrong in the database, as codes. Only errors of SQLite are translated: anything else
// is a bug and must never be turned into a refusal.

import type { ErrorCode } from "../../shared/errors.ts";

export type StoreCode = Extract<
  ErrorCode,
  "STORE_UNAVAILABLE" | "STORE_FULL" | "STORE_LOCKED" | "STORE_CORRUPT"
>;

/** A code, and for the log what exactly was found. */
export type StoreFault = { readonly code: StoreCode; readonly reason: string };

/** The reason of a fault that lies in one row: the file itself can be gone on with. */
export const ROW_REASON = "row";

/** A row that our own statements can't have written. */
export class CorruptRow extends Error {
  override readonly name = "CorruptRow";
}

/** Primary result codes of SQLite (sqlite3.h), with what each is for us. */
const CODE_BY_RESULT: ReadonlyMap<number, StoreCode> = new Map([
  [5, "STORE_LOCKED"], // SQLITE_BUSY
  [6, "STORE_LOCKED"], // SQLITE_LOCKED
  [11, "STORE_CORRUPT"], // SQLITE_CORRUPT
  [13, "STORE_FULL"], // SQLITE_FULL
  [26, "STORE_CORRUPT"], // SQLITE_NOTADB
]);

/** Throws what is not an error of the database. */
export function faultOf(error: unknown): StoreFault {
  if (error instanceof CorruptRow) return { code: "STORE_CORRUPT", reason: ROW_REASON };
  if (!(error instanceof Error) || !("code" in error)) throw error;
  // A 64-bit integer that does not fit a number: our own versions never come close to 2^53.
  if (error.code === "ERR_OUT_OF_RANGE") return { code: "STORE_CORRUPT", reason: ROW_REASON };
  if (error.code !== "ERR_SQLITE_ERROR") throw error;
  const result = "errcode" in error && typeof error.errcode === "number" ? error.errcode : 0;
  // Extended result codes carry the primary one in their low byte.
  const code = CODE_BY_RESULT.get(result & 0xff) ?? "STORE_UNAVAILABLE";
  return { code, reason: `sqlite ${result}` };
}
