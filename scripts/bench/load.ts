// The load of the benchmark, in a process of its own so that its CPU is not counted: as many
// connections as requests in flight, each with one ATTESTATION after another. Prints one JSON line.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { LocalNetwork } from "../local/network.ts";
import { quantile } from "./quantile.ts";
import { VoteClient, VoteSource } from "./vote-client.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  strict: true,
  options: {
    port: text,
    ca: text,
    cert: text,
    key: text,
    keys: text,
    network: text,
    concurrency: text,
    seconds: text,
  },
});

const concurrency = Number(values.concurrency);
const publicKeys = JSON.parse(readFileSync(values.keys ?? "", "utf8")) as readonly string[]; // oxlint-disable-line typescript/no-unsafe-type-assertion -- written by the benchmark itself
const network = JSON.parse(values.network ?? "") as LocalNetwork; // oxlint-disable-line typescript/no-unsafe-type-assertion -- passed by the benchmark itself
const votes = new VoteSource(publicKeys, network);
const client = new VoteClient({
  port: Number(values.port),
  ca: values.ca ?? "",
  cert: values.cert ?? "",
  key: values.key ?? "",
  connectionCountMax: concurrency,
});

const latenciesMs: number[] = [];
const statuses = new Map<number, number>();
/** Written by the timeline below, read by every loop. */
const phase = { isMeasuring: false, isOver: false };

async function loop(): Promise<void> {
  while (!phase.isOver) {
    const startMs = performance.now();
    const vote = votes.next();
    if (vote === null) throw new Error("the benchmark has too few keys for its speed");
    const { status } = await client.sign(vote);
    if (!phase.isMeasuring) continue;
    latenciesMs.push(performance.now() - startMs);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

const loops = Array.from({ length: concurrency }, () => loop());
// Handshakes and compilation are over before the clock runs; the benchmark reads CPU times between
// these two lines.
await pause(1500);
phase.isMeasuring = true;
const startMs = performance.now();
process.stdout.write("measuring\n");
await pause(Number(values.seconds) * 1000);
phase.isMeasuring = false;
const seconds = (performance.now() - startMs) / 1000;
process.stdout.write("measured\n");
phase.isOver = true;
await Promise.all(loops);
client.close();

process.stdout.write(
  `${JSON.stringify({
    count: latenciesMs.length,
    seconds,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
    statuses: Object.fromEntries(statuses),
  })}\n`,
);
