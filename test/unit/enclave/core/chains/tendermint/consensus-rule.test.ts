import assert from "node:assert/strict";
import { test } from "node:test";
import {
  NO_FLOOR,
  type SignedStep,
  type TendermintFloor,
  type TendermintRecord,
  withoutRoot,
} from "../../../../../../enclave/core/chains/tendermint/consensus-record.ts";
import {
  decideMaxHeight,
  type TendermintClaim,
  tendermintRule,
  timeToSign,
} from "../../../../../../enclave/core/chains/tendermint/consensus-rule.ts";
import {
  type Position,
  type TendermintStep,
} from "../../../../../../enclave/core/chains/tendermint/position.ts";
import { unreceipted } from "../../../../../../enclave/core/signed-root.ts";
import { HEIGHT_MAX, ROUND_MAX } from "../../../../../../shared/limits.ts";
import { TIME } from "../../../../../fakes/privval-node.ts";

const A = new Uint8Array(32).fill(0xaa);
const B = new Uint8Array(32).fill(0xbb);
const LATER = { seconds: TIME.seconds + 1n, nanos: 0 };
const STEPS: readonly TendermintStep[] = ["proposal", "prevote", "precommit"];

const at = (height: bigint, round: number, step: TendermintStep): Position => ({
  height,
  round,
  step,
});
const claim = (height: bigint, round: number, step: TendermintStep): TendermintClaim => ({
  ...at(height, round, step),
  timestamp: LATER,
});
const LAST: SignedStep = { ...at(100n, 2, "prevote"), root: A, timestamp: TIME };
const SIGNED: TendermintRecord = { reserved: null, last: LAST };
const UNRECEIPTED: TendermintRecord = { reserved: null, last: unreceipted(LAST) };
const WITHOUT_ROOT: TendermintRecord = { reserved: null, last: withoutRoot(LAST) };
const EMPTY = tendermintRule.empty;

function verdictOf(
  record: TendermintRecord,
  asked: TendermintClaim,
  root: Uint8Array,
  floor: TendermintFloor = NO_FLOOR,
): string {
  const verdict = tendermintRule.decide(record, asked, root, floor);
  return verdict.kind === "refuse" ? verdict.refusal.code : verdict.kind;
}

test("height, round and step only go up, in this order", () => {
  const rows: readonly (readonly [bigint, number, TendermintStep, string])[] = [
    [99n, 2, "prevote", "GUARD_HEIGHT_BELOW"],
    [99n, ROUND_MAX, "precommit", "GUARD_HEIGHT_BELOW"],
    [100n, 1, "prevote", "GUARD_ROUND_BELOW"],
    [100n, 1, "precommit", "GUARD_ROUND_BELOW"],
    [100n, 2, "proposal", "GUARD_STEP_BELOW"],
    [100n, 2, "precommit", "approve"],
    [100n, 3, "proposal", "approve"],
    [100n, ROUND_MAX, "proposal", "approve"],
    [101n, 0, "proposal", "approve"],
    [HEIGHT_MAX, 0, "proposal", "approve"],
  ];
  for (const [height, round, step, expected] of rows) {
    for (const root of [A, B]) {
      for (const record of [SIGNED, UNRECEIPTED, WITHOUT_ROOT]) {
        assert.equal(verdictOf(record, claim(height, round, step), root), expected);
      }
    }
  }
});

test("a key that has signed nothing signs anything", () => {
  for (const step of STEPS) {
    assert.equal(verdictOf(EMPTY, claim(1n, 0, step), A), "approve");
    assert.equal(verdictOf(EMPTY, claim(HEIGHT_MAX, ROUND_MAX, step), A), "approve");
  }
});

