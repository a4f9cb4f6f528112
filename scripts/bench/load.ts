// The load of the benchmark, in a process of its own so that its CPU is not counted: as many
// keep-alive mTLS connections as requests in flight, each with one ATTESTATION after another. Every
// request is a new vote, with a later target than the last one of its key, so that each signature
// needs a durable record. Prints one JSON line.

import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { parseArgs } from "node:util";
import type { LocalNetwork } from "../local/network.ts";
import { attestationRequest } from "../local/requests.ts";
import { BENCH_SLOT_MARGIN, SLOTS_PER_EPOCH } from "./bench-network.ts";

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
const fork = network.forks.at(-1);
if (fork === undefined) throw new Error("a network has forks");
const requestNetwork = {
  slotsPerEpoch: SLOTS_PER_EPOCH,
  genesisValidatorsRoot: network.genesisValidatorsRoot,
  genesisVersion: network.forks[0]?.version ?? "",
  fork: { name: fork.name.toUpperCase(), version: fork.version, epoch: fork.epoch },
  syncBitsBytes: 1,
  committeeBitsBytes: 1,
};

const agent = new Agent({
  keepAlive: true,
  maxSockets: concurrency,
  ca: readFileSync(values.ca ?? ""),
  cert: readFileSync(values.cert ?? ""),
  key: readFileSync(values.key ?? ""),
  minVersion: "TLSv1.3",
});

const lastEpochs = new Map<string, number>();
let nextKey = 0;

/** The next key that may vote for a later target than it did; waits for nobody. */
function nextVote(): { readonly path: string; readonly body: string } {
  const nowSlot = Math.floor((Date.now() - network.genesisTime * 1000) / network.slotDurationMs);
  const slot = nowSlot - BENCH_SLOT_MARGIN;
  const epoch = Math.floor(slot / SLOTS_PER_EPOCH);
  for (let tries = 0; tries < publicKeys.length; tries++) {
    const key = publicKeys[nextKey] ?? "";
    nextKey = (nextKey + 1) % publicKeys.length;
    if ((lastEpochs.get(key) ?? -1) >= epoch) continue;
    lastEpochs.set(key, epoch);
    const body = JSON.stringify(attestationRequest(requestNetwork, epoch * SLOTS_PER_EPOCH));
    return { path: `/api/v1/eth2/sign/${key}`, body };
  }
  throw new Error("the benchmark has too few keys for its speed");
}

function sign(): Promise<number> {
  const { path, body } = nextVote();
  return new Promise((settle, fail) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port: Number(values.port),
        path,
        method: "POST",
        agent,
        headers: {
          "content-type": "application/json",
          accept: "application/json",
          "content-length": Buffer.byteLength(body),
        },
      },
      (answer) => {
        answer.resume();
        answer.on("error", fail);
        answer.on("end", () => settle(answer.statusCode ?? 0));
      },
    );
    sent.on("error", fail);
    sent.end(body);
  });
}

const latenciesMs: number[] = [];
const statuses = new Map<number, number>();
/** Written by the timeline below, read by every loop. */
const phase = { isMeasuring: false, isOver: false };

async function loop(): Promise<void> {
  while (!phase.isOver) {
    const startMs = performance.now();
    const status = await sign();
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
agent.destroy();

latenciesMs.sort((a, b) => a - b);
const at = (share: number) => latenciesMs[Math.floor((latenciesMs.length - 1) * share)] ?? 0;
process.stdout.write(
  `${JSON.stringify({
    count: latenciesMs.length,
    seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    statuses: Object.fromEntries(statuses),
  })}\n`,
);
