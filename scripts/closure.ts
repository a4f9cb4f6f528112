// `npm run closure`: the list of everything that the enclave's program can load. Prints it; with
// `--write` commits it to `enclave/closure.txt`; with `--check` compares it with what is committed.
// It must never pass when the program reaches outside `enclave/` and `shared/`.

import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CLOSURE_LIST, closureFaults, diffCommitted, enclaveClosure } from "./closure/enclave.ts";
import { encodeClosure } from "./closure/list.ts";
import type { Closure } from "./closure/walk.ts";

const root = resolve(import.meta.dirname, "..");

function main(args: readonly string[]): number {
  const [mode = "--print", ...extra] = args;
  if (extra.length > 0 || !["--print", "--write", "--check"].includes(mode)) {
    process.stderr.write("usage: npm run closure [-- --write | --check]\n");
    return 2;
  }
  const closure = enclaveClosure(root);
  const faults = closureFaults(root, closure);
  if (faults.length > 0) {
    process.stderr.write(`closure: the enclave's imports are wrong\n  ${faults.join("\n  ")}\n`);
    return 1;
  }
  if (mode === "--check") return check(closure);
  const list = encodeClosure(closure);
  if (mode === "--write") writeFileSync(join(root, CLOSURE_LIST), list);
  else process.stdout.write(list);
  return 0;
}

function check(closure: Closure): number {
  const lines = diffCommitted(root, closure);
  if (lines.length === 0) return 0;
  process.stderr.write(
    `closure: ${CLOSURE_LIST} differs from what the enclave loads (- committed, + now)\n` +
      `  ${lines.join("\n  ")}\nIf this is meant: npm run closure -- --write\n`,
  );
  return 1;
}

process.exitCode = main(process.argv.slice(2));
