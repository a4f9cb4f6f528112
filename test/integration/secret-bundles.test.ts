// The whole signer with its bundles in Secrets Manager and in no folder: what the CLI sent there is
// what the parent reads, the enclave opens, and signs with.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { HostileLoad } from "../fakes/hostile-load.ts";
import { RunningSigner } from "../fakes/running-signer.ts";
import { Random } from "../simulation/random.ts";

const WAIT_MS_MAX = 60_000;

let signer: RunningSigner;
let load: HostileLoad;

/** Votes for fresh targets, until one is above the floor of this boot. */
async function awaitVote(key: string): Promise<void> {
  const startMs = performance.now();
  for (let outcome = ""; outcome !== "signed"; ) {
    const target = Math.floor(signer.freshSlot() / Number(signer.network.slotsPerEpoch));
    const height = { kind: "vote", source: target - 1, target } as const;
    outcome = await load.ask({ key, height, salt: 0 });
    assert.ok(performance.now() - startMs < WAIT_MS_MAX, `no vote: ${outcome}`);
  }
}

describe("the running signer with bundles in Secrets Manager", () => {
  before(async () => {
    signer = await RunningSigner.start({ keyCount: 2, hasSecretBundles: true });
    load = new HostileLoad(signer, new Random(1));
  });

  after(async () => {
    await signer.stop();
  });

  it("signs attestations with every key", async () => {
    assert.deepEqual(readdirSync(signer.layout.bundleFolder), []);
    for (const key of signer.publicKeys) await awaitVote(key);
    assert.equal(load.releases.length, 2);
    assert.ok(load.verifySignatures());
  });

  it("reads them again for an enclave that was booted again", async () => {
    await signer.killEnclave();
    await signer.awaitReady();
    for (const key of signer.publicKeys) await awaitVote(key);
    assert.equal(load.releases.length, 4);
    load.check();
    assert.ok(load.verifySignatures());
  });
});
