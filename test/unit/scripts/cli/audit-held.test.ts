// What `redoubt audit` makes of receipts that state what was signed from memory, in heights that
// were reserved: of scripted ones, and of those that a real signer writes behind its signatures.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  array,
  assert as assertProperty,
  asyncProperty,
  constantFrom,
  integer,
  record,
} from "fast-check";
import { chainScope } from "../../../../enclave/core/chains/tendermint/manifest-part.ts";
import type { HeldReceipt, Receipt } from "../../../../enclave/state/record-codec.ts";
import type { LogHead, LogReceipt } from "../../../../scripts/cli/audit-log.ts";
import { parseReceipt } from "../../../../scripts/cli/audit-receipt.ts";
import { type CborValue, encodeCbor } from "../../../../shared/bytes/cbor.ts";
import { RECEIPT_SIGNED_COUNT_MAX } from "../../../../shared/limits.ts";
import { codesOf, reportOf } from "../../../fakes/audited-log.ts";
import { VALIDATOR } from "../../../fakes/consensus-rig.ts";
import { isDuplicate } from "../../../fakes/duplicate-vote.ts";
import { rootOf } from "../../../fakes/ledger-rig.ts";
import { lost, MemoryStore, writtenButUnknown } from "../../../fakes/memory-store.ts";
import { CHAIN } from "../../../fakes/privval-node.ts";
import {
  actReceipt,
  blockReceipt,
  heldReceipt,
  logOf,
  placeReceipt,
  ReceiptHistory,
  voteReceipt,
} from "../../../fakes/receipt-history.ts";
import { ReservationRig } from "../../../fakes/reservation-rig.ts";

function historyOf(...receipts: readonly (Receipt | HeldReceipt)[]): ReceiptHistory {
  return new ReceiptHistory().add(actReceipt("init"), ...receipts);
}

/** As many votes as a receipt may have, or others, from this height on. */
function votesFrom(height: number, count = RECEIPT_SIGNED_COUNT_MAX): readonly Receipt[] {
  return Array.from({ length: count }, (_, index) => placeReceipt("PREVOTE", height + index, 0));
}

test("a whole history of a key with reserved heights has no findings", async () => {
  const page = votesFrom(7);
  const history = historyOf(
    placeReceipt("PREVOTE", 5, 0),
    heldReceipt("reserve"),
    heldReceipt("reserve", placeReceipt("PROPOSAL", 6, 0), placeReceipt("PREVOTE", 6, 0, "nil")),
    heldReceipt("reserve", ...page),
    // The answer was lost, and what was written is not known to be.
    heldReceipt("reserve", ...page),
    heldReceipt("reserve", ...page.slice(3), placeReceipt("PRECOMMIT", 40, 2)),
    actReceipt("import"),
    heldReceipt("giveback", placeReceipt("PREVOTE", 40, 3)),
    heldReceipt("giveback"),
    actReceipt("retire"),
  );
  const { byCode, receipts } = await reportOf([logOf([history.head()], history.lines)]);
  assert.deepEqual([byCode, receipts], [{}, 11]);
});

test("each line is judged like a receipt of its own", async () => {
  const vote = placeReceipt("PREVOTE", 7, 2);
  const other = placeReceipt("PREVOTE", 7, 2, "b");
  const later = placeReceipt("PRECOMMIT", 8, 0);
  const pairs = [
    [historyOf(heldReceipt("reserve", vote, other)), 2],
    [historyOf(heldReceipt("reserve", vote), heldReceipt("giveback", later, other)), 3],
    [historyOf(vote, heldReceipt("reserve", later), heldReceipt("reserve", other)), 4],
    [historyOf(heldReceipt("reserve", vote, later), other), 3],
  ] as const;
  for (const [{ lines }, seq] of pairs) {
    const { byCode, first } = await reportOf([logOf([], lines)]);
    assert.deepEqual(byCode, { SLASHABLE_PAIR: 1 });
    assert.deepEqual(
      first.map((finding) => finding.seq),
      [seq],
    );
  }
  const proposals = ["a", "b"].map((root) => placeReceipt("PROPOSAL", 7, 2, root));
  const rows: readonly (readonly [string, ReceiptHistory, readonly string[]])[] = [
    ["proposals", historyOf(heldReceipt("reserve", ...proposals)), ["DOUBLE_PROPOSAL"]],
    ["lower, and no pair", historyOf(heldReceipt("reserve", later, vote)), []],
    ["written late by who was taken over", historyOf(later, heldReceipt("reserve", vote)), []],
    [
      "after a tombstone",
      historyOf(actReceipt("retire"), heldReceipt("reserve", vote)),
      ["AFTER_RETIREMENT"],
    ],
    ["for a key of Ethereum", historyOf(blockReceipt(5), heldReceipt("reserve")), ["MALFORMED"]],
    ["before a block", historyOf(heldReceipt("giveback"), blockReceipt(5)), ["MALFORMED"]],
  ];
  for (const [name, { lines }, codes] of rows)
    assert.deepEqual(await codesOf([], lines), codes, name);
});

