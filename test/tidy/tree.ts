// The files of this checkout, and what they import, for the house rules.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import { findImports, type Import } from "../../scripts/closure/imports.ts";

export const ROOT = resolve(import.meta.dirname, "../..");

const OUTSIDE = new Set([".git", ".redoubt", ".tsbuild", "node_modules"]);
const TEXT_NAMES =
  /(\.(ts|mjs|json|md|txt|yml|yaml|toml|sh|tf|service|enclave)|\/[^.]+|^\.[a-z]+)$/;

export type SourceFile = {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
};

export type ImportLine = Import & {
  readonly importer: string;
  /** The imported file relative to the root; null for packages and modules of Node. */
  readonly target: string | null;
};

function pathsBelow(folder: string): readonly string[] {
  const paths: string[] = [];
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory() && !OUTSIDE.has(entry.name)) paths.push(...pathsBelow(path));
    else if (entry.isFile()) paths.push(path);
  }
  return paths.sort();
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), "utf8");
  return { path, text, lines: text.split("\n") };
}

export const PATHS: readonly string[] = pathsBelow("");
export const TEXTS: readonly SourceFile[] = PATHS.filter((path) => TEXT_NAMES.test(path)).map(
  (path) => readSource(path),
);
export const CODE: readonly SourceFile[] = TEXTS.filter(({ path }) => path.endsWith(".ts"));
export const PAGES: readonly SourceFile[] = TEXTS.filter(({ path }) => path.endsWith(".md"));

function isRelative(specifier: string | null): specifier is string {
  return specifier !== null && /^\.\.?\//.test(specifier);
}

export const IMPORTS: readonly ImportLine[] = CODE.flatMap(({ path, text }) =>
  findImports(text).map((found) => ({
    ...found,
    importer: path,
    target: isRelative(found.specifier)
      ? posix.normalize(posix.join(dirname(path), found.specifier))
      : null,
  })),
);

/** In one of these folders. */
export function isIn(path: string, ...folders: readonly string[]): boolean {
  return folders.some((folder) => path.startsWith(`${folder}/`));
}

export function read(path: string): string {
  return existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), "utf8") : "";
}

/** Where a rule is broken: `path:line what`, for each line that matches. */
export function linesWith(files: readonly SourceFile[], pattern: RegExp): readonly string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => {
      const found = pattern.exec(line);
      return found === null ? [] : [`${path}:${index + 1} ${found[0].trim()}`];
    }),
  );
}
