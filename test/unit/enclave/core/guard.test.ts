import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type EthereumRecord,
  ethereumRule,
} from "../../../../enclave/core/chains/ethereum/slashing-rule.ts";
import {
  adopt,
  type ChainedRecord,
  confirm,
  decideClaim,
  GuardEntry,
  raise,
} from "../../../../enclave/core/guard.ts";
import { block, NO_FLOOR, rootOf } from "../../../fakes/ledger-rig.ts";

function chained(
  seq: number,
  slot: number | null,
  root: string | null = "a",
): ChainedRecord<EthereumRecord> {
  const signed =
    slot === null ? null : { slot: BigInt(slot), root: root === null ? null : rootOf(root) };
  return {
    record: { block: signed, vote: null },
    isRetired: false,
    seq,
    head: new Uint8Array(32),
  };
}

function retired(seq: number, slot: number | null): ChainedRecord<EthereumRecord> {
  return { ...chained(seq, slot), isRetired: true };
}

function entryWith(
  durable: ChainedRecord<EthereumRecord> | null,
  raised: ChainedRecord<EthereumRecord> | null = durable,
): GuardEntry<EthereumRecord> {
  const entry = new GuardEntry<EthereumRecord>();
  entry.isStale = false;
  entry.durable = durable;
  entry.raised = raised;
  return entry;
}

function decide(entry: GuardEntry<EthereumRecord>, slot: number, root: string, isPending = false) {
  const claim = block(slot);
  const decision = decideClaim(ethereumRule, entry, claim, rootOf(root), NO_FLOOR, isPending);
  return decision.kind === "refuse" ? decision.refusal.code : decision;
}

test("an entry without a record, or with a fault, refuses everything", () => {
  assert.equal(decide(new GuardEntry(), 9, "a"), "STATE_MISSING");
  assert.equal(decide(entryWith(null, chained(1, null)), 9, "a"), "STATE_MISSING");
  assert.equal(decide(entryWith(chained(1, null), null), 9, "a"), "STATE_MISSING");
  const faulty = entryWith(chained(1, null));
  faulty.fault = "STATE_ROLLED_BACK";
  assert.equal(decide(faulty, 9, "a"), "STATE_ROLLED_BACK");
});

test("what is approved is written on top of what is durable, or of what is under way", () => {
  const durable = chained(1, null);
  const raised = chained(2, 7);
  const first = decide(entryWith(durable), 7, "a");
  assert(typeof first === "object" && first.kind === "write");
  assert.equal(first.base, durable);
  const second = decide(entryWith(durable, raised), 8, "b", true);
  assert(typeof second === "object" && second.kind === "write");
  assert.equal(second.base, raised);
  // Raised, and not under way: its outcome was unknown.
  const third = decide(entryWith(durable, raised), 8, "b", false);
  assert(typeof third === "object" && third.kind === "write");
  assert.equal(third.base, durable);
});

test("a repeat is released when it is durable, waits while it is under way, and else is written", () => {
  const durable = chained(2, 7);
  assert.deepEqual(decide(entryWith(durable), 7, "a"), { kind: "release" });
  const entry = entryWith(chained(1, null), chained(2, 7));
  assert.deepEqual(decide(entry, 7, "a", true), { kind: "await" });
  const again = decide(entry, 7, "a", false);
  assert(typeof again === "object" && again.kind === "write");
  assert.equal(again.record, entry.raised?.record);
  assert.equal(again.base, entry.durable);
});

test("decisions go by what was raised, not by what is durable", () => {
  const entry = entryWith(chained(1, null));
  raise(entry, chained(2, 7));
  assert.equal(decide(entry, 7, "b"), "GUARD_BLOCK_DOUBLE");
  assert.equal(decide(entry, 6, "b"), "GUARD_BLOCK_BELOW");
});

test("only the write that follows what is durable can be confirmed", () => {
  for (const [durable, seq, isNext] of [
    [null, 1, true],
    [null, 2, false],
    [chained(4, 7), 4, false],
    [chained(4, 7), 5, true],
    [chained(4, 7), 6, false],
  ] as const) {
    const entry = entryWith(durable);
    const next = chained(seq, 8);
    if (isNext) confirm(entry, next);
    else assert.throws(() => confirm(entry, next), { name: "InvariantError" });
    assert.equal(entry.durable, isNext ? next : durable);
  }
});

test("a stored record is adopted when it is a successor, and else ends the key", () => {
  const durable = chained(4, 7, "a");
  const rows: readonly (readonly [string, ChainedRecord<EthereumRecord> | null, boolean])[] = [
    ["the same", chained(4, 7, "a"), true],
    ["a later slot", chained(5, 8, "b"), true],
    ["its own slot, without the root", chained(5, 7, null), true],
    ["its own slot, with another root", chained(5, 7, "b"), false],
    ["an earlier slot", chained(5, 6, "a"), false],
    ["no block", chained(5, null), false],
    ["an earlier version of the same", chained(3, 7, "a"), false],
    ["an earlier version of more", chained(3, 8, "a"), false],
    ["nothing", null, false],
  ];
  for (const cause of ["read", "conflict"] as const) {
    for (const [name, stored, isAdopted] of rows) {
      const entry = entryWith(durable);
      adopt(ethereumRule, entry, stored, cause);
      assert.equal(entry.fault, isAdopted ? null : "STATE_ROLLED_BACK", name);
      assert.equal(entry.durable, isAdopted ? stored : durable, name);
      assert.equal(entry.isStale, false);
      assert.equal(entry.generation, 1, name);
      if (isAdopted) assert.equal(entry.raised, stored, name);
    }
  }
});

