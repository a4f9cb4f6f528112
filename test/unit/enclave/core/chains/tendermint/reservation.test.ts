import assert from "node:assert/strict";
import { test } from "node:test";
import {
  NO_FLOOR,
  type SignedStep,
  type TendermintRecord,
  withoutRoot,
} from "../../../../../../enclave/core/chains/tendermint/consensus-record.ts";
import type { TendermintClaim } from "../../../../../../enclave/core/chains/tendermint/consensus-rule.ts";
import type { TendermintStep } from "../../../../../../enclave/core/chains/tendermint/position.ts";
import {
  decideHeld,
  giveBack,
  type Held,
  heldHeight,
  isHeldBy,
  reservedUpTo,
  reserveNext,
} from "../../../../../../enclave/core/chains/tendermint/reservation.ts";
import { HEIGHT_MAX, ROUND_MAX } from "../../../../../../shared/limits.ts";
import { TIME } from "../../../../../fakes/privval-node.ts";

const A = new Uint8Array(32).fill(0xaa);
const B = new Uint8Array(32).fill(0xbb);
const OURS = new Uint8Array(16).fill(1);
const THEIRS = new Uint8Array(16).fill(2);

const claim = (height: bigint, step: TendermintStep = "prevote", round = 0): TendermintClaim => ({
  height,
  round,
  step,
  timestamp: TIME,
});
const signed = (height: bigint, root = A, step: TendermintStep = "prevote"): SignedStep => ({
  ...claim(height, step),
  root,
});
const held = (last: SignedStep | null = null, isClosed = false): Held => ({
  holder: OURS,
  last,
  isClosed,
});
const record = (
  last: SignedStep | null,
  height: bigint | null = null,
  holder = OURS,
): TendermintRecord => ({ last, reserved: height === null ? null : { height, holder } });

const end = (height: bigint) => withoutRoot({ height, round: ROUND_MAX, step: "precommit" });

test("what is signed from memory is within our own reservation, and follows the rule", () => {
  const rows: readonly (readonly [Held, TendermintRecord, TendermintClaim, Uint8Array, string])[] =
    [
      [held(), record(null), claim(5n), A, "reserve"],
      [held(), record(signed(4n)), claim(5n), A, "reserve"],
      [held(), record(signed(4n), 4n), claim(5n), A, "reserve"],
      [held(), record(signed(4n), 5n), claim(5n), A, "sign"],
      [held(), record(signed(4n), 5n), claim(5n, "precommit", ROUND_MAX), A, "sign"],
      [held(), record(signed(4n), 5n), claim(6n), A, "reserve"],
      // Whatever the record says, what was signed since counts.
      [held(signed(5n)), record(signed(4n), 9n), claim(5n), A, "repeat"],
      [held(signed(5n)), record(signed(4n), 9n), claim(5n), B, "GUARD_STEP_DOUBLE"],
      [held(signed(5n)), record(signed(4n), 9n), claim(5n, "proposal"), A, "GUARD_STEP_BELOW"],
      [held(signed(5n)), record(signed(4n), 9n), claim(4n), A, "GUARD_HEIGHT_BELOW"],
      [held(signed(5n)), record(signed(4n), 9n), claim(5n, "precommit"), B, "sign"],
      // And what the operators have raised it to.
      [held(signed(5n)), record(withoutRoot(signed(7n)), 9n), claim(6n), A, "GUARD_HEIGHT_BELOW"],
      [held(signed(5n)), record(withoutRoot(signed(5n)), 9n), claim(5n), A, "GUARD_STEP_DOUBLE"],
      // Another's.
      [held(), record(signed(4n), 5n, THEIRS), claim(5n), A, "GUARD_RESERVED"],
      [held(), record(signed(4n), 5n, THEIRS), claim(6n), A, "reserve"],
      [held(signed(5n)), record(signed(4n), 5n, THEIRS), claim(5n), A, "GUARD_RESERVED"],
      // Given back.
      [held(null, true), record(signed(4n), 5n), claim(5n), A, "DRAINING"],
      [held(null, true), record(signed(4n)), claim(5n), A, "DRAINING"],
    ];
  for (const [memory, stored, asked, root, expected] of rows) {
    assert.equal(verdictOf(memory, stored, stored, asked, root), expected);
  }
});

function verdictOf(
  memory: Held,
  durable: TendermintRecord,
  raised: TendermintRecord,
  asked: TendermintClaim,
  root: Uint8Array,
): string {
  const verdict = decideHeld(memory, durable, raised, asked, root, NO_FLOOR);
  switch (verdict.kind) {
    case "refuse":
    case "reserved":
      return verdict.refusal.code;
    case "reserve":
      return verdict.kind;
    case "sign":
      return verdict.isRepeat ? "repeat" : "sign";
  }
}

test("a reservation counts when it is durable; a floor that is raised counts at once", () => {
  const durable = record(signed(4n), 5n);
  const raised = record(withoutRoot(signed(5n)), 9n);
  assert.equal(verdictOf(held(), durable, raised, claim(6n), A), "reserve");
  assert.equal(verdictOf(held(), durable, raised, claim(5n), A), "GUARD_STEP_DOUBLE");
});

