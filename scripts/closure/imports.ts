// What a source file loads, read from its text: static and dynamic imports, `require`, and files
// named as `new URL("...", import.meta.url)` (workers). It must never miss a form that our own
// code may use; a specifier that is computed is reported, because nobody can follow it.

import { readTokens, type Token } from "./tokens.ts";

export type ImportKind = "static" | "dynamic" | "require" | "url";

export type Import = {
  readonly kind: ImportKind;
  /** Null when it is computed. */
  readonly specifier: string | null;
  /** `import type`: gone when the types are stripped. */
  readonly isType: boolean;
  readonly line: number;
};

export function findImports(source: string): readonly Import[] {
  const tokens = readTokens(source);
  const imports: Import[] = [];
  for (const [index, token] of tokens.entries()) {
    const found = token.kind === "word" ? importAt(tokens, index, token) : null;
    if (found !== null) imports.push(found);
  }
  return imports;
}

function importAt(tokens: readonly Token[], index: number, token: Token): Import | null {
  const before = tokens[index - 1];
  // `a.import`, `function require`: a name of something else.
  if (isMark(before, ".") || isWord(before, "function")) return null;
  if (token.text === "import") return importWord(tokens, index, token.line);
  if (token.text === "export") return fromClause(tokens, index, token.line, true);
  if (token.text === "require") return requireWord(tokens, index, token.line);
  if (token.text === "URL" && isWord(before, "new")) return urlOf(tokens, index, token.line);
  return null;
}

function importWord(tokens: readonly Token[], index: number, line: number): Import | null {
  const next = tokens[index + 1];
  if (isMark(next, "(")) return callOf(tokens, index + 1, "dynamic", line);
  if (isMark(next, ".")) {
    const isResolve = isWord(tokens[index + 2], "meta") && isWord(tokens[index + 4], "resolve");
    return isResolve ? callOf(tokens, index + 5, "dynamic", line) : null;
  }
  if (next?.kind === "string") {
    return { kind: "static", specifier: next.text, isType: false, line };
  }
  return fromClause(tokens, index, line, false);
}

/** `... from "x"`: names, commas, braces and a star, and nothing else, before it. */
function fromClause(
  tokens: readonly Token[],
  index: number,
  line: number,
  isExport: boolean,
): Import | null {
  const first = tokens[index + 1];
  const second = tokens[index + 2];
  const isType = isWord(first, "type") && !isWord(second, "from") && !isMark(second, ",");
  const start = isType ? second : first;
  if (isExport && !isMark(start, "{") && !isMark(start, "*")) return null;
  for (let at = index + 1; at < tokens.length; at++) {
    const token = tokens[at];
    const next = tokens[at + 1];
    if (isWord(token, "from") && next?.kind === "string") {
      return { kind: "static", specifier: next.text, isType, line };
    }
    const isName = token?.kind === "word" || token?.kind === "string";
    const isList = token?.kind === "mark" && ["{", "}", ",", "*"].includes(token.text);
    if (!isName && !isList) return null;
    // `export { a }` without `from` ends here; an `import` always has its clause.
    if (isMark(token, "}") && !isWord(next, "from")) return null;
  }
  return null;
}

function requireWord(tokens: readonly Token[], index: number, line: number): Import | null {
  if (isMark(tokens[index + 1], "(")) return callOf(tokens, index + 1, "require", line);
  const isResolve = isMark(tokens[index + 1], ".") && isWord(tokens[index + 2], "resolve");
  if (!isResolve || !isMark(tokens[index + 3], "(")) return null;
  return callOf(tokens, index + 3, "require", line);
}

/** A call with the specifier as its first argument; `open` is the index of the bracket. */
function callOf(
  tokens: readonly Token[],
  open: number,
  kind: ImportKind,
  line: number,
): Import | null {
  const argument = tokens[open + 1];
  const end = tokens[open + 2];
  if (argument === undefined || isMark(argument, ")")) return null;
  const isPlain = argument.kind === "string" && (isMark(end, ")") || isMark(end, ","));
  if (!isPlain && isMethod(tokens, open)) return null;
  return { kind, specifier: isPlain ? argument.text : null, isType: false, line };
}

/** `import(floors: Floor[]): void {`: a method of that name, not a call. */
function isMethod(tokens: readonly Token[], open: number): boolean {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    if (isMark(tokens[at], "(")) depth += 1;
    else if (isMark(tokens[at], ")")) depth -= 1;
    if (depth > 0) continue;
    // After a question mark the colon is that of a choice.
    const isChoice = isMark(tokens[open - 2], "?");
    return isMark(tokens[at + 1], "{") || (isMark(tokens[at + 1], ":") && !isChoice);
  }
  return false;
}

function urlOf(tokens: readonly Token[], index: number, line: number): Import | null {
  const path = tokens[index + 2];
  const base = tokens.slice(index + 4, index + 9).map((token) => token.text);
  if (path?.kind !== "string" || base.join("") !== "import.meta.url") return null;
  return { kind: "url", specifier: path.text, isType: false, line };
}

function isMark(token: Token | undefined, text: string): boolean {
  return token?.kind === "mark" && token.text === text;
}

function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === "word" && token.text === text;
}
