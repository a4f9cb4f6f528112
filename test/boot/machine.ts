// The machine: QEMU without KVM and without any network device. The kernel's console goes to a
// file, the results come line by line over the second serial port. It must never outlive its
// deadline.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const MEMORY = "2G";
/**
 * One host thread for both processors: with one for each, QEMU 7.2 translates code while another
 * processor still writes it, and one in ten starts of Node crashes in code that V8 has just made.
 * An old model: what newer ones add, that version emulates wrongly here and there.
 */
const ACCELERATOR = "tcg,thread=single";
const PROCESSOR = "Nehalem,+rdrand";
/** Years before any certificate of the run is valid: an enclave has no clock that is right. */
const WRONG_TIME = "2021-01-01T00:00:00";
const CONSOLE_LINES_MAX = 60;

export type MachineWish = {
  readonly kernelPath: string;
  readonly ramdiskPath: string;
  readonly consolePath: string;
  readonly parameters: readonly string[];
  readonly deadlineMs: number;
  readonly onLine: (line: string) => void;
};

export type MachineEnd = "powered off" | "deadline";

export async function runMachine(wish: MachineWish): Promise<MachineEnd> {
  const append = ["console=ttyS0", "panic=-1", "loglevel=4", ...wish.parameters];
  const args = [
    ["-M", "pc", "-accel", ACCELERATOR, "-cpu", PROCESSOR, "-smp", "2", "-m", MEMORY],
    ["-nodefaults", "-nographic", "-no-user-config", "-no-reboot", "-net", "none"],
    ["-rtc", `base=${WRONG_TIME}`],
    ["-serial", `file:${wish.consolePath}`, "-serial", "stdio"],
    ["-kernel", wish.kernelPath, "-initrd", wish.ramdiskPath],
    ["-append", append.join(" ")],
  ];
  const child = spawn("qemu-system-x86_64", args.flat(), { stdio: ["ignore", "pipe", "inherit"] });
  let end: MachineEnd = "powered off";
  const timer = setTimeout(() => {
    end = "deadline";
    child.kill("SIGKILL");
  }, wish.deadlineMs);
  const stopWithUs = () => child.kill("SIGKILL");
  process.once("exit", stopWithUs);
  const closed = once(child, "close");
  for await (const line of createInterface({ input: child.stdout })) {
    wish.onLine(line.replaceAll("\r", ""));
  }
  await closed;
  clearTimeout(timer);
  process.removeListener("exit", stopWithUs);
  return end;
}

export function lastConsoleLines(path: string): string {
  try {
    return readFileSync(path, "utf8").split("\n").slice(-CONSOLE_LINES_MAX).join("\n");
  } catch {
    return "(no console)";
  }
}
