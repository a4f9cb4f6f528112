// Where an import leads, by Node's own resolution (package exports and conditions included), asked
// on behalf of any file. It must never guess: what Node does not find is not found.

import { createRequire, isBuiltin, registerHooks } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ImportKind } from "./imports.ts";

export type Target =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "builtin"; readonly name: string }
  | { readonly kind: "missing" };

/** Marks our own questions; what follows is the JSON of [specifier, URL of the importing file]. */
const QUESTION = "redoubt-resolve:";

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (!specifier.startsWith(QUESTION)) return nextResolve(specifier, context);
    const question: unknown = JSON.parse(specifier.slice(QUESTION.length));
    const [asked, parentURL] = Array.isArray(question) ? question.map(String) : [];
    const answer = nextResolve(asked ?? "", { ...context, parentURL: parentURL ?? "" });
    return { ...answer, shortCircuit: true };
  },
});

export function resolveImport(specifier: string, kind: ImportKind, importer: string): Target {
  if (isBuiltin(specifier)) {
    const name = specifier.startsWith("node:") ? specifier : `node:${specifier}`;
    return { kind: "builtin", name };
  }
  try {
    return { kind: "file", path: pathOf(specifier, kind, importer) };
  } catch {
    return { kind: "missing" };
  }
}

function pathOf(specifier: string, kind: ImportKind, importer: string): string {
  const parentUrl = pathToFileURL(importer).href;
  if (kind === "require") return createRequire(importer).resolve(specifier);
  if (kind === "url") return fileURLToPath(new URL(specifier, parentUrl));
  return fileURLToPath(import.meta.resolve(`${QUESTION}${JSON.stringify([specifier, parentUrl])}`));
}
