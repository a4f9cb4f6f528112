// `npm run vectors -- DIR`: runs every vector of a folder through the program itself, and ends with
// `N passed, N failed`. A kind of file that it does not know counts as failed: nothing is skipped
// without a word.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { runVectorFile } from "./vector-file.ts";
import { failed, type VectorResult } from "./vector-result.ts";

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // Nothing is lost: what can't be looked at can't be read either, which is reported.
    return false;
  }
}

function* filesOf(folder: string): Generator<string> {
  for (const name of readdirSync(folder).toSorted()) {
    const path = join(folder, name);
    if (isFolder(path)) yield* filesOf(path);
    else yield path;
  }
}

async function runFile(path: string): Promise<readonly VectorResult[]> {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(path));
  } catch {
    return [{ name: path, ...failed("the file can't be read") }];
  }
  return runVectorFile(path, bytes);
}

const [argument, ...rest] = process.argv.slice(2);
if (argument === undefined || rest.length > 0) {
  process.stderr.write("usage: npm run vectors -- DIR\n");
  process.exit(2);
}
// npm runs scripts in the package's folder, and says where it was called from.
const folder = resolve(process.env["INIT_CWD"] ?? ".", argument);
if (!isFolder(folder)) {
  process.stderr.write(`vectors: ${argument} is no folder\n`);
  process.exit(2);
}

const results: VectorResult[] = [];
for (const path of filesOf(folder)) {
  for (const result of await runFile(path)) {
    results.push(result);
    const detail = result.detail === "" ? "" : ` (${result.detail})`;
    process.stdout.write(`${result.outcome.padEnd(7)} ${result.name}${detail}\n`);
  }
}
const count = (outcome: VectorResult["outcome"]) =>
  results.filter((result) => result.outcome === outcome).length;
if (count("passed") + count("failed") === 0) {
  process.stderr.write(`vectors: ${argument} holds no vector\n`);
}
if (count("skipped") > 0) process.stdout.write(`${count("skipped")} skipped\n`);
process.stdout.write(`${count("passed")} passed, ${count("failed")} failed\n`);
process.exitCode = count("failed") > 0 || count("passed") === 0 ? 1 : 0;
