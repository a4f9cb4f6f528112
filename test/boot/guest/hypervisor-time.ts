// The hypervisor's time in the boot test: what the host said at the start of the guest, plus how
// long the guest has run. It doesn't change when somebody sets the clock of the guest's kernel,
// which is wrong on purpose.

import { readFileSync } from "node:fs";
import { readParameter, TIME_PARAMETER } from "./parameters.ts";

export function hypervisorTimeMs(): number {
  const uptimeSeconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  return Math.round(Number(readParameter(TIME_PARAMETER)) + uptimeSeconds * 1000);
}
