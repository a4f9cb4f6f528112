// What the host tells the guest, on the kernel's command line as `NAME=VALUE`.

import { readFileSync } from "node:fs";

/** The host's Unix time in milliseconds, when the guest was started. */
export const TIME_PARAMETER = "redoubt.time";
/** The groups of checks to run, with commas between. */
export const GROUPS_PARAMETER = "redoubt.checks";
/** How many connections the search for leaked descriptors makes. */
export const CONNECTIONS_PARAMETER = "redoubt.connections";

export function readParameter(name: string): string {
  const words = readFileSync("/proc/cmdline", "utf8").trim().split(" ");
  const word = words.find((each) => each.startsWith(`${name}=`));
  if (word === undefined) throw new Error(`the host gave no ${name}`);
  return word.slice(name.length + 1);
}
