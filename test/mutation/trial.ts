// One mutant against the tests of its module, one process for each file of tests, until one of them
// notices. It must never count as killed what only this machine's load has killed: a time limit is
// many times what the tests need.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { encodeWish, LIMIT_VARIABLE, MUTANT_VARIABLE, NOT_LOADED, type Wish } from "./wish.ts";

const LIMIT_FACTOR = 5;
const LIMIT_MS_LEAST = 6000;
const ORPHAN_MS = 1000;

export type End = "passed" | "failed" | "timeout" | "not loaded";

/** A file of tests, and how long it may take. */
export type TestFile = { readonly path: string; readonly limitMs: number };

export type Verdict = "killed" | "timeout" | "survived" | "invalid";

export async function judge(
  root: string,
  source: string,
  wish: Wish,
  files: readonly TestFile[],
): Promise<Verdict> {
  if (!isProgram(source.slice(0, wish.start) + wish.text + source.slice(wish.end))) {
    return "invalid";
  }
  for (const { path, limitMs } of files) {
    const end = await runTests(root, wish, path, limitMs);
    if (end === "failed") return "killed";
    if (end === "timeout") return "timeout";
    if (end === "not loaded") throw new Error(`${path} does not load ${wish.url}`);
  }
  return "survived";
}

/** The tests with the module as it is: they must pass, and say how long they take. */
export async function measure(root: string, url: string, path: string): Promise<TestFile> {
  const started = performance.now();
  const end = await runTests(root, { url, start: 0, end: 0, text: "" }, path, 120_000);
  if (end !== "passed") throw new Error(`${path} without a mutant of ${url}: ${end}`);
  return {
    path,
    limitMs: Math.max(LIMIT_MS_LEAST, LIMIT_FACTOR * (performance.now() - started)),
  };
}

function isProgram(text: string): boolean {
  try {
    stripTypeScriptTypes(text);
    return true;
  } catch {
    return false;
  }
}

async function runTests(root: string, wish: Wish, path: string, limitMs: number): Promise<End> {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...environment } = process.env;
  const args = [
    "--no-warnings",
    "--import",
    join(import.meta.dirname, "./load-hook.ts"),
    "--test-reporter",
    join(import.meta.dirname, "./first-failure.ts"),
    path,
  ];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: {
      ...environment,
      [MUTANT_VARIABLE]: encodeWish(wish),
      // Only for when nobody is left to end it.
      [LIMIT_VARIABLE]: String(limitMs + ORPHAN_MS),
    },
    stdio: "ignore",
    // A group of its own: what the tests have started goes with them.
    detached: true,
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    endGroup(child.pid);
  }, limitMs);
  const exit: readonly unknown[] = await once(child, "exit");
  const code = exit[0];
  clearTimeout(timer);
  endGroup(child.pid);
  if (isLate) return "timeout";
  if (code === NOT_LOADED) return "not loaded";
  return code === 0 ? "passed" : "failed";
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}
