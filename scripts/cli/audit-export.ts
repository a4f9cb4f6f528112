// Writes a log out as one file, page by page: of a running parent through its admin socket, of a
// stopped one from its database. Heads first, so that every receipt up to them is in what follows.
// It must never leave a file behind that looks whole and is not.

import { open, rename, rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { chainScope } from "../../enclave/core/chains/tendermint/manifest-part.ts";
import type { Refusal } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import type { LoggedLine } from "../../shared/wire/methods.ts";
import type { ParentAdmin } from "./admin.ts";
import { listKeys, showStates } from "./admin-keys.ts";
import { encodeLine, type LogHead, type LogLine } from "./audit-log.ts";
import { type Enclave, readEnclave } from "./chain-family.ts";
import { showPositions } from "./consensus-keys.ts";

export type LogSource = {
  readonly kind: "parent" | "database";
  readonly heads: () => Promise<Result<readonly LogHead[], Refusal>>;
  readonly linesAfter: (id: number) => Promise<Result<readonly LoggedLine[], Refusal>>;
};

export type Exported = { readonly headCount: number; readonly receiptCount: number };

/** Receipts of a shared table reach the parent's log a moment after their records are durable. */
const LATE_MS = 2000;
const PAGE_COUNT = 4096;
/** The layout of `encodeRecord`: a byte, the version, the head. */
const HEAD_OFFSET = 9;
const HEAD_END = 41;

export function sourceOfParent(admin: ParentAdmin): LogSource {
  return {
    kind: "parent",
    heads: () => headsOf(admin),
    linesAfter: (id) => admin.readReceipts(id),
  };
}

async function headsOf(admin: ParentAdmin): Promise<Result<readonly LogHead[], Refusal>> {
  const enclave = await readEnclave(admin);
  if (!enclave.ok) return enclave;
  const keys = await listKeys(admin);
  if (!keys.ok) return keys;
  const states = await showHeads(admin, enclave.value, keys.value);
  if (!states.ok) return states;
  if (enclave.value.status.storeKind === "dynamodb") await pause(LATE_MS);
  const recorded = states.value.filter(({ hasRecord }) => hasRecord);
  return ok(recorded.map(({ scope, key, seq, head }) => ({ kind: "head", scope, key, seq, head })));
}

type Stated = Omit<LogHead, "kind"> & { readonly hasRecord: boolean };

/** Every key of Ethereum's is of the one network that the manifest names. */
async function showHeads(
  admin: ParentAdmin,
  enclave: Enclave,
  keys: readonly Uint8Array[],
): Promise<Result<readonly Stated[], Refusal>> {
  if (enclave.family === "ethereum") {
    const { scope } = enclave;
    const states = await showStates(admin, keys);
    return states.ok ? ok(states.value.map((state) => ({ ...state, scope }))) : states;
  }
  const states = await showPositions(admin, keys);
  if (!states.ok) return states;
  return ok(states.value.map((state) => ({ ...state, scope: chainScope(state.chainId) })));
}

/** Throws when the file is no database of ours, or in use. */
export function sourceOfDatabase(path: string): LogSource & { readonly close: () => void } {
  const database = new DatabaseSync(path, { readOnly: true });
  const lines = database.prepare(
    "SELECT id, scope, key, seq, receipt FROM receipts WHERE id > ? ORDER BY id LIMIT ?",
  );
  const records = database.prepare("SELECT scope, key, seq, record FROM records");
  return {
    kind: "database",
    heads: () => Promise.resolve(ok(records.all().flatMap(headOfRow))),
    linesAfter: (id) => Promise.resolve(ok(lines.all(id, PAGE_COUNT).map(lineOfRow))),
    close: () => database.close(),
  };
}

function headOfRow({ scope, key, seq, record }: Record<string, unknown>): readonly LogHead[] {
  if (!(record instanceof Uint8Array) || record.length < HEAD_END) throw new Error("a bad record");
  const head = record.slice(HEAD_OFFSET, HEAD_END);
  return [{ kind: "head", scope: bytesOf(scope), key: bytesOf(key), seq: countOf(seq), head }];
}

function lineOfRow({ id, scope, key, seq, receipt }: Record<string, unknown>): LoggedLine {
  return {
    id: countOf(id),
    scope: bytesOf(scope),
    key: bytesOf(key),
    seq: countOf(seq),
    receipt: bytesOf(receipt),
  };
}

function bytesOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new Error("a column of another type");
  return value;
}

function countOf(value: unknown): number {
  if (typeof value !== "number") throw new Error("a column of another type");
  return value;
}

/** Beside its place first: the file is there whole, or not at all. */
export async function writeLog(
  source: LogSource,
  path: string,
  madeMs: number,
): Promise<Result<Exported, Refusal>> {
  const heads = await source.heads();
  if (!heads.ok) return heads;
  const temporary = `${path}.tmp`;
  const file = await open(temporary, "wx", 0o600);
  try {
    const write = (lines: readonly LogLine[]) => file.writeFile(lines.map(encodeLine).join(""));
    await write([{ kind: "start", madeMs, source: source.kind }, ...heads.value]);
    let count = 0;
    let after = 0;
    for (;;) {
      const page = await source.linesAfter(after);
      if (!page.ok) return page;
      const last = page.value.at(-1);
      if (last === undefined || last.id <= after) break;
      after = last.id;
      count += page.value.length;
      await write(page.value.map((line) => ({ ...line, kind: "receipt" })));
    }
    await write([{ kind: "end", headCount: heads.value.length, count }]);
    await file.sync();
    await rename(temporary, path);
    return ok({ headCount: heads.value.length, receiptCount: count });
  } finally {
    await file.close();
    await rm(temporary, { force: true });
  }
}
