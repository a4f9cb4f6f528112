// What the DynamoDB store must do on whatever carries its table: written once, run against dynalite
// in `npm test` and against moto in the interop tier. Each gets a table of its own.

import assert from "node:assert/strict";
import type { CommitOutcome, RecordWrite, StateStore } from "../../enclave/core/ports.ts";
import { LedgerRig, SCOPE, vote } from "./ledger-rig.ts";
import { KEY, writeOf } from "./scripted-dynamo.ts";
import type { EnclaveStore, TableRig } from "./table-rig.ts";

export type TableBehaviour = {
  readonly title: string;
  readonly run: (rig: TableRig) => Promise<void>;
};

async function commit({ store }: EnclaveStore, write: RecordWrite): Promise<CommitOutcome> {
  const [outcome] = await store.commit(SCOPE, [write]);
  assert(outcome !== undefined);
  return outcome;
}

function stored({ seq, record }: RecordWrite) {
  return { seq, record };
}

const COMMITTED: CommitOutcome = { kind: "committed" };
/** What finds out which item stood in the way of a write. */
function lookups(rig: TableRig): readonly string[] {
  return rig.options.givesItem ? [] : ["GetItem"];
}

/** One that has seen that the table is the one of its manifest: before, nothing is written. */
async function opened(rig: TableRig) {
  const enclave = rig.enclave();
  assert.deepEqual(await enclave.store.verify(), { ok: true, value: null });
  return enclave;
}

async function keepsRecords(rig: TableRig): Promise<void> {
  const enclave = await opened(rig);
  assert.deepEqual(await enclave.store.read(SCOPE, [KEY]), { ok: true, value: [null] });
  rig.count();
  assert.deepEqual(await commit(enclave, writeOf(1)), COMMITTED);
  assert.deepEqual(await commit(enclave, writeOf(2)), COMMITTED);
  assert.deepEqual(rig.takeAsked(), ["PutItem", "PutItem"]);
  const { key, seq, record, receipt } = writeOf(2);
  const read = await (await opened(rig)).store.read(SCOPE, [new Uint8Array(48), KEY]);
  assert.deepEqual(read, { ok: true, value: [null, { seq, record }] });
  const otherNetwork = new Uint8Array(32).fill(1);
  assert.deepEqual(await enclave.store.read(otherNetwork, [KEY]), { ok: true, value: [null] });
  assert.deepEqual(enclave.logged, [
    { key, seq: 1, receipt: writeOf(1).receipt },
    { key, seq: 2, receipt },
  ]);
}

function keyOf(index: number): Uint8Array {
  return Uint8Array.from({ length: 48 }, () => index % 251);
}

/** More than one page, and more pages than are asked for at once. */
async function readsManyKeys(rig: TableRig): Promise<void> {
  const { store } = await opened(rig);
  const keys = Array.from({ length: 250 }, (_, index) => keyOf(index));
  const written = keys.filter((_, index) => index % 3 === 0);
  const outcomes = await store.commit(
    SCOPE,
    written.map((key) => ({ ...writeOf(1), key })),
  );
  assert(outcomes.every(({ kind }) => kind === "committed"));
  const read = await (await opened(rig)).store.read(SCOPE, keys);
  const { record } = writeOf(1);
  assert.deepEqual(read, {
    ok: true,
    value: keys.map((_, index) => (index % 3 === 0 ? { seq: 1, record } : null)),
  });
}

async function refusesOldVersions(rig: TableRig): Promise<void> {
  const [first, second] = [await opened(rig), await opened(rig)];
  for (const seq of [1, 2]) assert.deepEqual(await commit(first, writeOf(seq)), COMMITTED);
  // Another first record, the same version again, and one that is ahead.
  for (const write of [writeOf(1, 8), writeOf(2, 8), writeOf(4, 8)]) {
    rig.count();
    const conflict = await commit(second, write);
    assert.deepEqual(conflict, { kind: "conflict", stored: stored(writeOf(2)) });
    assert.deepEqual(rig.takeAsked(), ["PutItem", ...lookups(rig)]);
  }
  // Nothing stands there: no server gives an item then.
  rig.count();
  const elsewhere = { ...writeOf(3), key: new Uint8Array(48).fill(1) };
  assert.deepEqual(await commit(second, elsewhere), { kind: "conflict", stored: null });
  assert.deepEqual(rig.takeAsked(), ["PutItem", "GetItem"]);
  const read = await first.store.read(SCOPE, [KEY]);
  assert.deepEqual(read, { ok: true, value: [stored(writeOf(2))] });
  // Its writer may have died before its receipt was in the log.
  const { key, seq, receipt } = writeOf(2);
  assert.deepEqual(second.logged[0], { key, seq, receipt });
}

