// `npm run test:chaos`: signers as real processes, under load, while they are killed, stopped and
// cut off by a plan that a seed decides; the last line is `N passed, N failed`. `SEED=N` repeats a
// plan, not the order in which the machine runs the processes; `REDOUBT_CHAOS_ROUNDS=N` makes it
// longer.

import { HostileLoad } from "../fakes/hostile-load.ts";
import { SmallDisk } from "../fakes/small-disk.ts";
import { readStoreHistory, slashablePairs, unwritten } from "../fakes/store-history.ts";
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
  } finally {
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
await stage("one signer with the parent's store", parentStore);
await stage("two signers on two stores", separateStores);
print(`# repeat the plan with SEED=${seed}`);
print(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
