// What the kernel says of a running process: CPU time of all its threads, and resident memory.

import { readFileSync } from "node:fs";

/** The kernel counts in ticks of 1/100 s on every Linux that Node runs on (USER_HZ). */
const TICK_MS = 10;

/** User and system time since its start. */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the name in parentheses, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

export function rssMiBOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}
