// The measuring programs of a benchmark, run as processes of their own, and what they and the
// kernel say of the signer meanwhile.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { argumentsOf, ROOT_FOLDER } from "../local/program.ts";
import type { BenchStack } from "./bench-stack.ts";
import { cpuMsOf } from "./process-stat.ts";
import type { LoadResult } from "./report.ts";

export type Child = { readonly lines: AsyncIterable<string>; readonly ended: Promise<void> };

export function runProgram(file: string, args: readonly string[]): Child {
  const child = spawn(process.execPath, ["--no-warnings", join(ROOT_FOLDER, file), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${file} failed`))));
  });
  return { lines: linesOf(child.stdout), ended };
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let pending = "";
  for await (const chunk of stream) {
    const lines = (pending + chunk.toString("utf8")).split("\n");
    pending = lines.pop() ?? "";
    yield* lines;
  }
}

/** What a program prints last, as JSON. */
export async function lastLine(child: Child): Promise<unknown> {
  let last = "{}";
  for await (const line of child.lines) if (line !== "") last = line;
  await child.ended;
  return JSON.parse(last);
}

/** `concurrency` requests in flight for some seconds. */
export async function measureLoad(
  stack: BenchStack,
  concurrency: number,
  seconds: number,
): Promise<LoadResult> {
  const child = runProgram(
    "scripts/bench/load.ts",
    argumentsOf({
      port: String(stack.port),
      ca: stack.layout.caCertificate,
      cert: stack.layout.clientCertificate,
      key: stack.layout.clientKey,
      keys: stack.layout.publicKeys,
      network: JSON.stringify(stack.network),
      concurrency: String(concurrency),
      seconds: String(seconds),
    }),
  );
  const pids = { parent: stack.parent.pid, enclave: stack.enclave.pid };
  const before = { parent: 0, enclave: 0 };
  const after = { parent: 0, enclave: 0 };
  let last = "{}";
  for await (const line of child.lines) {
    const marks = line === "measuring" ? before : line === "measured" ? after : null;
    if (marks === null) last = line;
    else {
      marks.parent = cpuMsOf(pids.parent);
      marks.enclave = cpuMsOf(pids.enclave);
    }
  }
  await child.ended;
  const load = JSON.parse(last) as Omit<LoadResult, "concurrency">; // oxlint-disable-line typescript/no-unsafe-type-assertion -- our own program's line
  return {
    ...load,
    concurrency,
    throughputPerSecond: load.count / load.seconds,
    parentCpuMicroseconds: ((after.parent - before.parent) * 1000) / load.count,
    enclaveCpuMicroseconds: ((after.enclave - before.enclave) * 1000) / load.count,
  };
}
