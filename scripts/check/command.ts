// A check that is another program: it passes when the program exits with 0. A program that counts
// itself, by ending with a line `N passed, N failed`, is counted as it says; it must never count
// as passed when its exit code says otherwise.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { delimiter, dirname, join } from "node:path";
import { lastLines, type Outcome } from "./outcome.ts";

export type CommandCheck = { readonly name: string; readonly args: readonly string[] };

/** `args` are for the Node that runs this: every tool here is a script of a package or our own. */
export async function runCommand(root: string, check: CommandCheck): Promise<Outcome> {
  const child = spawn(process.execPath, ["--no-warnings", ...check.args], {
    cwd: root,
    env: toolEnvironment(root),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const chunks: Uint8Array[] = [];
  child.stdout.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  const closing: readonly unknown[] = await once(child, "close");
  const output = Buffer.concat(chunks).toString("utf8");
  return outcomeOf(check.name, closing[0] === 0, output);
}

export function outcomeOf(name: string, hasSucceeded: boolean, output: string): Outcome {
  const counts = /^(\d+) passed, (\d+) failed$/.exec(output.trimEnd().split("\n").at(-1) ?? "");
  const passedCount = counts === null ? Number(hasSucceeded) : Number(counts[1]);
  const failedCount = counts === null ? Number(!hasSucceeded) : Number(counts[2]);
  const isBroken = !hasSucceeded && failedCount === 0;
  const failures = Array.from({ length: isBroken ? 1 : failedCount }, (_, index) => ({
    name: index === 0 ? name : `${name} (${index + 1})`,
    // The whole output names them all: it is shown once.
    output: index === 0 ? lastLines(output) : "",
  }));
  return { passedCount, skippedCount: 0, failures, notes: [] };
}

/** The tools of this checkout first, plain output, and nothing of a test runner around us. */
function toolEnvironment(root: string): NodeJS.ProcessEnv {
  const paths = [dirname(process.execPath), join(root, "node_modules/.bin")];
  const { NODE_TEST_CONTEXT: _, FORCE_COLOR: __, ...rest } = process.env;
  return {
    ...rest,
    NO_COLOR: "1",
    PATH: [...paths, process.env["PATH"] ?? ""].join(delimiter),
  };
}
