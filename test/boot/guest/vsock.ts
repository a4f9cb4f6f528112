// Runs `vsock-guest.ts`, the checks of the socket layer itself, and passes its lines on as ours.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CONNECTIONS_PARAMETER, readParameter } from "./parameters.ts";
import { note, print } from "./report.ts";

const PROGRAM = join(import.meta.dirname, "..", "vsock-guest.ts");

export async function checkVsock(): Promise<void> {
  const connections = ["--connections", readParameter(CONNECTIONS_PARAMETER)];
  const child = spawn(process.execPath, ["--no-warnings", PROGRAM, ...connections], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closing = once(child, "close");
  let summary = "";
  let printedCount = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^\d+ passed, \d+ failed$/.test(line)) summary = line;
    else if (/^(not )?ok /.test(line)) {
      printedCount += 1;
      print(line.replace(/^((not )?ok) (\d+ - )?/, "$1 vsock: "));
    } else note(line.replace(/^# /, ""));
  }
  const closed: readonly unknown[] = await closing;
  const [, passed = "", failed = ""] = /^(\d+) passed, (\d+) failed$/.exec(summary) ?? [];
  const isWhole = Number(passed) + Number(failed) === printedCount && printedCount > 0;
  const isRight = closed[0] === 0 && failed === "0" && isWhole;
  print(`${isRight ? "ok" : "not ok"} the checks of the vsock layer ran to their end: ${summary}`);
}