async function knowsItsOwnWrites(rig: TableRig): Promise<void> {
  const enclave = await opened(rig);
  for (const write of [writeOf(1), writeOf(2)]) {
    rig.count();
    rig.loseNextAnswer();
    assert.deepEqual(await commit(enclave, write), COMMITTED);
    assert.deepEqual(rig.takeAsked(), ["PutItem", "PutItem", ...lookups(rig)]);
    const read = await enclave.store.read(SCOPE, [KEY]);
    assert.deepEqual(read, { ok: true, value: [stored(write)] });
  }
  assert.deepEqual(
    enclave.logged.map(({ seq }) => seq),
    [1, 2],
  );
  // The very same bytes of another enclave are not ours.
  const twin = await commit(await opened(rig), writeOf(2));
  assert.deepEqual(twin, { kind: "conflict", stored: stored(writeOf(2)) });
}

async function racesForOneKey(rig: TableRig): Promise<void> {
  const ends = [rig.enclave(), rig.enclave()];
  for (const { store } of ends) assert((await store.verify()).ok);
  for (let seq = 1; seq <= 20; seq++) {
    const writes = [writeOf(seq, 2 * seq), writeOf(seq, 2 * seq + 1)];
    const outcomes = await Promise.all(
      ends.map(({ store }, index) => store.commit(SCOPE, writes.slice(index, index + 1))),
    );
    const kinds = outcomes.map(([outcome]) => outcome?.kind);
    assert.deepEqual(new Set(kinds), new Set(["committed", "conflict"]));
    const record = writes[kinds.indexOf("committed")]?.record;
    const conflict = outcomes[kinds.indexOf("conflict")]?.[0];
    assert.deepEqual(conflict, { kind: "conflict", stored: { seq, record } });
    for (const { store } of ends) {
      const read = await store.read(SCOPE, [new Uint8Array(48), KEY]);
      assert.deepEqual(read, { ok: true, value: [null, { seq, record }] });
    }
  }
  const seqs = new Set(ends.flatMap(({ logged }) => logged.map(({ seq }) => seq)));
  assert.equal(seqs.size, 20);
}

/** The real ledger and the real rule on each enclave. */
async function decidesAgain(rig: TableRig): Promise<void> {
  const [first, second] = [await ledgerOn(rig), await ledgerOn(rig)];
  assert.equal(await first.init(), "ok");
  assert.equal(await second.load(), "ok");
  assert.equal(await first.ask(vote(1, 2), "a"), "ok");
  // It has not seen that vote: a conflict tells it.
  assert.equal(await second.ask(vote(1, 2), "b"), "GUARD_VOTE_DOUBLE");
  assert.equal(await second.ask(vote(1, 2), "a"), "ok");
  assert.equal(await second.ask(vote(2, 3), "c"), "ok");
  assert.equal(await first.ask(vote(0, 4), "d"), "GUARD_VOTE_SOURCE_BELOW");
  assert.equal(await first.ask(vote(2, 3), "c"), "ok");
}

async function staysRetired(rig: TableRig): Promise<void> {
  const [first, second] = [await ledgerOn(rig), await ledgerOn(rig)];
  assert.equal(await first.init(), "ok");
  assert.equal(await second.load(), "ok");
  const receipt = { kind: "retire", heights: [], signingRoot: null, timeMs: 1 };
  const retired = await first.ledger.amend(
    first.account,
    receipt,
    (record) => record && { record, isRetired: true },
  );
  assert(retired.ok);
  assert.equal(await second.ask(vote(1, 2), "a"), "KEY_RETIRED");
  assert.equal(await second.init(), "KEY_RETIRED");
  // One that starts later sees it before it decides anything.
  const third = await ledgerOn(rig);
  assert.equal(await third.load(), "ok");
  assert.equal(await third.ask(vote(5, 6), "a"), "KEY_RETIRED");
}

async function ledgerOn(rig: TableRig): Promise<LedgerRig<StateStore>> {
  const ledger = new LedgerRig(rig.enclave().store);
  assert.equal(await ledger.load(), "ok");
  return ledger;
}

async function refusesAnotherTable(rig: TableRig): Promise<void> {
  const { state } = rig;
  await rig.replaceTable();
  assert.equal(rig.state.table.text, state.table.text);
  const asManifest = await rig.enclave(state).store.verify();
  assert.equal(asManifest.ok ? "ok" : asManifest.error.code, "STORE_IDENTITY");
  assert((await rig.enclave().store.verify()).ok);
}

export const TABLE_BEHAVIOURS: readonly TableBehaviour[] = [
  { title: "the store makes a first record and the next, and reads them", run: keepsRecords },
  { title: "the store reads more keys than one call takes", run: readsManyKeys },
  {
    title: "a write on an old version conflicts and brings what is stored",
    run: refusesOldVersions,
  },
  { title: "a write whose answer was lost is known by its token", run: knowsItsOwnWrites },
  {
    title: "of two stores that race for a key exactly one wins, and the other gets its record",
    run: racesForOneKey,
  },
  { title: "an enclave decides again on the record of another", run: decidesAgain },
  { title: "a key that one enclave retires signs on no other", run: staysRetired },
  { title: "a table that was made anew is not the one of the manifest", run: refusesAnotherTable },
];