test("a receipt with lines that a signer does not write from memory is none", async () => {
  const vote = placeReceipt("PRECOMMIT", 7, 2);
  assert.deepEqual(await codesOf([], historyOf(heldReceipt("reserve", ...votesFrom(1))).lines), []);
  for (const receipt of [
    heldReceipt("reserve", ...votesFrom(1, RECEIPT_SIGNED_COUNT_MAX + 1)),
    heldReceipt("init"),
    heldReceipt("override", vote),
    heldReceipt("reserve", blockReceipt(5)),
    heldReceipt("reserve", voteReceipt(1, 2)),
    heldReceipt("reserve", actReceipt("import")),
    heldReceipt("reserve", { ...vote, kind: "reserve" }),
    heldReceipt("reserve", { ...vote, kind: "precommit" }),
    heldReceipt("reserve", { ...vote, signingRoot: null }),
    heldReceipt("reserve", { ...vote, signingRoot: new Uint8Array(31) }),
    heldReceipt("reserve", { ...vote, heights: [7n] }),
    heldReceipt("reserve", { ...vote, heights: [7n, 2n, 1n] }),
    heldReceipt("reserve", { ...vote, heights: [0n, 2n] }),
    heldReceipt("reserve", { ...vote, heights: [7n, 2n ** 31n] }),
    // In the layout of a single one there is neither act.
    actReceipt("reserve"),
    actReceipt("giveback"),
  ]) {
    assert.deepEqual(await codesOf([], historyOf(receipt).lines), ["MALFORMED"]);
  }
});

/** What is found in a history that ends with an array of these items. */
function codesWith(version: number, rest: readonly CborValue[]): Promise<readonly string[]> {
  const history = historyOf().addBytes((seq, previous) =>
    encodeCbor([version, seq, previous, ...rest]),
  );
  return codesOf([], history.lines);
}

test("bytes of another layout, or with more or less in them, are no receipt", async () => {
  const line: CborValue = ["PREVOTE", [7, 2], rootOf("a"), 5];
  const whole: readonly CborValue[] = ["reserve", [line], 5];
  const rows: readonly (readonly [readonly CborValue[], number?])[] = [
    [whole, 3],
    [whole, 1],
    [["PREVOTE", [7, 2], rootOf("a"), 5], 2],
    [["reserve", [line]]],
    [["reserve", [line], 5, 5]],
    [["reserve", [line], -1]],
    [["reserve", [line], null]],
    [["reserve", null, 5]],
    [["reserve", line, 5]],
    [[1, [line], 5]],
    [["reserve", [[...line, 5]], 5]],
    [["reserve", [line.slice(0, 3)], 5]],
    [["reserve", [[...line.slice(0, 3), -1]], 5]],
    [["reserve", [[1, ...line.slice(1)]], 5]],
    [["reserve", [["PREVOTE", 7, ...line.slice(2)]], 5]],
  ];
  assert.deepEqual(await codesWith(2, whole), []);
  for (const [rest, version = 2] of rows)
    assert.deepEqual(await codesWith(version, rest), ["MALFORMED"]);
});

const KINDS = { proposal: "PROPOSAL", prevote: "PREVOTE", precommit: "PRECOMMIT" } as const;
const messageArbitrary = record({
  type: constantFrom("proposal", "prevote", "precommit"),
  height: integer({ min: 1, max: 3 }),
  round: integer({ min: 0, max: 1 }),
  block: constantFrom("nil", "a", "b"),
  time: integer({ min: 0, max: 1 }),
});

test("two messages of one place are found, however they are spread over receipts", async () => {
  await assertProperty(
    asyncProperty(
      array(array(messageArbitrary, { maxLength: 4 }), { maxLength: 4 }),
      async (pages) => {
        const messages = pages.flat();
        const found = messages.flatMap((first, index) =>
          messages
            .slice(index + 1)
            .flatMap((second) => (isDuplicate(first, second) ? [first] : [])),
        );
        const types = new Set(found.map(({ type }) => type));
        const wanted = [
          ...(types.has("proposal") ? ["DOUBLE_PROPOSAL"] : []),
          ...(types.has("prevote") || types.has("precommit") ? ["SLASHABLE_PAIR"] : []),
        ];
        const receipts = pages.map((page) =>
          heldReceipt(
            "reserve",
            ...page.map(({ type, height, round, block }) =>
              placeReceipt(KINDS[type], height, round, block),
            ),
          ),
        );
        assert.deepEqual(await codesOf([], historyOf(...receipts).lines), wanted);
      },
    ),
    { numRuns: 300 },
  );
});

function settle(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 5);
  });
}

test("what a signer wrote behind replays without a finding, also when answers were lost", async () => {
  const store = new MemoryStore();
  const rig = await ReservationRig.serve(store, { heights: 10 });
  for (let height = 5; height < 15; height += 1) {
    if (height === 8) store.script(writtenButUnknown);
    if (height === 11) store.script(lost);
    assert.equal(await rig.ask(height, rootOf("a")), `${height}`);
    assert.equal(await rig.ask(height, rootOf("b"), "precommit"), `${height}`);
    await settle();
  }
  await rig.recorder.giveBack();
  const stored = store.stored(VALIDATOR.publicKey);
  assert(stored !== null);
  const owner = { scope: chainScope(CHAIN), key: VALIDATOR.publicKey };
  const head: LogHead = {
    kind: "head",
    ...owner,
    seq: stored.seq,
    head: stored.record.slice(9, 41),
  };
  const lines = store.receipts.map((receipt, index): LogReceipt => {
    return { kind: "receipt", ...owner, seq: index + 1, receipt };
  });
  const signed = lines.flatMap(({ receipt }) => parseReceipt(receipt)?.signed ?? []);
  const places = signed.map(({ kind, heights }) => `${kind} ${heights.join("/")}`);
  assert.equal(new Set(places).size, 20);
  const { byCode, unheaded } = await reportOf([logOf([head], lines)]);
  assert.deepEqual([byCode, unheaded], [{}, 0]);
});
