// `npm run bench:table`: what a table costs beside the parent's store, in the same run: latency,
// CPU, a slot's burst with many keys, and two signers that are asked for the same at once. The
// table is a stand-in in memory that answers after a delay; AWS's own latency is not measured here.
// `--json` prints one object, `--quick` measures for a moment only.

import { parseArgs } from "node:util";
import { argumentsOf } from "../local/program.ts";
import { BenchStack } from "./bench-stack.ts";
import { lastLine, measureLoad, runProgram } from "./measured-program.ts";
import type { LoadResult } from "./report.ts";

const PORT = 19_420;
const OTHER_PORT = 19_430;
/** About what DynamoDB says of itself, within one region. */
const TABLE_DELAY_MS = 5;
/** 10,000 keys, each voting once in an epoch of 32 slots. */
const BURST_COUNT = 313;

const flag = { type: "boolean" } as const;
const { values } = parseArgs({ strict: true, options: { json: flag, quick: flag } });
const isQuick = values.quick === true;
const seconds = isQuick ? 2 : 8;
const rounds = isQuick ? 5 : 30;
const keyCount = isQuick ? 1000 : 10_000;

type Burst = {
  readonly requestCount: number;
  readonly wholeP50Ms: number;
  readonly wholeMaxMs: number;
  readonly eachP50Ms: number;
  readonly eachP99Ms: number;
  readonly refusedCount: number;
  readonly differingCount: number;
};

type StoreFigures = {
  readonly store: string;
  readonly loads: readonly LoadResult[];
  readonly burst: Burst;
  readonly bootMs: number;
};
type Contention = { readonly burst: Burst; readonly written: number; readonly refused: number };

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

async function measureBurst(stack: BenchStack, ports: readonly number[]): Promise<Burst> {
  const { caCertificate, clientCertificate, clientKey, publicKeys } = stack.layout;
  const args = argumentsOf({
    ca: caCertificate,
    cert: clientCertificate,
    key: clientKey,
    keys: publicKeys,
    network: JSON.stringify(stack.network),
    count: String(BURST_COUNT),
    rounds: String(rounds),
  });
  const portArgs = ports.flatMap((port) => ["--port", String(port)]);
  return (await lastLine(runProgram("scripts/bench/burst.ts", [...args, ...portArgs]))) as Burst; // oxlint-disable-line typescript/no-unsafe-type-assertion -- our own program's line
}

async function measureStore(store: string, stack: BenchStack): Promise<StoreFigures> {
  const loads: LoadResult[] = [];
  for (const concurrency of [1, 64]) {
    say(`${store}: ${concurrency} requests in flight, ${seconds} s`);
    loads.push(await measureLoad(stack, concurrency, seconds));
  }
  say(`${store}: ${rounds} bursts of ${BURST_COUNT} with ${keyCount} keys`);
  const burst = await measureBurst(stack, [stack.port]);
  return { store, loads, burst, bootMs: Math.round(stack.bootMs) };
}

async function measureContention(stack: BenchStack): Promise<Contention> {
  say("a second signer on the table, asked for the same votes at once");
  await stack.startAnother(OTHER_PORT);
  const before = await stack.tableCounts();
  const burst = await measureBurst(stack, [stack.port, OTHER_PORT]);
  const after = await stack.tableCounts();
  const written = after.written - before.written;
  return { burst, written, refused: after.refused - before.refused };
}

say(`a signer with the parent's store, ${keyCount} keys`);
const parentStack = await BenchStack.start({ keyCount, port: PORT });
const parent = await measureStore("parent", parentStack);
await parentStack.stop();
say(`a signer with a table that answers after ${TABLE_DELAY_MS} ms, ${keyCount} keys`);
const tableStack = await BenchStack.start({ keyCount, port: PORT, tableDelayMs: TABLE_DELAY_MS });
const table = await measureStore("table", tableStack);
const contention = await measureContention(tableStack);
await tableStack.stop();

function storeLines({ store, loads, burst, bootMs }: StoreFigures): readonly string[] {
  return [
    ...loads.map((load) =>
      [
        store.padEnd(8),
        String(load.concurrency).padStart(9),
        load.throughputPerSecond.toFixed(0).padStart(14),
        load.p50Ms.toFixed(1).padStart(9),
        load.p99Ms.toFixed(1).padStart(9),
        load.parentCpuMicroseconds.toFixed(0).padStart(16),
        load.enclaveCpuMicroseconds.toFixed(0).padStart(10),
      ].join(""),
    ),
    `${store.padEnd(8)} burst of ${BURST_COUNT}: all answered after ${burst.wholeP50Ms.toFixed(0)} ms (median), ${burst.wholeMaxMs.toFixed(0)} ms at most; boot ${bootMs} ms`,
  ];
}

if (values.json === true)
  process.stdout.write(`${JSON.stringify({ parent, table, contention })}\n`);
else {
  const { burst, written, refused } = contention;
  const lines = [
    `store    in flight  signatures/s   p50 ms   p99 ms  CPU µs: parent   enclave`,
    ...storeLines(parent),
    ...storeLines(table),
    `two signers, the same ${BURST_COUNT} votes at once: all answered after ${burst.wholeP50Ms.toFixed(0)} ms (median), ${burst.wholeMaxMs.toFixed(0)} ms at most`,
    `  ${burst.requestCount} requests, ${written} records written, ${refused} writes refused and decided again, ${burst.differingCount} answers that differ`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
const bursts = [parent.burst, table.burst, contention.burst];
const statuses = [...parent.loads, ...table.loads].flatMap((load) => Object.keys(load.statuses));
if (
  bursts.some((each) => each.refusedCount + each.differingCount > 0) ||
  statuses.some((status) => status !== "200")
) {
  say("some requests were not signed, or not alike: the figures are worth nothing");
  process.exitCode = 1;
}
