// One enclave after another takes over under a hostile load, with real processes: without a fault
// no request is turned away and none is lost; whatever is killed meanwhile, the signer signs again,
// and nothing slashable ever leaves. `SEED=N` repeats the choices of a run; its timing is the
// machine's.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { z } from "zod";
import type { Enclave } from "../../scripts/local/stack.ts";
import { HostileLoad } from "../fakes/hostile-load.ts";
import { type Run, runRedoubt } from "../fakes/redoubt-process.ts";
import { RunningSigner } from "../fakes/running-signer.ts";
import { readStoreHistory, slashablePairs, unwritten } from "../fakes/store-history.ts";
import { Succession } from "../fakes/successor.ts";
import { until } from "../fakes/until.ts";
import { Random } from "../simulation/random.ts";

const KEY_COUNT = 4;
const CONCURRENCY = 6;
const RECOVERY_MS_MAX = 60_000;
/**
 * What a validator must not see of an upgrade without faults. Not among it: the boot floor, for
 * here an epoch lasts 40 ms, and another begins while the state is handed over.
 */
const TURNED_AWAY = [
  "lost",
  "DRAINING",
  "PHASE_REFUSED",
  "NOT_READY",
  "LINK_DOWN",
  "LINK_TIMEOUT",
  "DEADLINE",
  "STATE_UNKNOWN",
];

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const random = new Random(seed);
let signer: RunningSigner;
let succession: Succession;
let load: HostileLoad;

function pause(ms: number): Promise<void> {
  return new Promise((settle) => setTimeout(settle, ms));
}

const shownState = z.looseObject({
  phase: z.string(),
  floor: z.looseObject({ slot: z.string(), target: z.string() }).nullable(),
});

function stateOf(run: Run): z.infer<typeof shownState> {
  return shownState.parse(JSON.parse(run.out));
}

function redoubt(...args: readonly string[]): Promise<Run> {
  return runRedoubt(["upgrade", ...args, "--admin", `unix://${signer.layout.adminSocket}`]);
}

async function kill(enclave: Enclave | null): Promise<void> {
  const pid = enclave?.pid ?? 0;
  if (enclave === null || pid === 0) return;
  process.kill(pid, "SIGKILL");
  await until(() => enclave.pid !== pid && enclave.pid > 0, RECOVERY_MS_MAX);
}

describe(`an upgrade of the running signer, seed ${seed}`, () => {
  before(async () => {
    signer = await RunningSigner.start({ keyCount: KEY_COUNT });
    succession = new Succession(signer);
    load = new HostileLoad(signer, random);
    await load.awaitSigned();
    load.start(CONCURRENCY);
  });

  after(async () => {
    await load.stop();
    await succession.stop();
    await signer.stop();
  });

  it("waits for KMS to allow the successor, then turns no request away", async (t) => {
    await succession.prepare();
    await load.awaitReleases(RECOVERY_MS_MAX);
    const before = new Map(load.outcomes);
    const running = redoubt("start", "--wait", "60", "--json");
    for (;;) {
      const shown = await redoubt("show", "--json");
      assert.equal(shown.code, 0, shown.error);
      if (shown.out.includes('"code":"KMS_DENIED"')) break;
      assert.match(shown.out, /"phase":"(none|preparing)"/);
    }
    succession.allow();
    const run = await running;
    assert.equal(run.code, 0, run.error);
    assert.equal(stateOf(run).phase, "completed");
    assert.match(run.error, /preparing: KMS_DENIED/);
    await succession.settle();
    await load.awaitReleases(RECOVERY_MS_MAX);
    for (const code of TURNED_AWAY) assert.equal(load.outcomes.get(code), before.get(code), code);
    // The parent writes its log from time to time.
    await until(
      () => signer.parentLines().some(({ event }) => event === "upgrade.completed"),
      RECOVERY_MS_MAX,
    );
    t.diagnostic(`${load.requestCount} requests, ${load.releases.length} releases`);
  });

  it("is given up when the successor does not get ready in time, with everything as it was", async () => {
    await succession.prepare();
    const run = await redoubt("start", "--wait", "1");
    assert.equal(run.code, 1);
    assert.match(run.out, /^aborted: KMS_DENIED/);
    await load.awaitReleases(RECOVERY_MS_MAX);
    assert.equal((await redoubt("abort")).code, 1);
    succession.allow();
    assert.equal((await redoubt("start")).code, 0);
    await succession.settle();
    const again = await redoubt("start");
    assert.match(again.error, /UPGRADE_SAME/);
  });

  it("goes on, or is taken up by the parent's next start, when the parent is killed in it", async (t) => {
    const phases: string[] = [];
    for (let round = 0; round < 2; round++) {
      await succession.prepare();
      succession.allow();
      const running = redoubt("start");
      await pause(random.between(150, 900));
      const shown = await redoubt("show", "--json");
      phases.push(shown.out.slice(0, 24).trim());
      await signer.killParent();
      await running;
      // Its configuration names the successor by now.
      assert.equal(await signer.startParent(), null);
      await signer.awaitReady();
      await succession.settle();
      await load.awaitReleases(RECOVERY_MS_MAX);
    }
    t.diagnostic(phases.join(", "));
  });

  it("ends with the successor signing, whichever enclave is killed in it, and when", async (t) => {
    const ends: string[] = [];
    for (let round = 0; round < 4; round++) {
      await succession.prepare();
      succession.allow();
      const running = redoubt("start", "--json", "--wait", "60");
      await pause(random.between(150, 1200));
      await kill(round % 2 === 0 ? succession.present : succession.next);
      const run = await running;
      assert.equal(run.code, 0, run.out + run.error);
      ends.push(stateOf(run).phase);
      await succession.settle();
      await signer.awaitReady();
      await load.awaitReleases(RECOVERY_MS_MAX);
    }
    t.diagnostic(ends.join(", "));
  });

  it("holds the receipt of everything that any of them ever released", async (t) => {
    await load.stop();
    await signer.stopParent();
    assert.ok(load.verifySignatures(), "each signature is over the root that was asked for");
    const history = readStoreHistory(signer.stateFile);
    assert.deepEqual(slashablePairs(history), []);
    assert.deepEqual(unwritten(history, load.releases), []);
    t.diagnostic(load.summary());
  });
});

describe("an upgrade with slots as long as on a public network", () => {
  before(async () => {
    signer = await RunningSigner.start({ keyCount: 2, slotMs: 12_000 });
    succession = new Succession(signer);
    load = new HostileLoad(signer, random);
  });

  after(async () => {
    await succession.stop();
    await signer.stop();
  });

  it("needs no boot floor but across slots, and what bound the old enclave binds the new one", async () => {
    const [key = ""] = signer.publicKeys;
    const height = { kind: "block", slot: signer.freshSlot() } as const;
    assert.equal(await load.ask({ key, height, salt: 0 }), "GUARD_BOOT_FLOOR");
    for (let tries = 1; ; tries += 1) {
      await succession.prepare();
      succession.allow();
      const run = await redoubt("start", "--json");
      assert.equal(run.code, 0, run.error);
      await succession.settle();
      const { floor } = stateOf(run);
      if (floor === null) break;
      // Of a hand-over that came too late in its slot: the next one may come earlier.
      assert.ok(tries < 5, JSON.stringify(floor));
    }
    // By the record that was handed over, not by a floor of its own.
    assert.match(await load.ask({ key, height, salt: 0 }), /^GUARD_BLOCK_(BELOW|DOUBLE)$/);
  });
});
