import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type EthereumOperation,
  type OperationTime,
  timeOf,
} from "../../../../../../enclave/core/chains/ethereum/operation.ts";
import {
  bootFloorAt,
  decideHighWatermark,
  decideImportTime,
  decideTime,
  handoverFloorAt,
  slotAt,
} from "../../../../../../enclave/core/chains/ethereum/time-bound.ts";
import { LOOKAHEAD_SLOTS, TIME_SKEW_MS_MAX } from "../../../../../../shared/limits.ts";
import { mainnet } from "../../../../../fakes/ethereum-request.ts";
import { block, rootOf, vote } from "../../../../../fakes/ledger-rig.ts";

const { genesisTimeMs, slotDurationMs } = mainnet;

function msOf(slot: number, withinMs = 0): number {
  return genesisTimeMs + slot * slotDurationMs + withinMs;
}

function codeAt(nowMs: number, time: Partial<OperationTime>): string | undefined {
  const operation: EthereumOperation = {
    kind: "BLOCK",
    signingRoot: rootOf("a"),
    claim: null,
    time: timeOf(time),
  };
  return decideTime(mainnet, nowMs, operation)?.code;
}

test("a slot lasts from its first millisecond to its last, and is negative before genesis", () => {
  assert.equal(slotAt(mainnet, msOf(0)), 0n);
  assert.equal(slotAt(mainnet, msOf(0, -1)), -1n);
  assert.equal(slotAt(mainnet, msOf(7, slotDurationMs - 1)), 7n);
  assert.equal(slotAt(mainnet, msOf(8)), 8n);
});

test("a slot may be one ahead of the clock and an epoch that of this slot; not one more", () => {
  const rows: readonly (readonly [number, Partial<OperationTime>, boolean])[] = [
    [msOf(100), { slot: 101n }, true],
    [msOf(100), { slot: 102n }, false],
    [msOf(101), { slot: 102n }, true],
    [msOf(100, -1), { slot: 101n }, false],
    [msOf(62), { epoch: 1n }, true],
    [msOf(62), { epoch: 2n }, false],
    [msOf(63, -1), { epoch: 2n }, false],
    [msOf(63), { epoch: 2n }, true],
    [msOf(100), { slot: 2n ** 64n - 1n }, false],
    [msOf(100), { epoch: 2n ** 63n }, false],
    [msOf(100), { slot: 5n, epoch: 2n ** 63n }, false],
    [msOf(-2), { slot: 0n }, false],
    [msOf(-1), { slot: 0n }, true],
    [msOf(-1), { epoch: 0n }, true],
    [msOf(-2), { epoch: 0n }, false],
  ];
  for (const [nowMs, time, isAllowed] of rows) {
    const slot = (nowMs - genesisTimeMs) / slotDurationMs;
    assert.equal(
      codeAt(nowMs, time),
      isAllowed ? undefined : "FUTURE",
      `at ${slot}: ${time.slot ?? ""} ${time.epoch ?? ""}`,
    );
  }
});

test("what is prepared in advance may be two epochs ahead, to their last slot", () => {
  const early = { isEarly: true };
  assert.equal(codeAt(msOf(0), { ...early, slot: 95n }), undefined);
  assert.equal(codeAt(msOf(0), { ...early, slot: 96n }), "FUTURE");
  assert.equal(codeAt(msOf(0), { ...early, epoch: 2n }), undefined);
  assert.equal(codeAt(msOf(0), { ...early, epoch: 3n }), "FUTURE");
});

test("a time in seconds may be one slot ahead", () => {
  const nowSeconds = BigInt(msOf(100) / 1000);
  assert.equal(codeAt(msOf(100), { seconds: nowSeconds + 12n }), undefined);
  assert.equal(codeAt(msOf(100), { seconds: nowSeconds + 13n }), "FUTURE");
});

test("the floor of a boot is just beyond all that an earlier enclave can have signed", () => {
  // Around genesis, and around the end of an epoch, to the millisecond.
  const moments = [-5, -2, -1, 0, 1, 30, 31, 32, 62, 63, 64, 1000].flatMap((slot) =>
    [-TIME_SKEW_MS_MAX - 1, -TIME_SKEW_MS_MAX, -1, 0, 1, 6000].map((within) => msOf(slot, within)),
  );
  for (const bootMs of moments) {
    const floor = bootFloorAt(mainnet, bootMs);
    // The clock of the earlier one was as far ahead as it may be.
    const deathMs = bootMs + TIME_SKEW_MS_MAX;
    const lastSlot = slotAt(mainnet, deathMs) + LOOKAHEAD_SLOTS;
    if (lastSlot < 0n) {
      assert.deepEqual(floor, { slot: 0n, source: 0n, target: 0n });
      assert.equal(codeAt(deathMs, { slot: 0n }), "FUTURE");
      continue;
    }
    assert.equal(codeAt(deathMs, { slot: floor.slot - 1n }), undefined);
    assert.equal(codeAt(deathMs, { slot: floor.slot }), "FUTURE");
    assert.equal(codeAt(deathMs, { epoch: floor.target - 1n }), undefined);
    assert.equal(codeAt(deathMs, { epoch: floor.target }), "FUTURE");
    // The highest source below the highest target; at genesis source and target are both 0.
    const lastTarget = floor.target - 1n;
    assert.equal(floor.source, lastTarget === 0n ? 0n : lastTarget - 1n);
  }
});

