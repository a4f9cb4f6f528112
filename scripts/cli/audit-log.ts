// The file of `redoubt audit`: one JSON object a line, so that it can be appended to, split and
// shipped. First what it is, then the heads that the records had before the receipts were read,
// then the receipts, then how many there were: a file that was cut off has no end.

import { encodePrefixedHex, parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { RECEIPT_BYTES_MAX } from "../../shared/limits.ts";

export type LogStart = {
  readonly kind: "start";
  readonly madeMs: number;
  /** `parent`: a running one; `database`: the file of a stopped one. */
  readonly source: "parent" | "database";
};
export type LogHead = {
  readonly kind: "head";
  readonly scope: Uint8Array;
  readonly key: Uint8Array;
  readonly seq: number;
  readonly head: Uint8Array;
};
export type LogReceipt = {
  readonly kind: "receipt";
  readonly scope: Uint8Array;
  readonly key: Uint8Array;
  readonly seq: number;
  readonly receipt: Uint8Array;
};
export type LogEnd = { readonly kind: "end"; readonly headCount: number; readonly count: number };
export type LogLine = LogStart | LogHead | LogReceipt | LogEnd;

export const LINE_LENGTH_MAX = 4096;
const VERSION = 1;
const SCOPE_BYTES = 32;
const KEY_BYTES_MAX = 200;
const HEAD_BYTES = 32;

export function encodeLine(line: LogLine): string {
  return `${JSON.stringify(fieldsOf(line))}\n`;
}

function fieldsOf(line: LogLine): Record<string, string | number> {
  switch (line.kind) {
    case "start":
      return { start: VERSION, madeMs: line.madeMs, source: line.source };
    case "head":
      return { ...ownerOf(line), seq: line.seq, head: encodePrefixedHex(line.head) };
    case "receipt":
      return { ...ownerOf(line), seq: line.seq, receipt: encodePrefixedHex(line.receipt) };
    case "end":
      return { heads: line.headCount, receipts: line.count };
  }
}

function ownerOf({ scope, key }: LogHead | LogReceipt) {
  return { scope: encodePrefixedHex(scope), key: encodePrefixedHex(key) };
}

/** Undefined when it is no line of such a file. */
export function parseLine(text: string): LogLine | undefined {
  if (text.length > LINE_LENGTH_MAX) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const line = lineOf(new Map(Object.entries(value)));
  // Spelt as we spell it: no field twice, none more, no other order or number.
  return line !== undefined && encodeLine(line) === `${text}\n` ? line : undefined;
}

function lineOf(fields: ReadonlyMap<string, unknown>): LogLine | undefined {
  if (fields.has("start")) return startOf(fields);
  if (fields.has("heads")) return endOf(fields);
  const scope = bytesOf(fields.get("scope"), SCOPE_BYTES, SCOPE_BYTES);
  const key = bytesOf(fields.get("key"), 1, KEY_BYTES_MAX);
  const seq = countOf(fields.get("seq"));
  if (scope === undefined || key === undefined || seq === undefined || seq < 1) return undefined;
  const head = bytesOf(fields.get("head"), HEAD_BYTES, HEAD_BYTES);
  if (head !== undefined) return { kind: "head", scope, key, seq, head };
  const receipt = bytesOf(fields.get("receipt"), 1, RECEIPT_BYTES_MAX);
  return receipt === undefined ? undefined : { kind: "receipt", scope, key, seq, receipt };
}

function startOf(fields: ReadonlyMap<string, unknown>): LogStart | undefined {
  const madeMs = countOf(fields.get("madeMs"));
  const source = fields.get("source");
  if (fields.get("start") !== VERSION || madeMs === undefined) return undefined;
  if (source !== "parent" && source !== "database") return undefined;
  return { kind: "start", madeMs, source };
}

function endOf(fields: ReadonlyMap<string, unknown>): LogEnd | undefined {
  const headCount = countOf(fields.get("heads"));
  const count = countOf(fields.get("receipts"));
  return headCount === undefined || count === undefined
    ? undefined
    : { kind: "end", headCount, count };
}

function countOf(value: unknown): number | undefined {
  const isCount = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  return isCount ? value : undefined;
}

function bytesOf(value: unknown, bytesMin: number, bytesMax: number): Uint8Array | undefined {
  if (typeof value !== "string") return undefined;
  const bytes = parsePrefixedHex(value);
  if (!bytes.ok || bytes.value.length < bytesMin || bytes.value.length > bytesMax) return undefined;
  return bytes.value;
}
