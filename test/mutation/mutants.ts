// All mutants of some modules. A mutant is named by its module, the function that it lies in, and
// what is replaced by what: never by a line, so that a list of names outlives other changes to the
// same file.

import { pathToFileURL } from "node:url";
import {
  isExportDeclaration,
  isImportDeclaration,
  isInterfaceDeclaration,
  isTypeAliasDeclaration,
  isTypeNode,
  isTypeParameterDeclaration,
  type Node,
  type SourceFile,
} from "typescript/unstable/ast";
import { API } from "typescript/unstable/sync";
import { changesOf } from "./operators.ts";
import type { Wish } from "./wish.ts";

export type Mutant = {
  readonly module: string;
  /** Of the module, unique in it. */
  readonly name: string;
  readonly line: number;
  readonly wish: Wish;
};

const TEXT_LENGTH_MAX = 72;

/** Mutants of each module, in the order of its text. */
export function findMutants(
  root: string,
  modules: readonly string[],
): ReadonlyMap<string, readonly Mutant[]> {
  const api = new API({ cwd: root });
  try {
    const configs = [...new Set(modules.map((module) => configOf(root, module)))];
    const snapshot = api.updateSnapshot({ openProjects: configs });
    return new Map(
      modules.map((module) => {
        const program = snapshot.getProject(configOf(root, module))?.program;
        const source = program?.getSourceFile(`${root}/${module}`);
        if (source === undefined) throw new Error(`${module} is in no project`);
        return [module, mutantsOf(module, source)];
      }),
    );
  } finally {
    api.close();
  }
}

function configOf(root: string, module: string): string {
  return `${root}/${module.split("/")[0] ?? ""}/tsconfig.json`;
}

function mutantsOf(module: string, source: SourceFile): readonly Mutant[] {
  const mutants: Mutant[] = [];
  const counts = new Map<string, number>();
  const url = pathToFileURL(source.fileName).href;
  const visit = (node: Node): void => {
    if (isOnlyType(node)) return;
    for (const change of changesOf(node)) {
      const start = change.node.getStart();
      const { end } = change.node;
      const name = `${placeOf(node)}: ${short(source.text.slice(start, end))} -> ${short(change.text)}`;
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      mutants.push({
        module,
        name: count === 1 ? name : `${name} (${count})`,
        line: source.text.slice(0, start).split("\n").length,
        wish: { url, start, end, text: change.text },
      });
    }
    node.forEachChild(visit);
  };
  visit(source);
  return mutants;
}

function isOnlyType(node: Node): boolean {
  return (
    isTypeNode(node) ||
    isTypeAliasDeclaration(node) ||
    isInterfaceDeclaration(node) ||
    isTypeParameterDeclaration(node) ||
    isImportDeclaration(node) ||
    isExportDeclaration(node)
  );
}

/** The declarations around it, outermost first: `Ledger.#write.pending`. */
function placeOf(node: Node): string {
  const names: string[] = [];
  for (let at: Node | undefined = node; at !== undefined; at = at.parent) {
    if (!("name" in at) || !("body" in at || "members" in at || "initializer" in at)) continue;
    const name = at.name as Node | undefined; // oxlint-disable-line typescript/no-unsafe-type-assertion -- the name of a declaration is a node
    if (name !== undefined) names.unshift(short(name.getText()));
  }
  return names.length === 0 ? "module" : names.join(".");
}

/** On one line, and the two ends of what is long. */
function short(text: string): string {
  const plain = text.replaceAll(/\s+/g, " ");
  if (plain.length <= TEXT_LENGTH_MAX) return plain;
  const half = TEXT_LENGTH_MAX / 2 - 2;
  return `${plain.slice(0, half)} .. ${plain.slice(-half)}`;
}
