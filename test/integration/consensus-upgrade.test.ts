// One enclave after another takes over for a Tendermint chain with the `parent` store, with real
// processes, while two nodes contend for every step: nobody is held back, heights go on, and
// whatever is killed meanwhile, no step is ever signed twice. `SEED=N` repeats the choices of a
// run; its timing is the machine's.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { z } from "zod";
import { quietly, type Stops } from "../../scripts/local/bring-up.ts";
import { bringUpConsensus } from "../../scripts/local/consensus-bring-up.ts";
import { freePortPair } from "../../scripts/local/free-ports.ts";
import type { JsonObject } from "../../scripts/local/json-fields.ts";
import { type Layout, layoutOf, makeFolders } from "../../scripts/local/layout.ts";
import { PrivvalNode } from "../../scripts/local/privval-node.ts";
import { ContendingNodes } from "../fakes/contending-nodes.ts";
import { type Run, runRedoubt } from "../fakes/redoubt-process.ts";
import { Succession } from "../fakes/successor.ts";
import { until } from "../fakes/until.ts";
import { Random } from "../simulation/random.ts";

const NODE_COUNT = 2;
const RECOVERY_MS_MAX = 60_000;
/** Of a machine that runs other things too; the median is some milliseconds. */
const WAIT_MS_MAX = 2000;
/** What contention brings, with or without an upgrade. */
const CONTENTION = ["GUARD_HEIGHT_BELOW", "GUARD_STEP_BELOW", "GUARD_STEP_DOUBLE"];

const manifestSchema = z.object({ kms: z.object({ keyArn: z.string() }) });
const shownState = z.looseObject({ phase: z.string() });

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const random = new Random(seed);
const stops: Stops = [];
let layout: Layout;
let succession: Succession;
let load: ContendingNodes;

function pause(ms: number): Promise<void> {
  return new Promise((settle) => setTimeout(settle, ms));
}

function redoubt(...args: readonly string[]): Promise<Run> {
  return runRedoubt([...args, "--admin", `unix://${layout.adminSocket}`]);
}

async function upgrade(): Promise<string> {
  const run = await redoubt("upgrade", "start", "--json", "--wait", "60");
  assert.equal(run.code, 0, run.out + run.error);
  return shownState.parse(JSON.parse(run.out)).phase;
}

/** Heights that nobody had reached before now. */
async function awaitHeights(count: number): Promise<void> {
  const wanted = load.heightCount + count;
  await until(() => {
    load.check();
    return load.heightCount >= wanted;
  }, RECOVERY_MS_MAX);
}

async function startSigner(chain: JsonObject = {}): Promise<void> {
  layout = layoutOf(mkdtempSync(join(tmpdir(), "redoubt-upgrade-")));
  makeFolders(layout);
  const nodes: PrivvalNode[] = [];
  const addresses: string[] = [];
  for (let count = 0; count < NODE_COUNT; count++) {
    const node = new PrivvalNode({ kind: "tcp", host: "127.0.0.1", port: 0 });
    addresses.push(await node.start());
    stops.push(() => node.stop());
    nodes.push(node);
  }
  const options = {
    isOnce: false,
    chain: "tendermint" as const,
    network: null,
    keystores: null,
    freshKeyCount: 0,
    state: "parent" as const,
    port: await freePortPair(),
    folder: layout.folder,
  };
  const { enclave } = await quietly(() =>
    bringUpConsensus(layout, options, addresses, stops, { chain }),
  );
  const manifest = manifestSchema.parse(JSON.parse(readFileSync(layout.manifest, "utf8")));
  succession = new Succession({ layout, kmsKeyArn: manifest.kms.keyArn, enclave });
  load = new ContendingNodes(nodes, random);
  load.start();
  await awaitHeights(3);
}

async function stopSigner(): Promise<void> {
  await load.stop();
  await succession.stop();
  for (const stop of stops.splice(0).toReversed()) await stop();
  rmSync(layout.folder, { recursive: true, force: true });
}

/** As often as that, and what it cost the nodes. */
async function upgradeQuietly(count: number): Promise<string> {
  load.waitedMs = 0;
  await awaitHeights(50);
  const told = [`without one ${Math.round(load.waitedMs)} ms`];
  for (let round = 0; round < count; round++) {
    await succession.prepare();
    succession.allow();
    await awaitHeights(3);
    load.waitedMs = 0;
    const { heightCount } = load;
    assert.equal(await upgrade(), "completed");
    await awaitHeights(3);
    told.push(`${Math.round(load.waitedMs)} ms over ${load.heightCount - heightCount} heights`);
    assert.ok(load.waitedMs < WAIT_MS_MAX, told.join());
    await succession.settle();
    await awaitHeights(3);
  }
  load.check();
  assert.equal(load.failureCount, 0);
  const others = [...load.refusals.keys()].filter((code) => !CONTENTION.includes(code));
  assert.deepEqual(others, []);
  assert.ok(load.refusals.has("GUARD_STEP_DOUBLE"), "both have asked for one step");
  return `longest ask: ${told.join(", ")}`;
}

describe(`an upgrade of a signer for a Tendermint chain, seed ${seed}`, () => {
  before(() => startSigner());
  after(stopSigner);

  it("refuses no vote, cuts off no node, and lets heights go on", async (t) => {
    t.diagnostic(await upgradeQuietly(3));
  });

  it("ends with the successor signing, whichever enclave is killed in it, and when", async (t) => {
    for (let round = 0; round < 4; round++) {
      await succession.prepare();
      succession.allow();
      const running = upgrade();
      await pause(random.between(100, 1200));
      const pid = (round % 2 === 0 ? succession.present : succession.next)?.pid ?? 0;
      if (pid !== 0) process.kill(pid, "SIGKILL");
      assert.equal(await running, "completed");
      await succession.settle();
      await awaitHeights(3);
    }
    load.check();
    t.diagnostic(`${load.failureCount} tries of nodes in vain`);
  });

  it("has the receipt of everything that was signed, and nothing that contradicts itself", async (t) => {
    await load.stop();
    load.check();
    const log = join(layout.folder, "audit.jsonl");
    const exported = await redoubt("audit", "export", "--out", log);
    assert.equal(exported.code, 0, exported.error);
    const verified = await runRedoubt(["audit", "verify", log, "--json"]);
    assert.equal(verified.code, 0, verified.out + verified.error);
    t.diagnostic(`${load.askCount} asks, ${load.stepCount} steps signed, each with one signature`);
  });
});

describe("an upgrade of a signer that reserves heights", () => {
  before(() => startSigner({ reservation: { heights: 50 } }));
  after(stopSigner);

  it("gives them back before the successor is asked, and refuses no vote", async (t) => {
    t.diagnostic(await upgradeQuietly(3));
  });
});
