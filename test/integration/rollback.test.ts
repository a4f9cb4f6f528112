// A hostile parent with copies of the store, against the real enclave. It goes back to an older
// file while the enclave runs, before it boots, and to none at all, and asks for everything that
// was ever signed again with other roots. Outside of it every released signature is kept.

import assert from "node:assert/strict";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { HostileLoad, type Outcome } from "../fakes/hostile-load.ts";
import { RunningSigner } from "../fakes/running-signer.ts";
import { Random } from "../simulation/random.ts";

const CONCURRENCY = 8;
const LOAD_MS = 700;
/** Of what was signed before, asked for again in each state of the attack. */
const REPLAY_COUNT = 600;

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const random = new Random(seed);
let signer: RunningSigner;
let load: HostileLoad;

function keyAt(index: number): string {
  const key = signer.publicKeys[index];
  assert(key !== undefined);
  return key;
}

async function runLoad(ms: number, keys = signer.publicKeys): Promise<void> {
  load.keys = keys;
  load.start(CONCURRENCY);
  await new Promise((settle) => setTimeout(settle, ms));
  await load.stop();
  load.keys = signer.publicKeys;
}

/**
 * Some of all heights that were asked for, each with every root; how often each was answered what.
 */
async function replay(keys = signer.publicKeys): Promise<ReadonlyMap<Outcome, number>> {
  const asks = load.pastAsks().filter(({ key }) => keys.includes(key));
  const outcomes = new Map<Outcome, number>();
  for (let at = 0; at < REPLAY_COUNT; at += CONCURRENCY) {
    const group = Array.from({ length: CONCURRENCY }, () => random.pick(asks) ?? []).flat();
    for (const outcome of await Promise.all(group.map((ask) => load.ask(ask)))) {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  }
  load.check();
  return outcomes;
}

function takeCopy(name: string): void {
  copyFileSync(signer.stateFile, join(signer.layout.folder, name));
}

function putCopy(name: string): void {
  removeState();
  copyFileSync(join(signer.layout.folder, name), signer.stateFile);
}

function removeState(): void {
  for (const end of ["", "-wal", "-shm"]) rmSync(`${signer.stateFile}${end}`, { force: true });
}

function textOfCounts(outcomes: ReadonlyMap<Outcome, number>): string {
  return [...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(", ");
}

describe(`a parent that rolls its store back, seed ${seed}`, () => {
  before(async () => {
    signer = await RunningSigner.start({ keyCount: 4 });
    load = new HostileLoad(signer, random);
    for (const key of signer.publicKeys) await load.awaitSigned(key);
    await runLoad(LOAD_MS);
    await signer.stopParent();
    takeCopy("old.sqlite");
    assert.equal(await signer.startParent(), null);
    // The last key signs nothing after the copy.
    const busy = signer.publicKeys.slice(0, -1);
    for (const key of busy) await load.awaitSigned(key);
    await runLoad(LOAD_MS, busy);
  });

  after(async () => {
    await signer.stop();
  });

  it("gets nothing from the enclave that it rolls back under, but for keys that were not touched", async (t) => {
    const { bootCount } = signer;
    await signer.stopParent();
    takeCopy("new.sqlite");
    putCopy("old.sqlite");
    assert.equal(await signer.startParent(), null);
    await signer.awaitReady();
    const replayed = await replay();
    for (const key of signer.publicKeys.slice(0, -1)) {
      const slot = signer.freshSlot();
      const fresh = { key, height: { kind: "block", slot }, salt: 1 } as const;
      assert.deepEqual(await load.answer(fresh), { status: 412, outcome: "STATE_ROLLED_BACK" });
    }
    await load.awaitSigned(keyAt(3));
    // Nothing else happens to what was found out, whatever is asked.
    const after = await replay(signer.publicKeys.slice(0, -1));
    assert.deepEqual([...after.keys()], ["STATE_ROLLED_BACK"]);
    assert.equal(signer.bootCount, bootCount);
    t.diagnostic(`replayed: ${textOfCounts(replayed)}`);
  });

  it("does not make it forget by giving the newer file back", async () => {
    await signer.stopParent();
    putCopy("new.sqlite");
    assert.equal(await signer.startParent(), null);
    await signer.awaitReady();
    assert.deepEqual([...(await replay([keyAt(0)])).keys()], ["STATE_ROLLED_BACK"]);
  });

  it("gets nothing that conflicts from an enclave that boots on the old file", async (t) => {
    await signer.stopParent();
    putCopy("old.sqlite");
    await signer.killEnclave();
    assert.equal(await signer.startParent(), null);
    await signer.awaitReady();
    const early = await replay();
    assert.ok((early.get("GUARD_BOOT_FLOOR") ?? 0) > 0);
    assert.equal(early.get("signed"), undefined, "nothing of before");
    for (const key of signer.publicKeys) await load.awaitSigned(key);
    await runLoad(LOAD_MS);
    const late = await replay();
    t.diagnostic(`before the floor: ${textOfCounts(early)}; later: ${textOfCounts(late)}`);
  });

  it("gets nothing at all from an enclave that boots without a file, until the operator acts", async (t) => {
    await signer.stopParent();
    removeState();
    await signer.killEnclave();
    assert.equal(await signer.startParent(), null);
    await signer.awaitReady();
    assert.deepEqual([...(await replay()).keys()], ["STATE_MISSING"]);
    await signer.initState();
    const early = await replay();
    assert.equal(early.get("signed"), undefined, "nothing of before");
    for (const key of signer.publicKeys) await load.awaitSigned(key);
    await runLoad(LOAD_MS);
    t.diagnostic(`with first records: ${textOfCounts(early)}`);
    t.diagnostic(load.summary());
    assert.ok(load.verifySignatures());
  });
});
