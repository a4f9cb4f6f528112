// `npm run test:chaos`: signers as real processes, under load, while they are killed, stopped and
// cut off by a plan that a seed decides; the last line is `N passed, N failed`. `SEED=N` repeats a
// plan, not the order in which the machine runs the processes; `REDOUBT_CHAOS_ROUNDS=N` makes it
// longer.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { runAudit } from "../../scripts/cli/audit.ts";
import { parseLine } from "../../scripts/cli/audit-log.ts";
import { parseReceipt } from "../../scripts/cli/audit-receipt.ts";
import { encodeHex, encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { HostileLoad, type Release } from "../fakes/hostile-load.ts";
import { runRedoubt } from "../fakes/redoubt-process.ts";
import { SmallDisk } from "../fakes/small-disk.ts";
import { readStoreHistory, slashablePairs, unwritten } from "../fakes/store-history.ts";
import { Succession } from "../fakes/successor.ts";
import { Random } from "../simulation/random.ts";
import { Slashed } from "../simulation/recorder.ts";
import { Chaos } from "./chaos.ts";
import { Cluster } from "./cluster.ts";
import { pause } from "./faults.ts";
import { PARENT_STORE_FAULTS, planRounds, type Round, SHARED_STORE_FAULTS } from "./plan.ts";
import { printReport } from "./report.ts";

const KEY_COUNT = 8;
const TOOTH_MS_MAX = 60_000;
const TOOTH_POLL_MS = 100;
const LOG_MS = 2000;
/** What nobody must see of an upgrade without faults, however slow the stand-in of the table is. */
const TURNED_AWAY = [
  "lost",
  "DRAINING",
  "GUARD_BOOT_FLOOR",
  "LINK_DOWN",
  "NOT_READY",
  "PHASE_REFUSED",
];
const reportSchema = z.looseObject({
  receipts: z.number(),
  byCode: z.record(z.string(), z.number()),
});

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32)) >>> 0;
const askedCount = Number(process.env["REDOUBT_CHAOS_ROUNDS"] ?? 0);
const counts = { passed: 0, failed: 0 };

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function check(name: string, isTrue: boolean): void {
  counts[isTrue ? "passed" : "failed"] += 1;
  print(`${isTrue ? "ok" : "not ok"} ${name}`);
}

/** What throws has failed, and the stages after it run all the same. */
async function stage(name: string, run: () => Promise<void>): Promise<void> {
  print(`# ${name}`);
  try {
    await run();
  } catch (error) {
    check(`${name}: ${error instanceof Error ? error.message : String(error)}`, false);
  }
}

async function runRounds(cluster: Cluster, chaos: Chaos, rounds: readonly Round[]): Promise<void> {
  await chaos.start();
  try {
    for (const round of rounds) {
      const text = round.map((fault) => describeFault(cluster, fault)).join(" + ");
      const { recoveryMs } = await chaos.run(round);
      print(`#   ${text}: signing again after ${recoveryMs} ms`);
    }
    await chaos.stop();
  } catch (error) {
    await chaos.stop().catch(() => undefined);
    throw error;
  }
}

function describeFault(cluster: Cluster, { kind, siteIndex, lengthMs }: Round[number]): string {
  const length = lengthMs === 0 ? "" : `, ${lengthMs} ms`;
  return `${kind} (${cluster.sites[siteIndex]?.name ?? ""}${length})`;
}

async function sharedStore(): Promise<void> {
  const siteNames = ["a", "b"];
  const roundCount = Math.max(askedCount, SHARED_STORE_FAULTS.length);
  const rounds = planRounds(seed, SHARED_STORE_FAULTS, siteNames.length, roundCount);
  const cluster = await Cluster.start({ state: "dynamodb", siteNames, keyCount: KEY_COUNT, seed });
  try {
    const chaos = new Chaos(cluster, [], seed);
    await runRounds(cluster, chaos, rounds);
    printReport(print, chaos, cluster);
    checkRun(chaos);
    await checkHistory(cluster, chaos);
  } finally {
    await cluster.stop();
  }
}

/** What an auditor makes of the logs of all parents together. */
async function checkHistory(cluster: Cluster, chaos: Chaos): Promise<void> {
  // Receipts go to the logs when their records are written already.
  await pause(LOG_MS);
  const files: string[] = [];
  const logged = new Set<string>();
  for (const { name, layout } of cluster.sites) {
    const out = join(cluster.layout.folder, `${name}.jsonl`);
    const admin = `unix://${layout.adminSocket}`;
    const exported = await runAudit(["export", "--out", out, "--admin", admin]);
    check(`the log of ${name} is exported${exported.stderr}`, exported.exitCode === 0);
    files.push(out);
    for (const text of readFileSync(out, "utf8").split("\n")) {
      const line = parseLine(text);
      if (line?.kind !== "receipt") continue;
      const key = encodePrefixedHex(line.key);
      for (const { signingRoot } of parseReceipt(line.receipt)?.signed ?? []) {
        logged.add(nameOf({ key, signingRoot }));
      }
    }
  }
  const verified = await runAudit(["verify", "--json", ...files]);
  const report = reportSchema.parse(JSON.parse(verified.stdout));
  print(`#   audit: ${report.receipts} receipts, findings ${JSON.stringify(report.byCode)}`);
  // An enclave that is killed may take receipts with it that were on their way to its log.
  const gapCount = report.byCode["GAP"] ?? 0;
  const lost = chaos.load.releases.filter((release) => !logged.has(nameOf(release)));
  check(
    `every release has its receipt, but for ${lost.length} in ${gapCount} gaps`,
    lost.length === 0 || gapCount > 0,
  );
  const others = Object.keys(report.byCode).filter((code) => code !== "GAP");
  check(`the history has no finding but gaps: ${others.join()}`, others.length === 0);
}