test("at one step only what was signed there is signed again", () => {
  for (const step of STEPS) {
    const last = { ...LAST, step };
    const asked = claim(100n, 2, step);
    const rows: readonly (readonly [SignedStep, Uint8Array, string])[] = [
      [last, A, "repeat"],
      [last, B, "GUARD_STEP_DOUBLE"],
      [last, new Uint8Array(32), "GUARD_STEP_DOUBLE"],
      [unreceipted(last), A, "approve"],
      [unreceipted(last), B, "GUARD_STEP_DOUBLE"],
      [withoutRoot(last), A, "GUARD_STEP_DOUBLE"],
      [withoutRoot(last), new Uint8Array(32), "GUARD_STEP_DOUBLE"],
    ];
    for (const [record, root, expected] of rows) {
      assert.equal(verdictOf({ reserved: null, last: record }, asked, root), expected, step);
    }
  }
});

test("a prevote for one block and a precommit for another in one round are both signed", () => {
  const prevoted = tendermintRule.decide(EMPTY, claim(100n, 0, "prevote"), A, NO_FLOOR);
  assert(prevoted.kind === "approve");
  assert.equal(verdictOf(prevoted.record, claim(100n, 0, "precommit"), B), "approve");
});

test("what is approved becomes the record, with its own time", () => {
  const asked = claim(100n, 2, "precommit");
  for (const record of [EMPTY, SIGNED, UNRECEIPTED, WITHOUT_ROOT]) {
    const verdict = tendermintRule.decide(record, asked, B, NO_FLOOR);
    assert.deepEqual(verdict, {
      kind: "approve",
      record: { reserved: null, last: { ...asked, root: B } },
    });
  }
});

test("a root without receipt is recorded again as its own write would, and keeps its time", () => {
  const verdict = tendermintRule.decide(UNRECEIPTED, claim(100n, 2, "prevote"), A, NO_FLOOR);
  assert.deepEqual(verdict, { kind: "approve", record: SIGNED });
});

test("the floor holds for new claims and for repeats, at each of its three parts", () => {
  const rows: readonly (readonly [TendermintRecord, TendermintClaim, Position, string])[] = [
    [EMPTY, claim(100n, 2, "prevote"), at(100n, 2, "prevote"), "approve"],
    [EMPTY, claim(100n, 2, "proposal"), at(100n, 2, "prevote"), "GUARD_FLOOR"],
    [EMPTY, claim(100n, 2, "prevote"), at(100n, 2, "precommit"), "GUARD_FLOOR"],
    [EMPTY, claim(100n, 2, "precommit"), at(100n, 3, "proposal"), "GUARD_FLOOR"],
    [EMPTY, claim(100n, 3, "proposal"), at(100n, 3, "proposal"), "approve"],
    [EMPTY, claim(100n, ROUND_MAX, "precommit"), at(101n, 0, "proposal"), "GUARD_FLOOR"],
    [EMPTY, claim(101n, 0, "proposal"), at(101n, 0, "proposal"), "approve"],
    [SIGNED, claim(100n, 2, "prevote"), at(100n, 2, "prevote"), "repeat"],
    [SIGNED, claim(100n, 2, "prevote"), at(100n, 2, "precommit"), "GUARD_FLOOR"],
    [UNRECEIPTED, claim(100n, 2, "prevote"), at(100n, 2, "prevote"), "approve"],
    [UNRECEIPTED, claim(100n, 2, "prevote"), at(100n, 2, "precommit"), "GUARD_FLOOR"],
    [SIGNED, claim(100n, 2, "precommit"), at(101n, 0, "proposal"), "GUARD_FLOOR"],
    // What may be slashable is called by its name, also below the floor.
    [SIGNED, claim(99n, 0, "prevote"), at(200n, 0, "proposal"), "GUARD_HEIGHT_BELOW"],
  ];
  for (const [record, asked, floor, expected] of rows) {
    assert.equal(verdictOf(record, asked, A, floor), expected);
  }
  assert.equal(
    verdictOf(SIGNED, claim(100n, 2, "prevote"), B, at(200n, 0, "proposal")),
    "GUARD_STEP_DOUBLE",
  );
});

function detailOf(asked: TendermintClaim, floor: Position = NO_FLOOR): unknown {
  const verdict = tendermintRule.decide(SIGNED, asked, B, floor);
  assert(verdict.kind === "refuse");
  return verdict.refusal.detail;
}

