// The pages of `docs/` as tests read them: examples, tables, and the parts that are made from the
// code. A part lies between two comments, `begin: NAME` and `end: NAME`.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../../..");

function pathOf(page: string): string {
  return join(ROOT, "docs", page);
}

export function readPage(page: string): string {
  return readFileSync(pathOf(page), "utf8");
}

/** The code blocks of a language, in their order. */
export function blocksOf(page: string, language: string): readonly string[] {
  const blocks = readPage(page).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm);
  return [...blocks].filter(([, name]) => name === language).map(([, , text = ""]) => text);
}

/** The cells of every table row that begins with a name between backquotes. */
export function rowsOf(page: string): readonly (readonly string[])[] {
  const lines = readPage(page)
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  return lines.map((line) =>
    line
      .slice(1, line.lastIndexOf("|"))
      .split("|")
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

/** The last segments of paths to all leaves, lists as `[]`: `api.clients[].name`. */
export function leavesOf(value: unknown, at = ""): readonly string[] {
  if (Array.isArray(value)) {
    const hasObjects = value.some((item) => typeof item === "object");
    const items: readonly unknown[] = value;
    return hasObjects ? items.flatMap((item) => leavesOf(item, `${at}[]`)) : [at];
  }
  if (typeof value !== "object" || value === null) return [at];
  return Object.entries(value).flatMap(([name, child]) =>
    leavesOf(child, at === "" ? name : `${at}.${name}`),
  );
}

function limitsOfPart(text: string, name: string): readonly [start: number, end: number] {
  const begin = `<!-- begin: ${name} -->\n`;
  const start = text.indexOf(begin);
  const end = text.indexOf(`<!-- end: ${name} -->`);
  assert.ok(start !== -1 && end !== -1, `the page has a part ${name}`);
  return [start + begin.length, end];
}

export function partOf(page: string, name: string): string {
  const text = readPage(page);
  return text.slice(...limitsOfPart(text, name));
}

export function writePart(page: string, name: string, part: string): void {
  const text = readPage(page);
  const [start, end] = limitsOfPart(text, name);
  writeFileSync(pathOf(page), `${text.slice(0, start)}${part}${text.slice(end)}`);
}
