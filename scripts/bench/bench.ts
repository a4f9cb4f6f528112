// `npm run bench`: the full path (mTLS client, parent, enclave, durable record, signature) against
// a plain `blst.sign` loop in the same run. Machines differ and are noisy: what counts is the ratio
// of CPU time a signature. `--json` prints one object, `--quick` measures for a moment only.

import { parseArgs } from "node:util";
import { BenchStack } from "./bench-stack.ts";
import { lastLine, measureLoad, runProgram } from "./measured-program.ts";
import { rssMiBOf } from "./process-stat.ts";
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

type RawSign = { readonly perSecond: number; readonly cpuMicroseconds: number };

async function measureRawSign(): Promise<RawSign> {
  const child = runProgram("scripts/bench/raw-sign.ts", [String(isQuick ? 1000 : 3000)]);
  return (await lastLine(child)) as RawSign; // oxlint-disable-line typescript/no-unsafe-type-assertion -- our own program's line
}

async function measureBoots(): Promise<Pick<BenchReport, "bootMs" | "enclaveRssMiB">> {
  const bootMs: Record<string, number> = {};
  let enclaveRssMiB = 0;
  for (const keyCount of bootKeyCounts) {
    say(`boot with ${keyCount} keys`);
    const stack = await BenchStack.start({ keyCount, port: PORT });
    bootMs[String(keyCount)] = Math.round(stack.bootMs);
    enclaveRssMiB = Math.round(rssMiBOf(stack.enclave.pid));
    await stack.stop();
  }
  return { bootMs, enclaveRssMiB };
}

async function measure(): Promise<BenchReport> {
  const rawBefore = await measureRawSign();
  const stack = await BenchStack.start({ keyCount: LOAD_KEY_COUNT, port: PORT });
  const loads: LoadResult[] = [];
  for (const concurrency of concurrencies) {
    say(`${concurrency} requests in flight, ${seconds} s`);
    loads.push(await measureLoad(stack, concurrency, seconds));
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
