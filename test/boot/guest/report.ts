// What the checks in the guest found, as lines for the host: `ok NAME` and `not ok NAME: reason`.
// A check that throws has failed; it must never take the others with it.

import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 100;

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** What is worth reading in the log, and proves nothing. */
export function note(text: string): void {
  print(`# ${text}`);
}

/** True when it held. What `run` returns is shown beside the name. */
export async function check(
  name: string,
  run: () => Promise<string | void> | string | void,
): Promise<boolean> {
  const startedMs = performance.now();
  try {
    const detail = await run();
    print(`ok ${name} (${detail === undefined ? "" : `${detail}, `}${secondsSince(startedMs)} s)`);
    return true;
  } catch (error) {
    const reason = error instanceof Error ? error.message : "threw something";
    print(
      `not ok ${name}: ${reason.replaceAll(/\s*\n\s*/g, " | ")} (${secondsSince(startedMs)} s)`,
    );
    return false;
  }
}

function secondsSince(startedMs: number): string {
  return ((performance.now() - startedMs) / 1000).toFixed(1);
}

/** Asks until the answer is not null; the reason of a failure is the caller's last one. */
export async function until<T>(
  what: string,
  deadlineMs: number,
  ask: () => Promise<T | null> | T | null,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > endMs) throw new Error(`waited ${deadlineMs} ms ${what}`);
    await sleep(POLL_MS);
  }
}
