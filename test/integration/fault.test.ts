// What the whole signer does when its disk is full, its state file is locked or damaged, and when
// KMS is away or says no: the right code for clients and probes, one clear line in the log, nothing
// released that is not recorded, and work goes on by itself when the cause is gone.

import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { writePolicy } from "../../scripts/local/kms-keys.ts";
import { Program } from "../../scripts/local/program.ts";
import { sampleRequests } from "../../scripts/local/requests.ts";
import { parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { HostileLoad } from "../fakes/hostile-load.ts";
import { RunningSigner } from "../fakes/running-signer.ts";
import { SmallDisk } from "../fakes/small-disk.ts";
import { readStoreHistory, slashablePairs, unwritten } from "../fakes/store-history.ts";
import { Random } from "../simulation/random.ts";

const WAIT_MS_MAX = 60_000;
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));
let signer: RunningSigner;
let disk: SmallDisk;
let load: HostileLoad;

/** Status and code of a fresh block, or of a fresh vote. */
async function ask(index: number, kind: "block" | "vote" = "block"): Promise<string> {
  const slot = signer.freshSlot();
  const target = Math.floor(slot / Number(signer.network.slotsPerEpoch));
  const height =
    kind === "block"
      ? ({ kind: "block", slot } as const)
      : ({ kind: "vote", source: target - 1, target } as const);
  const { status, outcome } = await load.answer({ key: keyAt(index), height, salt: 1 });
  return `${status} ${outcome}`;
}

async function awaitAnswer(index: number, wanted: string): Promise<void> {
  const startMs = performance.now();
  for (let answer = ""; answer !== wanted; ) {
    answer = await ask(index);
    assert.ok(performance.now() - startMs < WAIT_MS_MAX, `${answer} instead of ${wanted}`);
  }
}

/** The codes of an event's lines, after as many lines of the log. */
function codesLogged(event: string, lineCount = 0): readonly unknown[] {
  return signer
    .parentLines()
    .slice(lineCount)
    .filter((line) => line["event"] === event)
    .map((line) => line["code"]);
}

function keyAt(index: number): string {
  const key = signer.publicKeys[index];
  assert(key !== undefined);
  return key;
}

