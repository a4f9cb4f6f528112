// `npm run test:dynamo`: the DynamoDB store, `redoubt table` and the items against moto, another
// implementation of DynamoDB that, like AWS, says which item stood in the way of a write; and
// against a client in Python that knows the items by docs/records.md alone. Fails without Python.
// The last line is `N passed, N failed`.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { StateStore } from "../../../enclave/core/ports.ts";
import { runTable } from "../../../scripts/cli/table.ts";
import { encodeHex } from "../../../shared/bytes/hex.ts";
import { LedgerRig, ownerOf, rootOf, SCOPE, vote } from "../../fakes/ledger-rig.ts";
import { REGION, USER } from "../../fakes/local-dynamo.ts";
import { TABLE_BEHAVIOURS } from "../../fakes/table-behaviours.ts";
import { TableRig } from "../../fakes/table-rig.ts";
import { Results } from "../results.ts";
import { callOther, preparePython, startMoto } from "./moto.ts";

const FOLDER = resolve(import.meta.dirname, "../../..", ".redoubt/interop");

type Done = () => unknown;

/** A table of its own: moto forgets everything between two checks, since each has its own moto. */
async function onTable(python: string, run: (rig: TableRig) => Promise<void>): Promise<void> {
  const done: Done[] = [];
  const moto = await startMoto(python);
  try {
    const rig = await TableRig.start(
      { after: (fn?: unknown) => void done.unshift(fn as Done) }, // oxlint-disable-line typescript/no-unsafe-type-assertion -- our own rig passes functions without arguments
      { backend: { kind: "other", port: moto.port }, givesItem: true, hasRecovery: true },
    );
    await run(rig);
  } finally {
    for (const each of done) await each();
    await moto.stop();
  }
}

async function checkMade(rig: TableRig): Promise<void> {
  const { table, tableId } = rig.state;
  const manifest = join(rig.local.folder, "manifest.json");
  const state = { kind: "dynamodb", tableArn: table.text, tableId, bootFloor: "off" };
  const text = JSON.stringify({
    redoubt: 1,
    kms: {
      keyArn: `arn:aws:kms:${REGION}:${table.account}:key/00000000-0000-4000-8000-000000000000`,
    },
    state,
    ethereum: { network: "hoodi" },
    groups: [{ name: "all", keys: "others", allow: ["ATTESTATION"] }],
  });
  writeFileSync(manifest, text);
  const checked = await runTable(["check", "--manifest", manifest, ...rig.tableOptions()]);
  assert.equal(checked.exitCode, 0, checked.stdout + checked.stderr);
  assert.match(checked.stdout, /^ok {3}deletion protection: on$/m);
  assert.match(checked.stdout, /^ok {3}point-in-time recovery: on$/m);
  await rig.replaceTable();
  const other = await runTable(["check", "--manifest", manifest, ...rig.tableOptions()]);
  assert.equal(other.exitCode, 1);
  assert.match(other.stdout, /^FAIL table id/m);
}

class OtherEnclave {
  readonly #rig: TableRig;
  readonly #python: string;

  constructor(rig: TableRig, python: string) {
    this.#rig = rig;
    this.#python = python;
  }

  call(wish: { readonly act: string; readonly [name: string]: unknown }): Promise<unknown> {
    const { scope, publicKey, recordKey } = ownerOf(1);
    return callOther(this.#python, {
      region: REGION,
      endpoint: this.#rig.local.endpoint,
      ca: this.#rig.local.ca.certificatePath,
      accessKeyId: USER.accessKeyId,
      secretAccessKey: USER.secretAccessKey,
      tableArn: this.#rig.state.table.text,
      scope: encodeHex(scope),
      publicKey: encodeHex(publicKey),
      recordKey: encodeHex(recordKey),
      ...wish,
    });
  }
}

async function ledgerOn(rig: TableRig): Promise<LedgerRig<StateStore>> {
  const ledger = new LedgerRig(rig.enclave().store);
  assert.equal(await ledger.load(), "ok");
  return ledger;
}

async function sharesItems(rig: TableRig, python: string): Promise<void> {
  const other = new OtherEnclave(rig, python);
  const ours = await ledgerOn(rig);
  assert.equal(await ours.init(), "ok");
  assert.equal(await ours.ask(vote(1, 2), "a"), "ok");
  const item = {
    attributes: ["a", "k", "p", "q", "r"],
    isOurs: true,
    isRetired: false,
    isChained: true,
    tokenLength: 16,
    blockSlot: null,
  };
  const first = { seq: 2, itemSeq: 2, source: 1, target: 2, root: encodeHex(rootOf("a")) };
  assert.deepEqual(await other.call({ act: "read" }), { ...item, ...first });
  const root = encodeHex(rootOf("b"));
  await other.call({ act: "vote", source: 2, target: 3, root });
  // Ours has not seen it: the conflict brings it.
  rig.count();
  assert.equal(await ours.ask(vote(2, 3), "c"), "GUARD_VOTE_DOUBLE");
  assert.deepEqual(rig.takeAsked(), ["PutItem"]);
  assert.equal(await ours.ask(vote(2, 3), "b"), "ok");
  assert.equal(await ours.ask(vote(3, 4), "d"), "ok");
  const last = { source: 3, target: 4, root: encodeHex(rootOf("d")) };
  const read: unknown = await other.call({ act: "read" });
  const { seq } = read as { seq: number }; // oxlint-disable-line typescript/no-unsafe-type-assertion -- compared as a whole below
  assert.deepEqual(read, { ...item, ...last, seq, itemSeq: seq });
}

async function refusesForged(rig: TableRig, python: string): Promise<void> {
  const other = new OtherEnclave(rig, python);
  const ours = await ledgerOn(rig);
  assert.equal(await ours.init(), "ok");
  await other.call({ act: "forge", source: 0, target: 1, root: encodeHex(rootOf("x")) });
  assert.equal(await ours.ask(vote(1, 2), "a"), "STATE_CORRUPT");
  assert.equal(await (await ledgerOn(rig)).ask(vote(1, 2), "a"), "STATE_CORRUPT");
}

async function refusesExtended(rig: TableRig, python: string): Promise<void> {
  const ours = await ledgerOn(rig);
  assert.equal(await ours.init(), "ok");
  await new OtherEnclave(rig, python).call({ act: "extend" });
  const { store } = rig.enclave();
  const read = await store.read(SCOPE, [ownerOf(1).publicKey]);
  assert.equal(read.ok ? "ok" : read.error.code, "STORE_CORRUPT");
}

async function main(): Promise<number> {
  const results = new Results();
  mkdirSync(FOLDER, { recursive: true });
  let python: string;
  try {
    python = preparePython(join(FOLDER, "moto"));
  } catch (error) {
    results.fail("moto", error instanceof Error ? error.message : "can't be had");
    return results.close();
  }
  for (const { title, run } of TABLE_BEHAVIOURS) {
    await results.check(title, () => onTable(python, run));
  }
  await results.check("a table as create makes it is what check wants", () =>
    onTable(python, checkMade),
  );
  for (const [title, run] of [
    ["a program of others reads our items and writes what we take", sharesItems],
    ["a record without our tag is refused", refusesForged],
    ["an item with another attribute is refused", refusesExtended],
  ] as const) {
    await results.check(title, () => onTable(python, (rig) => run(rig, python)));
  }
  return results.close();
}

process.exitCode = await main();
