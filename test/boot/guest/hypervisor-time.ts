// The hypervisor's time in the boot test: what the host said at the start of the guest, plus how
// long the guest has run. It doesn't change when somebody sets the clock of the guest's kernel,
// which is wrong on purpose.

import { readFileSync } from "node:fs";

/** On the kernel's command line: the host's Unix time in milliseconds. */
export const TIME_PARAMETER = "redoubt.time";

export function hypervisorTimeMs(): number {
  const parameters = readFileSync("/proc/cmdline", "utf8");
  const startMs = Number(new RegExp(`${TIME_PARAMETER}=(\\d+)`).exec(parameters)?.[1]);
  const uptimeSeconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  return Math.round(startMs + uptimeSeconds * 1000);
}