describe(`the running signer with something broken, seed ${seed}`, () => {
  before(async () => {
    signer = await RunningSigner.start({
      keyCount: 3,
      prepareState: (folder) => {
        disk = new SmallDisk(folder);
        return () => disk.remove();
      },
    });
    load = new HostileLoad(signer, new Random(seed));
    await load.awaitSigned();
  });

  after(async () => {
    await signer.stop();
  });

  it("refuses while the disk is full, and goes on by itself", async (t) => {
    t.diagnostic(disk.isMounted ? "a full tmpfs" : "no root: a limit on file sizes instead");
    const pid = signer.parentPid;
    disk.fill(pid, `${signer.stateFile}-wal`);
    await awaitAnswer(0, `503 ${disk.code}`);
    await signer.awaitReadyCode(disk.code);
    assert.equal((await signer.readiness()).status, 503);
    load.start(4);
    await new Promise((settle) => setTimeout(settle, 2500));
    assert.equal((await signer.readiness()).code, disk.code, "as long as it is full");
    const slot = signer.freshSlot();
    const samples = sampleRequests(signer.requestNetwork(slot), slot, keyAt(1));
    const reveal = samples.find(({ kind }) => kind === "RANDAO_REVEAL");
    const answer = await signer.sign(keyAt(1), reveal?.body);
    assert.equal(answer.status, 200, "what needs no record is signed");
    disk.free(pid);
    await signer.awaitReady();
    await load.stop();
    await load.awaitSigned();
    assert.equal(signer.parentPid, pid);
    assert.deepEqual(codesLogged("store.failing"), [disk.code], "said once");
    assert.equal(codesLogged("store.recovered").length, 1);
  });

  it("does not start on a file that another program has locked, and starts when it is free", async () => {
    await signer.stopParent();
    const other = new DatabaseSync(signer.stateFile);
    other.exec("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE");
    assert.equal(await signer.startParent(), 1);
    assert.deepEqual(codesLogged("parent.failed"), ["STORE_LOCKED"]);
    other.close();
    assert.equal(await signer.startParent(), null);
    await load.awaitSigned();
  });

  it("keeps a second parent from the state file of the first", async () => {
    const rival = new Program({
      name: "rival",
      file: "parent/main.ts",
      args: [signer.layout.parentConfig],
      logFolder: signer.layout.logFolder,
      readReady: (line) => (line.includes("parent.failed") ? line : null),
    });
    assert.match(await rival.ready, /"STORE_LOCKED"/);
    assert.equal(await rival.exited, 1);
    assert.equal(await ask(0), "200 signed");
  });

  it("does not start on a damaged file", async () => {
    await signer.stopParent();
    const backup = join(signer.layout.folder, "backup.sqlite");
    copyFileSync(signer.stateFile, backup);
    const bytes = readFileSync(signer.stateFile);
    // The pages after the first: the tables themselves.
    bytes.fill(0xa5, 2048);
    writeFileSync(signer.stateFile, bytes);
    assert.equal(await signer.startParent(), 1);
    assert.deepEqual(codesLogged("parent.failed"), ["STORE_CORRUPT"]);
    copyFileSync(backup, signer.stateFile);
    assert.equal(await signer.startParent(), null);
    await load.awaitSigned();
  });

  it("refuses a row that it can't have written, and serves the other keys", async () => {
    await signer.stopParent();
    changeRow(keyAt(1), "seq = 0");
    assert.equal(await signer.startParent(), null);
    await load.awaitSigned();
    assert.equal(await ask(1), "503 STORE_CORRUPT");
    assert.equal(await ask(0), "200 signed");
    await signer.stopParent();
    const [seq] = [...readReceiptCounts()].filter(([key]) => key === keyAt(1)).map(([, n]) => n);
    changeRow(keyAt(1), `seq = ${seq}`);
    assert.equal(await signer.startParent(), null);
    await load.awaitSigned(keyAt(1));
  });

  it("refuses the key whose record has a flipped bit, and serves the others", async () => {
    await signer.stopParent();
    const intact = readFileSync(signer.stateFile);
    const record = readRecord(keyAt(1));
    const at = intact.indexOf(record);
    assert.ok(at > 0 && intact.indexOf(record, at + 1) < 0, "it lies in the file once");
    const flipped = Buffer.from(intact);
    flipped.writeUInt8((intact[at + 50] ?? 0) ^ 0x01, at + 50);
    writeFileSync(signer.stateFile, flipped);
    await signer.killEnclave();
    assert.equal(await signer.startParent(), null);
    await signer.awaitReady();
    await load.awaitSigned();
    assert.equal(await ask(1), "412 STATE_CORRUPT");
    assert.equal(await ask(1, "vote"), "412 STATE_CORRUPT");
    // An operator puts the record back; the key is served from the next boot on (see below).
    await signer.stopParent();
    const other = readRecord(keyAt(1));
    changeRow(keyAt(1), `record = x'${record.toString("hex")}'`);
    assert.ok(!other.equals(record));
    assert.equal(await signer.startParent(), null);
    // A parent that has just started says that it has no credentials until it has read them.
    await signer.awaitReady();
  });

  it("waits for a KMS that is away, says so once, and starts when it is back", async () => {
    const { length } = signer.parentLines();
    await signer.stopKms();
    await signer.killEnclave();
    await signer.awaitReadyCode("KMS_UNAVAILABLE");
    assert.equal((await signer.readiness()).status, 503);
    assert.match(await ask(0), /^503 /);
    // Two tries and more.
    await new Promise((settle) => setTimeout(settle, 1500));
    await signer.startKms();
    await signer.awaitReady();
    checkSaidOnce("KMS_UNAVAILABLE", length);
  });

  it("waits for a KMS that denies, says so once, and starts when the policy is right", async () => {
    const { length } = signer.parentLines();
    const keys = join(signer.layout.kmsFolder, "keys");
    const policyFile = join(keys, signer.kmsKeyArn.split("/").at(-1) ?? "", "policy.json");
    const policy = readFileSync(policyFile, "utf8");
    const empty = JSON.stringify({ Version: "2012-10-17", Statement: [] });
    writePolicy(keys, signer.kmsKeyArn, empty);
    await signer.killEnclave();
    await signer.awaitReadyCode("KMS_DENIED");
    assert.match(await ask(0), /^503 /);
    writePolicy(keys, signer.kmsKeyArn, policy);
    await signer.awaitReady();
    checkSaidOnce("KMS_DENIED", length);
    // Also the key whose record was put back.
    for (const key of signer.publicKeys) await load.awaitSigned(key);
  });

  it("has released nothing slashable, and nothing without its receipt", async (t) => {
    load.check();
    assert.ok(load.verifySignatures());
    await signer.stopParent();
    const history = readStoreHistory(signer.stateFile);
    assert.deepEqual(slashablePairs(history), []);
    assert.deepEqual(unwritten(history, load.releases), []);
    t.diagnostic(load.summary());
  });
});

/** Why the bundle was not opened, and why the enclave is not ready; that its link was down, too. */
function checkSaidOnce(code: string, lineCount: number): void {
  assert.deepEqual(codesLogged("bundle.failed", lineCount), [code]);
  const reasons = codesLogged("enclave.not-ready", lineCount);
  assert.deepEqual(
    reasons.filter((reason) => reason !== "LINK_DOWN"),
    [code],
  );
}

function keyBytes(publicKey: string): Uint8Array {
  const bytes = parsePrefixedHex(publicKey, 48);
  assert(bytes.ok);
  return bytes.value;
}

/** With the parent stopped, like whoever can write the file. */
function changeRow(publicKey: string, change: string): void {
  const database = new DatabaseSync(signer.stateFile);
  database.prepare(`UPDATE records SET ${change} WHERE key = ?`).run(keyBytes(publicKey));
  database.close();
}

function readRecord(publicKey: string): Buffer {
  const database = new DatabaseSync(signer.stateFile);
  const select = database.prepare("SELECT record FROM records WHERE key = ?");
  const record = select.get(keyBytes(publicKey))?.["record"];
  database.close();
  assert(record instanceof Uint8Array);
  return Buffer.from(record);
}

function readReceiptCounts(): ReadonlyMap<string, number> {
  const database = new DatabaseSync(signer.stateFile);
  const rows = database.prepare("SELECT key, count(*) AS n FROM receipts GROUP BY key").all();
  database.close();
  return new Map(
    rows.map(({ key, n }) => {
      assert(key instanceof Uint8Array);
      return [`0x${Buffer.from(key).toString("hex")}`, Number(n)];
    }),
  );
}
