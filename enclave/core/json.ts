// Strict JSON: from untrusted bytes to typed values, for signing requests and the manifest.
// `JSON.parse` builds the tree; everything it is lax about is refused here: bad UTF-8, a byte order
// mark, duplicate names, deep nesting. The readers then take one value each and check its exact
// form. It must never coerce: "0x10", " 7 ", "1.5", 7 and null are not the number "7", and a list
// is not an object.
//
// Readers throw `JsonMismatch`, which carries the path of the field and nothing else. Whoever calls
// them catches it once, at the edge, with `parseJson` or `fieldOfMismatch`.

import { parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Members, items and containers of one document. Without a bound 8 MB of crumbs keep the enclave
 * busy for seconds (a million names, or empty transactions to hash), and every other key waits. A
 * block of the largest gas limit in sight has fewer than 20,000 transactions.
 */
export const JSON_VALUE_COUNT_MAX = 65_536;

/** Longest path that a mismatch reports; fits in `DETAIL_BYTES_MAX`. */
export const FIELD_LENGTH_MAX = 64;

export const U64_MAX = 2n ** 64n - 1n;

const U64 = /^(?:0|[1-9][0-9]{0,19})$/;
const U256 = /^(?:0|[1-9][0-9]{0,77})$/;
const U256_MAX = 2n ** 256n - 1n;
const NOT_PRINTABLE = /[^\x20-\x7e]/gu;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const QUOTE = 0x22;
const COLON = 0x3a;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING: readonly number[] = [0x7b, 0x5b];
const CLOSING: readonly number[] = [0x7d, 0x5d];

/** A value that is not what its reader expects. Never leaves this folder. */
export class JsonMismatch extends Error {
  override readonly name = "JsonMismatch";
  /** Where, as in `attestation.source.epoch`; empty for the document itself. */
  readonly field: string;

  constructor(field: string) {
    super("JSON mismatch");
    this.field = field.slice(0, FIELD_LENGTH_MAX).replace(NOT_PRINTABLE, "?");
  }
}

/** The field of a mismatch; anything else that was thrown is a bug and goes on. */
export function fieldOfMismatch(thrown: unknown): string {
  if (thrown instanceof JsonMismatch) return thrown.field;
  throw thrown;
}

/** Parses a whole document with `read`; the error is the path of the first field that differs. */
export function parseJson<T>(
  bytes: Uint8Array,
  depthMax: number,
  read: (value: unknown) => T,
): Result<T, string> {
  try {
    return ok(read(readJson(bytes, depthMax)));
  } catch (thrown) {
    return err(fieldOfMismatch(thrown));
  }
}

/** The tree of a document whose names are unique and whose nesting is at most `depthMax`. */
export function readJson(bytes: Uint8Array, depthMax: number): unknown {
  let tree: unknown;
  let memberCount: number;
  try {
    const text = strictUtf8.decode(bytes);
    memberCount = countMembers(text, depthMax);
    tree = JSON.parse(text);
  } catch {
    throw new JsonMismatch("");
  }
  // `JSON.parse` keeps the last of two members with the same name, and another parser (or a reader
  // of the manifest) the first. As many members as colons means that none was dropped.
  if (countNames(tree) !== memberCount) throw new JsonMismatch("");
  return tree;
}

/**
 * Counts the colons outside strings, in one pass before anything is built, and refuses what is too
 * deep or of too many parts.
 */
function countMembers(text: string, depthMax: number): number {
  let depth = 0;
  let members = 0;
  let separators = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === COLON) members += 1;
    else if (code === COMMA) separators += 1;
    else if (OPENING.includes(code)) {
      depth += 1;
      separators += 1;
      if (depth > depthMax) throw new JsonMismatch("");
    } else if (CLOSING.includes(code)) depth -= 1;
    if (separators > JSON_VALUE_COUNT_MAX) throw new JsonMismatch("");
  }
  return members;
}

/** The closing quote of the string that starts at `start`: the next one not behind a backslash. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 1) return end;
  }
  throw new JsonMismatch("");
}

function countNames(value: unknown): number {
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === "object") count += countNames(item);
  } else if (isObject(value)) {
    for (const name of Object.keys(value)) {
      const member = value[name];
      count += typeof member === "object" ? 1 + countNames(member) : 1;
    }
  }
  return count;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A member of an object itself, never of its prototype; undefined when there is none. */
export function member(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

export function readObject(value: unknown, at: string): JsonObject {
  if (!isObject(value)) throw new JsonMismatch(at);
  return value;
}

/** As `readObject`, and no other names than these: for documents of our own, where all counts. */
export function readExactObject(value: unknown, at: string, names: readonly string[]): JsonObject {
  const object = readObject(value, at);
  for (const name of Object.keys(object)) {
    if (!names.includes(name)) throw new JsonMismatch(at === "" ? name : `${at}.${name}`);
  }
  return object;
}

export function readArray(value: unknown, at: string, countMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > countMax) throw new JsonMismatch(at);
  const items: readonly unknown[] = value;
  return items;
}

export function readBoolean(value: unknown, at: string): boolean {
  if (typeof value !== "boolean") throw new JsonMismatch(at);
  return value;
}

export function readText(value: unknown, at: string, lengthMax: number): string {
  if (typeof value !== "string" || value.length > lengthMax) throw new JsonMismatch(at);
  return value;
}

export function readChoice<Choice extends string>(
  value: unknown,
  at: string,
  choices: readonly Choice[],
): Choice {
  for (const choice of choices) if (choice === value) return choice;
  throw new JsonMismatch(at);
}

/** A JSON number that is a whole one between both bounds. */
export function readInteger(value: unknown, at: string, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw new JsonMismatch(at);
  if (value < min || value > max || Object.is(value, -0)) throw new JsonMismatch(at);
  return value;
}

/** A 64-bit number as a string of decimal digits, without sign, space or leading zero. */
export function readU64(value: unknown, at: string): bigint {
  return readDecimal(value, at, U64, U64_MAX);
}

export function readU256(value: unknown, at: string): bigint {
  return readDecimal(value, at, U256, U256_MAX);
}

function readDecimal(value: unknown, at: string, form: RegExp, max: bigint): bigint {
  if (typeof value !== "string" || !form.test(value)) throw new JsonMismatch(at);
  const number = BigInt(value);
  if (number > max) throw new JsonMismatch(at);
  return number;
}

/** `0x` and exactly `byteCount` bytes, digits of either case. */
export function readHex(value: unknown, at: string, byteCount: number): Uint8Array {
  if (typeof value !== "string") throw new JsonMismatch(at);
  const parsed = parsePrefixedHex(value, byteCount);
  if (!parsed.ok) throw new JsonMismatch(at);
  return parsed.value;
}

/** `0x` and at most `byteCountMax` bytes. */
export function readHexUpTo(value: unknown, at: string, byteCountMax: number): Uint8Array {
  if (typeof value !== "string" || value.length > 2 + 2 * byteCountMax) throw new JsonMismatch(at);
  const parsed = parsePrefixedHex(value);
  if (!parsed.ok) throw new JsonMismatch(at);
  return parsed.value;
}