function nameOf({ key, signingRoot }: Pick<Release, "key" | "signingRoot">): string {
  return `${key} ${encodeHex(signingRoot)}`;
}

/** Both enclaves are replaced, one after the other, while validators ask both. */
async function upgrades(): Promise<void> {
  const siteNames = ["a", "b"];
  const cluster = await Cluster.start({ state: "dynamodb", siteNames, keyCount: KEY_COUNT, seed });
  const successions: Succession[] = [];
  try {
    const chaos = new Chaos(cluster, [], seed);
    await chaos.start();
    await pause(LOG_MS);
    const before = new Map(chaos.load.outcomes);
    for (const { name, layout, enclave } of cluster.sites) {
      const succession = new Succession({ layout, enclave, kmsKeyArn: cluster.kmsKeyArn });
      successions.push(succession);
      await succession.prepare();
      succession.allow();
      const admin = `unix://${layout.adminSocket}`;
      const run = await runRedoubt(["upgrade", "start", "--admin", admin]);
      check(`the enclave of ${name} is replaced: ${run.out.trim()}${run.error}`, run.code === 0);
      await succession.settle();
    }
    await pause(LOG_MS);
    await chaos.stop();
    const turnedAway = TURNED_AWAY.filter(
      (code) => chaos.load.outcomes.get(code) !== before.get(code),
    );
    check(`no request was turned away: ${turnedAway.join()}`, turnedAway.length === 0);
    print(`#   ${chaos.load.summary()}`);
    checkRun(chaos);
    await checkHistory(cluster, chaos);
  } finally {
    await Promise.all(successions.map((succession) => succession.stop()));
    await cluster.stop();
  }
}

async function parentStore(): Promise<void> {
  const disks: SmallDisk[] = [];
  const roundCount = Math.max(askedCount, PARENT_STORE_FAULTS.length);
  const rounds = planRounds(seed, PARENT_STORE_FAULTS, 1, roundCount);
  const cluster = await Cluster.start({
    state: "parent",
    siteNames: ["a"],
    keyCount: KEY_COUNT,
    seed,
    prepareState: (folder) => {
      const disk = new SmallDisk(folder);
      disks.push(disk);
      return () => disk.remove();
    },
  });
  try {
    const chaos = new Chaos(cluster, disks, seed);
    await runRounds(cluster, chaos, rounds);
    printReport(print, chaos, cluster);
    checkRun(chaos);
    const [site] = cluster.sites;
    await site?.killParent();
    const history = readStoreHistory(site?.layout.stateFile ?? "");
    check("nothing slashable was even written", slashablePairs(history).length === 0);
    const lost = unwritten(history, chaos.load.releases);
    check("every release has its receipt", lost.length === 0);
  } finally {
    await cluster.stop();
  }
}

function checkRun(chaos: Chaos): void {
  // A slashable pair has thrown by now.
  check("no slashable pair was released", true);
  check("each signature is that of its key over what was asked for", chaos.load.verifySignatures());
  check("signed for an honest validator", chaos.duties.signedCount > 0);
  const wrong = chaos.wrongOutcomes();
  check(
    `no refusal without a reason: ${wrong.length === 0 ? "none" : wrong.join()}`,
    wrong.length === 0,
  );
}

/** The one case that the `parent` store does not promise; the recorder must see it. */
async function separateStores(): Promise<void> {
  const siteNames = ["a", "b"];
  const cluster = await Cluster.start({ state: "parent", siteNames, keyCount: KEY_COUNT, seed });
  try {
    const load = new HostileLoad(cluster, new Random(seed));
    const startMs = performance.now();
    load.start(8);
    let found: unknown = null;
    while (found === null && performance.now() - startMs < TOOTH_MS_MAX) {
      await pause(TOOTH_POLL_MS);
      try {
        load.check();
      } catch (error) {
        found = error;
      }
    }
    await load.stop().catch(() => undefined);
    const text = found instanceof Error ? found.message : "nothing";
    print(`#   after ${Math.round(performance.now() - startMs)} ms: ${text}`);
    check(
      "two signers on two stores are slashed, and the recorder says so",
      found instanceof Slashed,
    );
  } finally {
    await cluster.stop();
  }
}

print(`# seed ${seed}`);
await stage("two signers on one DynamoDB table", sharedStore);
await stage("two signers on one DynamoDB table, replaced one after the other", upgrades);
await stage("one signer with the parent's store", parentStore);
await stage("two signers on two stores", separateStores);
print(`# repeat the plan with SEED=${seed}`);
print(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
