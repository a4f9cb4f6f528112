// The enclave's closure, its rules, and the committed list of it. An image is built and a list is
// written under the same rules: own files lie in the enclave's folders, each at its own path.

import { existsSync, globSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { diffLines, encodeClosure } from "./list.ts";
import { type Closure, walkClosure } from "./walk.ts";

export const CLOSURE_LIST = "enclave/closure.txt";

/** The programs of the measured images, one for each target. */
const ENTRIES = "enclave/main.*.ts";
const OWN_FOLDERS: readonly string[] = ["enclave/", "shared/"];

/** What the programs of all targets can load. */
export function enclaveClosure(root: string): Closure {
  return walkClosure(root, globSync(ENTRIES, { cwd: root }));
}

/** What is wrong with a closure of enclave programs; empty when it may be an image's. */
export function closureFaults(root: string, closure: Closure): readonly string[] {
  const sources = closure.addons.map(({ source }) => source);
  const own = [...closure.own, ...closure.headers].map(({ path }) => path);
  const home = realpathSync(root);
  return [
    ...closure.faults,
    ...[...own, ...sources].flatMap((path) => {
      if (!OWN_FOLDERS.some((folder) => path.startsWith(folder))) {
        return [`${path}: outside of the enclave`];
      }
      // A link would put the content of some other file under a name of ours.
      const isInPlace =
        !existsSync(join(root, path)) || realpathSync(join(root, path)) === join(home, path);
      return isInPlace ? [] : [`${path}: a link`];
    }),
  ];
}

/** The lines in which the committed list differs from a closure. */
export function diffCommitted(root: string, closure: Closure): readonly string[] {
  const path = join(root, CLOSURE_LIST);
  const committed = existsSync(path) ? readFileSync(path, "utf8") : "";
  return diffLines(committed, encodeClosure(closure));
}