test("a repeat keeps the time that was signed first", () => {
  const asked = { ...claim(5n), timestamp: { seconds: 9n, nanos: 9 } };
  const verdict = decideHeld(
    held(signed(5n)),
    record(null, 9n),
    record(null, 9n),
    asked,
    A,
    NO_FLOOR,
  );
  assert.deepEqual(verdict, { kind: "sign", last: signed(5n), isRepeat: true });
});

test("a floor that was ordered holds for what is signed from memory", () => {
  const floor = claim(6n);
  const stored = record(null, 9n);
  const below = decideHeld(held(), stored, stored, claim(5n), A, floor);
  assert(below.kind === "refuse");
  assert.equal(below.refusal.code, "GUARD_FLOOR");
  assert.equal(decideHeld(held(), stored, stored, claim(6n), A, floor).kind, "sign");
});

test("a write reserves more, and never less; above what is another's it says so", () => {
  type Next = { readonly asked: bigint; readonly upTo: bigint } | null;
  const rows: readonly (readonly [
    TendermintRecord,
    SignedStep | null,
    Next,
    TendermintRecord | null,
  ])[] = [
    [record(null), null, { asked: 5n, upTo: 9n }, record(null, 9n)],
    [record(signed(4n)), null, { asked: 5n, upTo: 9n }, record(signed(4n), 9n)],
    [record(signed(4n), 9n), null, { asked: 8n, upTo: 12n }, record(signed(4n), 12n)],
    [record(signed(4n), 9n), null, { asked: 5n, upTo: 8n }, null],
    [record(signed(4n), 9n), null, null, null],
    [record(signed(4n), 9n), signed(6n), null, record(signed(6n), 9n)],
    [record(signed(4n), 9n), signed(6n), { asked: 6n, upTo: 12n }, record(signed(6n), 12n)],
    // What is written behind never takes the last step back.
    [record(signed(7n), 9n), signed(6n), null, record(signed(7n), 9n)],
    // Another's: cut nowhere.
    [record(signed(4n), 9n, THEIRS), null, { asked: 9n, upTo: 14n }, null],
    [record(signed(4n), 9n, THEIRS), null, { asked: 10n, upTo: 14n }, record(end(9n), 14n)],
    [record(signed(10n), 9n, THEIRS), null, { asked: 10n, upTo: 14n }, record(signed(10n), 14n)],
    // Overtaken: the receipts alone.
    [
      record(signed(4n), 9n, THEIRS),
      signed(6n),
      { asked: 6n, upTo: 12n },
      record(signed(4n), 9n, THEIRS),
    ],
    [record(signed(4n)), signed(3n), null, record(signed(4n))],
    [record(signed(4n)), signed(6n), null, record(signed(6n))],
  ];
  for (const [stored, last, next, expected] of rows) {
    assert.deepEqual(reserveNext(held(), stored, { signed: last, next }), expected);
  }
});

test("whoever is closed reserves nothing more, and has what it signed written", () => {
  const closed = held(signed(6n), true);
  const next = { asked: 10n, upTo: 14n };
  for (const stored of [record(null), record(signed(4n), 9n), record(signed(4n), 9n, THEIRS)]) {
    assert.equal(reserveNext(closed, stored, { signed: null, next }), null);
  }
  assert.deepEqual(
    reserveNext(closed, record(signed(4n), 9n), { signed: signed(6n), next }),
    record(signed(6n), 9n),
  );
});

test("what is given back leaves the last step, and what is another's as it is", () => {
  const closed = held(signed(6n), true);
  const rows: readonly (readonly [TendermintRecord, SignedStep | null, TendermintRecord | null])[] =
    [
      [record(signed(4n), 9n), signed(6n), record(signed(6n))],
      [record(signed(4n), 9n), null, record(signed(6n))],
      [record(signed(7n), 9n), null, record(signed(7n))],
      [record(signed(4n), 9n, THEIRS), null, null],
      [record(signed(4n), 9n, THEIRS), signed(6n), record(signed(4n), 9n, THEIRS)],
      [record(signed(4n)), null, null],
      [record(signed(4n)), signed(6n), record(signed(6n))],
    ];
  for (const [stored, last, expected] of rows) {
    assert.deepEqual(giveBack(closed, stored, last), expected);
  }
  assert.equal(giveBack(held(signed(6n)), record(signed(4n), 9n), null), null);
});

test("heights are held while the record says so and nothing was given back", () => {
  assert.equal(heldHeight(held(), record(null, 9n)), 9n);
  assert.equal(heldHeight(held(), record(null, 9n, THEIRS)), null);
  assert.equal(heldHeight(held(), record(null)), null);
  assert.equal(heldHeight(held(null, true), record(null, 9n)), null);
  // What is written there is ours all the same.
  assert(isHeldBy(held(null, true), record(null, 9n)));
  assert(!isHeldBy(held(), record(null, 9n, THEIRS)));
  assert(!isHeldBy(held(), record(null)));
});

test("heights are reserved to the manifest's last one, or to the last that there is", () => {
  assert.equal(reservedUpTo(5n, 10n, null), 14n);
  assert.equal(reservedUpTo(5n, 10n, 14n), 14n);
  assert.equal(reservedUpTo(5n, 10n, 13n), 13n);
  assert.equal(reservedUpTo(5n, 10n, 15n), 14n);
  assert.equal(reservedUpTo(HEIGHT_MAX - 9n, 10n, null), HEIGHT_MAX);
  assert.equal(reservedUpTo(HEIGHT_MAX - 8n, 10n, null), HEIGHT_MAX);
});
