// `npm run closure`: the list of everything that the enclave's program can load. Prints it; with
// `--write` commits it to `enclave/closure.txt`; with `--check` compares it with what is committed.
// It must never pass when the program reaches outside `enclave/` and `shared/`.

import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { diffLines, encodeClosure } from "./closure/list.ts";
import { walkClosure } from "./closure/walk.ts";

/** The programs of the measured images, one for each target. */
const ENTRIES: readonly string[] = ["enclave/main.*.ts"];
const LIST = "enclave/closure.txt";
const OWN_FOLDERS: readonly string[] = ["enclave/", "shared/"];

const root = resolve(import.meta.dirname, "..");

function main(args: readonly string[]): number {
  const [mode = "--print", ...extra] = args;
  if (extra.length > 0 || !["--print", "--write", "--check"].includes(mode)) {
    process.stderr.write("usage: npm run closure [-- --write | --check]\n");
    return 2;
  }
  const closure = walkClosure(
    root,
    ENTRIES.flatMap((pattern) => globSync(pattern, { cwd: root })),
  );
  const outside = closure.own
    .filter(({ path }) => !OWN_FOLDERS.some((folder) => path.startsWith(folder)))
    .map(({ path }) => `${path}: outside of the enclave`);
  const faults = [...closure.faults, ...outside];
  if (faults.length > 0) {
    process.stderr.write(`closure: the enclave's imports are wrong\n  ${faults.join("\n  ")}\n`);
    return 1;
  }
  const list = encodeClosure(closure);
  if (mode === "--check") return check(list);
  if (mode === "--write") writeFileSync(join(root, LIST), list);
  else process.stdout.write(list);
  return 0;
}

function check(list: string): number {
  const path = join(root, LIST);
  const committed = existsSync(path) ? readFileSync(path, "utf8") : "";
  if (committed === list) return 0;
  const lines = diffLines(committed, list);
  process.stderr.write(
    `closure: ${LIST} differs from what the enclave loads (- committed, + now)\n` +
      `  ${lines.join("\n  ")}\nIf this is meant: npm run closure -- --write\n`,
  );
  return 1;
}

process.exitCode = main(process.argv.slice(2));
