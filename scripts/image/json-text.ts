// JSON as the metadata of an EIF has it: written in one way only (no spaces, names in the order of
// their UTF-8 bytes, as the official library writes free-form parts), and read strictly. It must
// never accept a name twice: two readers would see two values.

import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [name: string]: JsonValue };

const DEPTH_MAX = 64;

/** Deterministic: equal values give equal text. */
export function encodeJson(value: JsonValue): string {
  if (isJsonArray(value)) return `[${value.map(encodeJson).join(",")}]`;
  if (isJsonObject(value)) {
    const names = Object.keys(value).toSorted((a, b) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    );
    // Not through an object: its integer-like names come first, whatever the order of insertion.
    const members = names.map(
      (name) => `${JSON.stringify(name)}:${encodeJson(value[name] ?? null)}`,
    );
    return `{${members.join(",")}}`;
  }
  invariant(typeof value !== "number" || Number.isFinite(value), "a number that JSON has");
  return JSON.stringify(value);
}

export function parseJson(text: string): Result<JsonValue, "JSON"> {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) && isPlain(text) ? ok(value) : err("JSON");
  } catch {
    return err("JSON");
  }
}

/** Everything that `JSON.parse` returns is. */
function isJson(value: unknown): value is JsonValue {
  return value !== undefined;
}

function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Bounded depth and no name twice, in text that is known to be JSON. */
function isPlain(text: string): boolean {
  const open: Set<string>[] = [];
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:)?|[[\]{}]/g)) {
    if (token === "{" || token === "[") {
      open.push(new Set());
      if (open.length > DEPTH_MAX) return false;
    } else if (token === "}" || token === "]") {
      open.pop();
    } else if (token.endsWith(":")) {
      // `"a"` and `"\u0061"` are the same name.
      const name = String(JSON.parse(token.slice(0, -1)));
      const names = open.at(-1);
      if (names === undefined || names.has(name)) return false;
      names.add(name);
    }
  }
  return true;
}