test("a refusal says what was asked for, and what it was held against", () => {
  assert.deepEqual(detailOf(claim(99n, 3, "precommit")), [99n, 100n]);
  assert.deepEqual(detailOf(claim(100n, 1, "precommit")), [100n, 1, 2]);
  assert.deepEqual(detailOf(claim(100n, 2, "proposal")), [100n, 2, "proposal", "prevote"]);
  assert.deepEqual(detailOf(claim(100n, 2, "prevote")), [100n, 2, "prevote"]);
  const floor = at(200n, 5, "precommit");
  assert.deepEqual(detailOf(claim(101n, 0, "prevote"), floor), [200n, 5, "precommit"]);
});

test("a later place is a successor, and at one place a root may be forgotten, not exchanged", () => {
  const other = { reserved: null, last: { ...LAST, root: B } };
  const rows: readonly (readonly [TendermintRecord, TendermintRecord, boolean])[] = [
    [EMPTY, EMPTY, true],
    [EMPTY, SIGNED, true],
    [SIGNED, EMPTY, false],
    [SIGNED, SIGNED, true],
    [SIGNED, UNRECEIPTED, true],
    [UNRECEIPTED, SIGNED, true],
    [SIGNED, other, false],
    [SIGNED, WITHOUT_ROOT, true],
    [WITHOUT_ROOT, SIGNED, false],
    [WITHOUT_ROOT, WITHOUT_ROOT, true],
    [SIGNED, { reserved: null, last: { ...LAST, timestamp: LATER } }, true],
    [SIGNED, { reserved: null, last: { ...LAST, step: "precommit", root: B } }, true],
    [SIGNED, { reserved: null, last: { ...LAST, step: "proposal" } }, false],
    [SIGNED, { reserved: null, last: { ...LAST, round: 3, step: "proposal" } }, true],
    [SIGNED, { reserved: null, last: { ...LAST, round: 1, step: "precommit" } }, false],
    [SIGNED, { reserved: null, last: { ...LAST, height: 101n, round: 0 } }, true],
    [SIGNED, { reserved: null, last: { ...LAST, height: 99n, round: 9 } }, false],
  ];
  for (const [earlier, later, expected] of rows) {
    assert.equal(tendermintRule.isSuccessor(earlier, later), expected);
  }
});

test("a join is the later place, and what only memory has says that it lacks its receipt", () => {
  const later: TendermintRecord = { reserved: null, last: { ...LAST, step: "precommit", root: B } };
  const other: TendermintRecord = { reserved: null, last: { ...LAST, root: B } };
  const timed: TendermintRecord = { reserved: null, last: { ...LAST, timestamp: LATER } };
  const laterBare: TendermintRecord = {
    reserved: null,
    last: withoutRoot(at(100n, 3, "proposal")),
  };
  const rows: readonly (readonly [TendermintRecord, TendermintRecord, TendermintRecord])[] = [
    // raised, stored, joined
    [EMPTY, EMPTY, EMPTY],
    [EMPTY, SIGNED, SIGNED],
    [EMPTY, UNRECEIPTED, UNRECEIPTED],
    [SIGNED, EMPTY, UNRECEIPTED],
    [WITHOUT_ROOT, EMPTY, WITHOUT_ROOT],
    [SIGNED, later, later],
    [
      later,
      SIGNED,
      { reserved: null, last: { ...LAST, step: "precommit", root: B, isUnreceipted: true } },
    ],
    [laterBare, SIGNED, laterBare],
    [SIGNED, SIGNED, SIGNED],
    [UNRECEIPTED, SIGNED, SIGNED],
    [SIGNED, UNRECEIPTED, UNRECEIPTED],
    [SIGNED, timed, timed],
    [SIGNED, other, WITHOUT_ROOT],
    [SIGNED, WITHOUT_ROOT, WITHOUT_ROOT],
    [WITHOUT_ROOT, SIGNED, WITHOUT_ROOT],
  ];
  for (const [raised, stored, joined] of rows) {
    assert.deepEqual(tendermintRule.join(raised, stored), joined);
  }
});

