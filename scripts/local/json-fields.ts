// Fields of the JSON bodies that the stand-ins of AWS take. Each reader checks one field and throws
// ValidationException for anything else, as the services do.

import { validation } from "./aws-error.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function parseJsonObject(text: string): JsonObject {
  const value: unknown = parseOrUndefined(text);
  if (!isJsonObject(value)) throw validation("the body is not a JSON object");
  return value;
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function optionalText(object: JsonObject, name: string): string | undefined {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw validation(`${name} is not a string`);
  return value;
}

export function requiredText(object: JsonObject, name: string): string {
  const value = optionalText(object, name);
  if (value === undefined || value === "") throw validation(`${name} is missing`);
  return value;
}

export function optionalNumber(object: JsonObject, name: string): number | undefined {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value)) {
    throw validation(`${name} is not an integer`);
  }
  return value;
}

export function optionalFlag(object: JsonObject, name: string): boolean | undefined {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "boolean") throw validation(`${name} is not a boolean`);
  return value;
}

export function optionalObject(object: JsonObject, name: string): JsonObject | undefined {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw validation(`${name} is not an object`);
  return value;
}

export function optionalList(object: JsonObject, name: string): readonly unknown[] {
  const value = object[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw validation(`${name} is not a list`);
  const items: readonly unknown[] = value;
  return items;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function requiredBytes(object: JsonObject, name: string, bytesMax: number): Buffer {
  const text = requiredText(object, name);
  if (!BASE64.test(text)) throw validation(`${name} is not base64`);
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === 0 || bytes.length > bytesMax) throw validation(`${name} has a wrong length`);
  return bytes;
}

/** A map of texts to texts. */
export function optionalTextMap(object: JsonObject, name: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const [key, value] of Object.entries(optionalObject(object, name) ?? {})) {
    if (typeof value !== "string") throw validation(`${name}.${key} is not a string`);
    texts.set(key, value);
  }
  return texts;
}