test("a later boot never has a lower floor", () => {
  let last = bootFloorAt(mainnet, msOf(-4));
  for (let bootMs = msOf(-4); bootMs < msOf(70); bootMs += 997) {
    const floor = bootFloorAt(mainnet, bootMs);
    assert(floor.slot >= last.slot && floor.source >= last.source && floor.target >= last.target);
    last = floor;
  }
});

test("the high watermark refuses what is at or above it", () => {
  const mark = { slot: 100n, epoch: 3n };
  assert.equal(decideHighWatermark(null, block(2n ** 64n - 1n)), null);
  const rows = [
    [block(99), true],
    [block(100), false],
    [block(101), false],
    [vote(1, 2), true],
    [vote(2, 3), false],
    [vote(3, 2), false],
    [vote(1, 4), false],
  ] as const;
  for (const [claim, isAllowed] of rows) {
    const code = decideHighWatermark(mark, claim)?.code;
    assert.equal(code, isAllowed ? undefined : "HIGH_WATERMARK");
  }
});

test("an import may state what could be signed now, and nothing beyond it", () => {
  const none = { blockSlot: null, source: null, target: null };
  const rows = [
    [none, true],
    [{ ...none, blockSlot: 101n }, true],
    [{ ...none, blockSlot: 102n }, false],
    [{ ...none, source: 3n, target: 3n }, true],
    [{ ...none, source: 3n, target: 4n }, false],
    [{ ...none, source: 4n }, false],
    [{ blockSlot: 101n, source: 4n, target: 3n }, false],
    [{ blockSlot: 101n, source: 2n, target: 3n }, true],
  ] as const;
  for (const [floor, isTaken] of rows) {
    const code = decideImportTime(mainnet, msOf(100), floor)?.code;
    assert.equal(code, isTaken ? undefined : "FUTURE");
  }
  // Before genesis nothing can have been signed.
  assert.equal(decideImportTime(mainnet, msOf(-2), { ...none, source: 0n })?.code, "FUTURE");
  assert.equal(decideImportTime(mainnet, msOf(-2), { ...none, blockSlot: 0n })?.code, "FUTURE");
});

test("a hand-over has the floors of a boot where another enclave can have signed in between", () => {
  const epochMs = msOf(64) - msOf(32);
  const lastMs = msOf(101, -1 - TIME_SKEW_MS_MAX);
  const none = { slot: 0n, source: 0n, target: 0n };
  const rows: readonly (readonly [
    drainedMs: number,
    bootMs: number,
    slot: boolean,
    vote: boolean,
  ])[] = [
    // From the first millisecond of a slot to the last from which the skew does not leave it.
    [msOf(100), msOf(100), false, false],
    [msOf(100), lastMs, false, false],
    [msOf(100), lastMs + 1, true, false],
    [msOf(100, -1), msOf(100), true, false],
    // The lookahead is part of it: the target moves with the last slot of an epoch.
    [msOf(126), msOf(127, -1 - TIME_SKEW_MS_MAX), false, false],
    [msOf(126), msOf(127, -TIME_SKEW_MS_MAX), true, true],
    [msOf(100), msOf(100) + epochMs, true, true],
    // A clock that was ahead, and genesis.
    [msOf(100) + epochMs, msOf(100), true, true],
    [msOf(101), msOf(100), true, false],
    [msOf(-9), msOf(-8), false, false],
  ];
  for (const [drainedMs, bootMs, isSlot, isVote] of rows) {
    const full = bootFloorAt(mainnet, bootMs);
    assert.deepEqual(
      handoverFloorAt(mainnet, drainedMs, bootMs),
      {
        slot: isSlot ? full.slot : none.slot,
        source: isVote ? full.source : none.source,
        target: isVote ? full.target : none.target,
      },
      `${drainedMs - genesisTimeMs} ${bootMs - genesisTimeMs}`,
    );
  }
});

test("long before genesis what has no height is not in the future, and what has one is", () => {
  const nowMs = msOf(-9);
  assert.equal(codeAt(nowMs, {}), undefined);
  assert.equal(codeAt(nowMs, { slot: 0n }), "FUTURE");
  assert.equal(codeAt(nowMs, { epoch: 0n }), "FUTURE");
  const nothing = { blockSlot: null, source: null, target: null };
  assert.equal(decideImportTime(mainnet, nowMs, nothing), null);
  assert.equal(decideImportTime(mainnet, nowMs, { ...nothing, blockSlot: 0n })?.code, "FUTURE");
  // Prepared two epochs ahead of the last one, which is none.
  assert.equal(codeAt(nowMs, { epoch: 1n, isEarly: true }), undefined);
  assert.equal(codeAt(nowMs, { epoch: 2n, isEarly: true }), "FUTURE");
});
