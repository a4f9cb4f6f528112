// `npm run bench`: the full path (mTLS client, parent, enclave, durable record, signature) against
// a plain `blst.sign` loop in the same run. Machines differ and are noisy: what counts is the ratio
// of CPU time a signature. `--json` prints one object, `--quick` measures for a moment only.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { argumentsOf, ROOT_FOLDER } from "../local/program.ts";
import { BenchStack } from "./bench-stack.ts";
import { cpuMsOf, rssMiBOf } from "./process-stat.ts";
import { type BenchReport, encodeTable, type LoadResult } from "./report.ts";

const PORT = 19_400;
const LOAD_KEY_COUNT = 1000;
/** The load at which the CPU of a signature is compared (docs/performance.md). */
const RATIO_CONCURRENCY = 64;

const values = readOptions();
const isQuick = values.quick === true;
const seconds = isQuick ? 2 : 8;
const concurrencies = isQuick ? [1, RATIO_CONCURRENCY] : [1, 8, RATIO_CONCURRENCY, 256];
const bootKeyCounts = isQuick ? [1] : [1, 1000, 10_000];

function readOptions() {
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({ strict: true, options: { json: flag, quick: flag } }).values;
  } catch {
    process.stderr.write("usage: npm run bench -- [--json] [--quick]\n");
    process.exit(2);
  }
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

type Child = { readonly lines: AsyncIterable<string>; readonly ended: Promise<void> };

function runProgram(file: string, args: readonly string[]): Child {
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

type RawSign = { readonly perSecond: number; readonly cpuMicroseconds: number };

async function measureRawSign(): Promise<RawSign> {
  const child = runProgram("scripts/bench/raw-sign.ts", [String(isQuick ? 1000 : 3000)]);
  let last = "{}";
  for await (const line of child.lines) last = line;
  await child.ended;
  return JSON.parse(last) as RawSign; // oxlint-disable-line typescript/no-unsafe-type-assertion -- our own program's line
}

async function measureLoad(stack: BenchStack, concurrency: number): Promise<LoadResult> {
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

async function measureBoots(): Promise<Pick<BenchReport, "bootMs" | "enclaveRssMiB">> {
  const bootMs: Record<string, number> = {};
  let enclaveRssMiB = 0;
  for (const keyCount of bootKeyCounts) {
    say(`boot with ${keyCount} keys`);
    const stack = await BenchStack.start(keyCount, PORT);
    bootMs[String(keyCount)] = Math.round(stack.bootMs);
    enclaveRssMiB = Math.round(rssMiBOf(stack.enclave.pid));
    await stack.stop();
  }
  return { bootMs, enclaveRssMiB };
}

async function measure(): Promise<BenchReport> {
  const rawBefore = await measureRawSign();
  const stack = await BenchStack.start(LOAD_KEY_COUNT, PORT);
  const loads: LoadResult[] = [];
  for (const concurrency of concurrencies) {
    say(`${concurrency} requests in flight, ${seconds} s`);
    loads.push(await measureLoad(stack, concurrency));
  }
  await stack.stop();
  const rawAfter = await measureRawSign();
  const boots = await measureBoots();
  const rawCpu = (rawBefore.cpuMicroseconds + rawAfter.cpuMicroseconds) / 2;
  const compared = loads.find((load) => load.concurrency === RATIO_CONCURRENCY);
  if (compared === undefined) throw new Error("the compared load was not measured");
  const cpu = compared.parentCpuMicroseconds + compared.enclaveCpuMicroseconds;
  return {
    cpuPerSignatureRatio: cpu / rawCpu,
    throughputPerSecond: compared.throughputPerSecond,
    rawSignPerSecond: (rawBefore.perSecond + rawAfter.perSecond) / 2,
    rawSignCpuMicroseconds: rawCpu,
    p50Ms: compared.p50Ms,
    p99Ms: compared.p99Ms,
    ...boots,
    loads,
  };
}

const report = await measure();
if (values.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
else process.stdout.write(encodeTable(report));
const failures = report.loads.flatMap(({ statuses }) =>
  Object.keys(statuses).filter((status) => status !== "200"),
);
if (failures.length > 0) {
  say(`some requests were not signed (HTTP ${failures.join(", ")}): the figures are worth nothing`);
  process.exitCode = 1;
}
