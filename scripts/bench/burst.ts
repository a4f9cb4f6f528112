// A slot's burst, in a process of its own: so many votes of different keys at once, to one signer
// or the same to two. Prints one JSON line: how long until the last answer of each burst, and
// whether all were signed, by two signers alike.

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { LocalNetwork } from "../local/network.ts";
import { quantile } from "./quantile.ts";
import { type Vote, VoteClient, VoteSource } from "./vote-client.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  strict: true,
  options: {
    port: { type: "string", multiple: true },
    ca: text,
    cert: text,
    key: text,
    keys: text,
    network: text,
    count: text,
    rounds: text,
  },
});

const PAUSE_MS = 250;
const publicKeys = JSON.parse(readFileSync(values.keys ?? "", "utf8")) as readonly string[]; // oxlint-disable-line typescript/no-unsafe-type-assertion -- written by the benchmark itself
const network = JSON.parse(values.network ?? "") as LocalNetwork; // oxlint-disable-line typescript/no-unsafe-type-assertion -- passed by the benchmark itself
const count = Number(values.count);
const votes = new VoteSource(publicKeys, network);
const clients = (values.port ?? []).map(
  (port) =>
    new VoteClient({
      port: Number(port),
      ca: values.ca ?? "",
      cert: values.cert ?? "",
      key: values.key ?? "",
      connectionCountMax: count,
    }),
);

async function nextVote(): Promise<Vote> {
  for (;;) {
    const vote = votes.next();
    if (vote !== null) return vote;
    await pause(1);
  }
}

type Burst = { readonly wholeMs: number; readonly eachMs: readonly number[] };
let refusedCount = 0;
let differingCount = 0;

async function burst(): Promise<Burst> {
  const asked: Vote[] = [];
  while (asked.length < count) asked.push(await nextVote());
  const eachMs: number[] = [];
  const startMs = performance.now();
  await Promise.all(
    asked.map(async (vote) => {
      const answers = await Promise.all(
        clients.map(async (client) => {
          const answer = await client.sign(vote);
          eachMs.push(performance.now() - startMs);
          return answer;
        }),
      );
      refusedCount += answers.filter(({ status }) => status !== 200).length;
      if (new Set(answers.map(({ body }) => body)).size > 1) differingCount += 1;
    }),
  );
  return { wholeMs: performance.now() - startMs, eachMs };
}

// Handshakes and compilation come first.
for (let round = 0; round < 3; round++) await burst();
const bursts: Burst[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  await pause(PAUSE_MS);
  bursts.push(await burst());
}
for (const client of clients) client.close();
const wholes = bursts.map(({ wholeMs }) => wholeMs);
const eachMs = bursts.flatMap((each) => each.eachMs);
process.stdout.write(
  `${JSON.stringify({
    requestCount: eachMs.length,
    wholeP50Ms: quantile(wholes, 0.5),
    wholeMaxMs: quantile(wholes, 1),
    eachP50Ms: quantile(eachMs, 0.5),
    eachP99Ms: quantile(eachMs, 0.99),
    refusedCount,
    differingCount,
  })}\n`,
);
