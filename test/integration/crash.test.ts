// The whole signer under a hostile load while its parts are killed and paused at random moments.
// The enclave is booted again by its supervisor, the parent is started again as systemd would.
// Outside of all of it every released signature is kept: no two of them may ever be slashable, and
// each must be in the history that the store holds. `SEED=N` repeats the choices of a run;
// its timing is the machine's.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { HostileLoad } from "../fakes/hostile-load.ts";
import { RunningSigner } from "../fakes/running-signer.ts";
import { readStoreHistory, slashablePairs, unwritten } from "../fakes/store-history.ts";
import { Random } from "../simulation/random.ts";

const KEY_COUNT = 4;
const CONCURRENCY = 10;
const RECOVERY_MS_MAX = 60_000;

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const random = new Random(seed);
let signer: RunningSigner;
let load: HostileLoad;
const recoveriesMs: number[] = [];

function pause(ms: number): Promise<void> {
  return new Promise((settle) => setTimeout(settle, ms));
}

async function awaitReleases(sinceMs: number): Promise<void> {
  await load.awaitReleases(RECOVERY_MS_MAX);
  recoveriesMs.push(Math.round(performance.now() - sinceMs));
}

describe(`the running signer, seed ${seed}`, () => {
  before(async () => {
    signer = await RunningSigner.start({ keyCount: KEY_COUNT, hasStoreProxy: true });
    load = new HostileLoad(signer, random);
    await load.awaitSigned();
    load.start(CONCURRENCY);
  });

  after(async () => {
    await signer.stop();
  });

  it("signs again after its enclave was killed, and nothing slashable", async (t) => {
    for (let kill = 0; kill < 3; kill++) {
      await pause(random.between(100, 900));
      const killedMs = performance.now();
      await signer.killEnclave();
      // Once more while it is measured, unsealed or opened.
      if (kill === 1) {
        await pause(random.below(400));
        await signer.killEnclave();
      }
      await signer.awaitReady();
      await awaitReleases(killedMs);
    }
    t.diagnostic(`${signer.bootCount - 1} kills, recoveries ${recoveriesMs.splice(0).join()} ms`);
  });

  it("signs again after its parent was killed, and nothing slashable", async (t) => {
    const { bootCount } = signer;
    for (let kill = 0; kill < 4; kill++) {
      await pause(random.between(50, 700));
      const killedMs = performance.now();
      await signer.killParent();
      await pause(random.below(200));
      assert.equal(await signer.startParent(), null);
      await awaitReleases(killedMs);
    }
    assert.equal(signer.bootCount, bootCount, "the enclave outlives its parent");
    t.diagnostic(`4 kills, recoveries ${recoveriesMs.splice(0).join()} ms`);
  });

  it("signs again after both were killed, in either order", async (t) => {
    for (let kill = 0; kill < 2; kill++) {
      await pause(random.between(100, 600));
      const killedMs = performance.now();
      const kills = [() => signer.killEnclave(), () => signer.killParent()];
      if (random.chance(0.5)) kills.reverse();
      await Promise.all(
        kills.map(async (run, index) => {
          await pause(index * random.below(30));
          await run();
        }),
      );
      assert.equal(await signer.startParent(), null);
      await signer.awaitReady();
      await awaitReleases(killedMs);
    }
    t.diagnostic(`2 kills of both, recoveries ${recoveriesMs.splice(0).join()} ms`);
  });

  it("releases no other root for what a paused parent answers late", async (t) => {
    // Less than the deadline of a commit, and more: then the outcome is unknown to the enclave.
    for (const pauseMs of [2000, 4500]) {
      await pause(random.between(50, 300));
      signer.signalParent("SIGSTOP");
      await pause(pauseMs);
      const resumedMs = performance.now();
      signer.signalParent("SIGCONT");
      await awaitReleases(resumedMs);
    }
    t.diagnostic(`2 pauses, recoveries ${recoveriesMs.splice(0).join()} ms`);
  });

  it("releases no other root for what its store answers late, never, or writes late", async (t) => {
    const { storeProxy } = signer;
    for (let round = 0; round < 11; round++) {
      await pause(random.between(20, 150));
      const sinceMs = performance.now();
      const direction = random.chance(0.5) ? "answers" : "requests";
      storeProxy.hold(direction);
      // Until every key waits for the store; the last time for longer than a commit may take.
      await pause(round < 10 ? random.between(20, 300) : 4500);
      // Held requests may land before, after or between those of the next connection.
      if (round < 10 || random.chance(0.5)) storeProxy.cut(random.below(60));
      storeProxy.pass();
      await awaitReleases(sinceMs);
    }
    assert.ok((load.outcomes.get("STATE_UNKNOWN") ?? 0) > 0, "some outcomes were unknown");
    assert.equal(load.outcomes.get("STATE_ROLLED_BACK"), undefined, "and none was a lie");
    t.diagnostic(`11 faults, recoveries ${recoveriesMs.splice(0).join()} ms`);
  });

  it("holds the receipt of everything that it ever released", async (t) => {
    await load.stop();
    await signer.stopParent();
    assert.ok(load.verifySignatures(), "each signature is over the root that was asked for");
    const history = readStoreHistory(signer.stateFile);
    assert.deepEqual(slashablePairs(history), [], "nothing slashable was even written");
    assert.deepEqual(unwritten(history, load.releases), [], "nothing left without its receipt");
    t.diagnostic(load.summary());
  });
});
