// The command line as an operator runs it: a process, what it prints, and its exit code.

import { spawn } from "node:child_process";
import { resolve } from "node:path";

export type Run = { readonly code: number | null; readonly out: string; readonly error: string };

const PROGRAM = resolve(import.meta.dirname, "../../scripts/cli/main.ts");

export function runRedoubt(args: readonly string[]): Promise<Run> {
  return new Promise((settle) => {
    const child = spawn(process.execPath, ["--no-warnings", PROGRAM, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let error = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (error += chunk.toString()));
    child.on("close", (code) => settle({ code, out, error }));
  });
}