test("a first record is adopted as it is, and none leaves the key without", () => {
  const first = new GuardEntry<EthereumRecord>();
  adopt(ethereumRule, first, chained(9, 7), "read");
  assert.deepEqual(first.raised, chained(9, 7));
  assert.equal(first.isStale, false);
  const none = new GuardEntry<EthereumRecord>();
  adopt(ethereumRule, none, null, "read");
  assert.equal(none.fault, null);
  assert.equal(none.isStale, true, "its first record may come from elsewhere");
  assert.equal(decide(none, 9, "a"), "STATE_MISSING");
});

test("after a read what was raised stays raised; after a conflict it is decided anew", () => {
  const stored = chained(4, 7, "a");
  const read = entryWith(chained(4, 7, "a"), chained(5, 9, "c"));
  adopt(ethereumRule, read, stored, "read");
  assert.equal(decide(read, 8, "b"), "GUARD_BLOCK_BELOW");
  assert.equal(read.raised?.seq, 4);
  const conflict = entryWith(chained(4, 7, "a"), chained(5, 9, "c"));
  adopt(ethereumRule, conflict, stored, "conflict");
  const decision = decide(conflict, 8, "b");
  assert(typeof decision === "object" && decision.kind === "write");
});

test("a read that shows another root at the raised height leaves neither to be repeated", () => {
  const entry = entryWith(chained(4, 7, "a"), chained(5, 9, "c"));
  adopt(ethereumRule, entry, chained(5, 9, "d"), "read");
  assert.equal(entry.fault, null);
  assert.equal(decide(entry, 9, "c"), "GUARD_BLOCK_DOUBLE");
  assert.equal(decide(entry, 9, "d"), "GUARD_BLOCK_DOUBLE");
});

test("an entry is read before the first decision", () => {
  const entry = new GuardEntry<EthereumRecord>();
  assert.equal(entry.isStale, true);
  confirm(entry, chained(1, null));
  assert.equal(entry.isStale, false);
});

test("a tombstone refuses what is new and what is a repeat, stored or only raised", () => {
  for (const isPending of [false, true]) {
    for (const [slot, root] of [
      [7, "a"],
      [9, "b"],
    ] as const) {
      assert.equal(decide(entryWith(retired(2, 7)), slot, root, isPending), "KEY_RETIRED");
      const raised = entryWith(chained(1, 7), retired(2, 7));
      assert.equal(decide(raised, slot, root, isPending), "KEY_RETIRED");
    }
  }
});

test("a tombstone is adopted on top of a live record, and never the other way", () => {
  for (const cause of ["read", "conflict"] as const) {
    for (const [durable, stored, isAdopted] of [
      [chained(4, 7), retired(5, 7), true],
      [retired(4, 7), retired(4, 7), true],
      [retired(4, 7), chained(5, 8), false],
      [retired(4, 7), chained(4, 7), false],
    ] as const) {
      const entry = entryWith(durable);
      adopt(ethereumRule, entry, stored, cause);
      assert.equal(entry.fault, isAdopted ? null : "STATE_ROLLED_BACK");
      assert.equal(entry.durable, isAdopted ? stored : durable);
    }
  }
});

test("a raised tombstone stays raised after a read that does not show it yet", () => {
  for (const stored of [chained(4, 7, "a"), chained(5, 8, "b")]) {
    const entry = entryWith(chained(4, 7, "a"), retired(5, 7));
    adopt(ethereumRule, entry, stored, "read");
    assert.equal(entry.durable, stored);
    assert.deepEqual(entry.raised, { ...stored, isRetired: true });
    assert.equal(decide(entry, 9, "c"), "KEY_RETIRED");
  }
});

test("a stored tombstone is the last word, also beside what was raised further and never released", () => {
  for (const cause of ["read", "conflict"] as const) {
    for (const raised of [chained(5, 9, "b"), retired(5, 9)]) {
      const entry = entryWith(chained(4, 7), raised);
      const stored = retired(5, 7);
      adopt(ethereumRule, entry, stored, cause);
      assert.equal(entry.raised, stored);
      assert.equal(entry.durable, stored);
    }
  }
});

test("a tombstone of another enclave is taken over as it is stored", () => {
  const entry = entryWith(chained(4, 7, "a"), chained(5, 8, "b"));
  const stored = retired(5, 8);
  adopt(ethereumRule, entry, { ...stored, record: chained(5, 8, "b").record }, "read");
  assert.equal(entry.raised, entry.durable);
  assert.equal(decide(entry, 9, "c"), "KEY_RETIRED");
});