test("a vote states the time of its record, and a proposal its own", () => {
  const rows: readonly (readonly [TendermintRecord, TendermintClaim, Uint8Array, unknown])[] = [
    [SIGNED, claim(100n, 2, "prevote"), A, TIME],
    [
      { reserved: null, last: { ...LAST, step: "precommit" } },
      claim(100n, 2, "precommit"),
      A,
      TIME,
    ],
    [{ reserved: null, last: { ...LAST, step: "proposal" } }, claim(100n, 2, "proposal"), A, LATER],
    // By a record of something else nothing is signed.
    [EMPTY, claim(100n, 2, "prevote"), A, null],
    [SIGNED, claim(100n, 2, "prevote"), B, null],
    [WITHOUT_ROOT, claim(100n, 2, "prevote"), A, null],
    [SIGNED, claim(100n, 2, "precommit"), A, null],
    [SIGNED, claim(100n, 2, "proposal"), A, null],
    [SIGNED, claim(100n, 3, "prevote"), A, null],
    [SIGNED, claim(101n, 2, "prevote"), A, null],
    [{ reserved: null, last: { ...LAST, step: "proposal" } }, claim(100n, 2, "proposal"), B, null],
  ];
  for (const [record, asked, root, expected] of rows) {
    assert.deepEqual(timeToSign(record.last, asked, root), expected);
  }
});

test("what was just approved is signed with the time that was asked for", () => {
  const asked = claim(100n, 2, "precommit");
  const verdict = tendermintRule.decide(SIGNED, asked, B, NO_FLOOR);
  assert(verdict.kind === "approve");
  assert.deepEqual(timeToSign(verdict.record.last, asked, B), LATER);
});

test("heights up to the maximum are signed, and none above it", () => {
  const asked = claim(100n, 9, "precommit");
  assert.equal(decideMaxHeight(null, asked), null);
  assert.equal(decideMaxHeight(101n, asked), null);
  assert.equal(decideMaxHeight(100n, asked), null);
  assert.deepEqual(decideMaxHeight(99n, asked), { code: "MAX_HEIGHT", detail: [100n, 99n] });
});

test("whoever writes before it signs refuses every height that is reserved", () => {
  const holder = new Uint8Array(16).fill(1);
  const reserved = { height: 105n, holder };
  const rows: readonly (readonly [TendermintClaim, Uint8Array, string])[] = [
    [claim(100n, 2, "prevote"), A, "GUARD_RESERVED"],
    [claim(100n, 2, "precommit"), A, "GUARD_RESERVED"],
    [claim(105n, ROUND_MAX, "precommit"), A, "GUARD_RESERVED"],
    [claim(106n, 0, "proposal"), A, "approve"],
    [claim(99n, 0, "proposal"), A, "GUARD_HEIGHT_BELOW"],
    [claim(100n, 2, "prevote"), B, "GUARD_STEP_DOUBLE"],
  ];
  for (const [asked, root, expected] of rows) {
    assert.equal(verdictOf({ reserved, last: LAST }, asked, root), expected);
  }
  assert.equal(
    verdictOf({ reserved, last: null }, claim(105n, 0, "proposal"), A),
    "GUARD_RESERVED",
  );
  const verdict = tendermintRule.decide(
    { reserved, last: LAST },
    claim(106n, 0, "prevote"),
    A,
    NO_FLOOR,
  );
  assert(verdict.kind === "approve");
  assert.deepEqual(verdict.record.reserved, null);
});

test("a reservation is no signature: it may be given back, and joins as the store has it", () => {
  const reserved = { height: 105n, holder: new Uint8Array(16).fill(1) };
  const held: TendermintRecord = { reserved, last: LAST };
  assert(tendermintRule.isSuccessor(held, SIGNED));
  assert(tendermintRule.isSuccessor(SIGNED, held));
  assert(!tendermintRule.isSuccessor(held, { reserved, last: null }));
  assert.deepEqual(tendermintRule.join(held, SIGNED), SIGNED);
  assert.deepEqual(tendermintRule.join(SIGNED, held), held);
});
