// What `redoubt audit` makes of the receipts of Tendermint chains: of scripted ones, and of those
// that a real enclave writes for a node.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  array,
  assert as assertProperty,
  asyncProperty,
  constantFrom,
  integer,
  record,
} from "fast-check";
import { chainScope } from "../../../../enclave/core/chains/tendermint/manifest-part.ts";
import type { Receipt } from "../../../../enclave/state/record-codec.ts";
import type { ParentAdmin } from "../../../../scripts/cli/admin.ts";
import { sourceOfParent, writeLog } from "../../../../scripts/cli/audit-export.ts";
import { ok } from "../../../../shared/result.ts";
import { codesOf, reportOf } from "../../../fakes/audited-log.ts";
import { ConsensusRig, VALIDATOR } from "../../../fakes/consensus-rig.ts";
import { isDuplicate, type SignedMessage } from "../../../fakes/duplicate-vote.ts";
import { CHAIN, NIL_BLOCK, proposalRequest, voteRequest } from "../../../fakes/privval-node.ts";
import {
  actReceipt,
  blockReceipt,
  logOf,
  overrideReceipt,
  placeReceipt,
  ReceiptHistory,
  voteReceipt,
} from "../../../fakes/receipt-history.ts";

const folder = mkdtempSync(join(tmpdir(), "redoubt-audit-places-"));
after(() => rmSync(folder, { recursive: true }));

function historyOf(...receipts: readonly Receipt[]): ReceiptHistory {
  return new ReceiptHistory().add(actReceipt("init"), ...receipts);
}

test("a whole history of a Tendermint key has no findings", async () => {
  const history = historyOf(
    placeReceipt("PROPOSAL", 5, 0),
    placeReceipt("PREVOTE", 5, 0),
    placeReceipt("PRECOMMIT", 5, 0, "nil"),
    actReceipt("import"),
    placeReceipt("PREVOTE", 5, 1, "b"),
    placeReceipt("PRECOMMIT", 5, 1, "b"),
    // Once more, for the sake of its receipt.
    placeReceipt("PRECOMMIT", 5, 1, "b"),
    placeReceipt("PREVOTE", 9, 0),
    actReceipt("retire"),
  );
  const { byCode, receipts } = await reportOf([logOf([history.head()], history.lines)]);
  assert.deepEqual([byCode, receipts], [{}, 10]);
});

test("what no two receipts of a Tendermint key may say is found for what it is", async () => {
  const vote = placeReceipt("PREVOTE", 7, 2);
  const order = overrideReceipt(5, 0, 3);
  const rows: readonly (readonly [string, readonly Receipt[], readonly string[]])[] = [
    ["two votes", [vote, placeReceipt("PREVOTE", 7, 2, "b")], ["SLASHABLE_PAIR"]],
    ["a vote and nil", [vote, placeReceipt("PREVOTE", 7, 2, "nil")], ["SLASHABLE_PAIR"]],
    [
      "with others between",
      [vote, placeReceipt("PRECOMMIT", 8, 0), placeReceipt("PREVOTE", 7, 2, "b")],
      ["SLASHABLE_PAIR"],
    ],
    [
      "two proposals",
      [placeReceipt("PROPOSAL", 7, 2), placeReceipt("PROPOSAL", 7, 2, "b")],
      ["DOUBLE_PROPOSAL"],
    ],
    ["two steps of a round", [vote, placeReceipt("PRECOMMIT", 7, 2, "b")], []],
    ["lower, and no pair", [vote, placeReceipt("PREVOTE", 7, 1, "b")], []],
    ["lowered by an order, and no pair", [vote, order, placeReceipt("PREVOTE", 5, 1)], []],
    [
      "contradicted by an order's leave",
      [vote, order, placeReceipt("PREVOTE", 7, 2, "b")],
      ["SLASHABLE_PAIR"],
    ],
    ["a tombstone before", [actReceipt("retire"), vote], ["AFTER_RETIREMENT"]],
    ["an order after a tombstone", [actReceipt("retire"), order], ["AFTER_RETIREMENT"]],
    ["a block among votes", [vote, blockReceipt(9)], ["MALFORMED"]],
    ["a vote among blocks", [blockReceipt(9), vote], ["MALFORMED"]],
    [
      "a pair of one family behind one of the other",
      [voteReceipt(1, 2), vote, placeReceipt("PREVOTE", 7, 2, "b"), voteReceipt(1, 2, "b")],
      ["MALFORMED", "SLASHABLE_PAIR"],
    ],
  ];
  for (const [name, receipts, codes] of rows) {
    assert.deepEqual(await codesOf([], historyOf(...receipts).lines), codes, name);
  }
});

test("a receipt of a place where nothing can be signed is none", async () => {
  const vote = placeReceipt("PRECOMMIT", 7, 2);
  const rows: readonly Receipt[] = [
    { ...vote, heights: [7n] },
    { ...vote, heights: [7n, 2n, 1n] },
    { ...vote, heights: [0n, 2n] },
    { ...vote, heights: [2n ** 63n, 2n] },
    { ...vote, heights: [7n, 2n ** 31n] },
    { ...vote, signingRoot: null },
    { ...vote, kind: "precommit" },
  ];
  for (const row of rows) assert.deepEqual(await codesOf([], historyOf(row).lines), ["MALFORMED"]);
  const last = { ...vote, heights: [2n ** 63n - 1n, 2n ** 31n - 1n] };
  assert.deepEqual(await codesOf([], historyOf(last).lines), []);
});

test("two histories of one key are compared vote by vote, also where they go up each by itself", async () => {
  const first = historyOf(placeReceipt("PREVOTE", 7, 2));
  const second = historyOf(placeReceipt("PREVOTE", 7, 2, "nil"));
  const both = [...first.lines, ...second.lines];
  assert.deepEqual(await codesOf([], both), ["FORK", "SLASHABLE_PAIR"]);
});

const KINDS = { proposal: "PROPOSAL", prevote: "PREVOTE", precommit: "PRECOMMIT" } as const;
const messageArbitrary = record({
  type: constantFrom("proposal", "prevote", "precommit"),
  height: integer({ min: 1, max: 3 }),
  round: integer({ min: 0, max: 2 }),
  block: constantFrom("nil", "a", "b"),
  time: integer({ min: 0, max: 1 }),
});

test("two messages of one place are found in any history when, and only when, there are two", async () => {
  await assertProperty(
    asyncProperty(array(messageArbitrary, { maxLength: 8 }), async (messages) => {
      const receipts = messages.map(({ type, height, round, block }) =>
        placeReceipt(KINDS[type], height, round, block),
      );
      const duplicates = pairsOf(messages).filter(([first, second]) => isDuplicate(first, second));
      const types = new Set(duplicates.map(([{ type }]) => type));
      const wanted = [
        ...(types.has("proposal") ? ["DOUBLE_PROPOSAL"] : []),
        ...(types.has("prevote") || types.has("precommit") ? ["SLASHABLE_PAIR"] : []),
      ];
      assert.deepEqual(await codesOf([], historyOf(...receipts).lines), wanted);
    }),
    { numRuns: 300 },
  );
});

function pairsOf(
  messages: readonly SignedMessage[],
): readonly (readonly [SignedMessage, SignedMessage])[] {
  return messages.flatMap((first, index) =>
    messages.slice(index + 1).map((second) => [first, second] as const),
  );
}

function never(): Promise<never> {
  return Promise.reject(new Error("an export asks for nothing else"));
}

/** The parent of an enclave over a scripted store: its log has every receipt there is. */
function adminOf({ enclave, store }: ConsensusRig): ParentAdmin {
  const scope = chainScope(CHAIN);
  return {
    call: (name, params) => enclave.call(name, params),
    readReceipts: (after) =>
      Promise.resolve(
        ok(
          store.receipts
            .map((receipt, index) => ({ id: index + 1, seq: index + 1, receipt }))
            .filter(({ id }) => id > after)
            .map((line) => ({ ...line, scope, key: VALIDATOR.publicKey })),
        ),
      ),
    startUpgrade: never,
    showUpgrade: never,
    abortUpgrade: never,
    close: () => undefined,
  };
}

test("what an enclave has signed for a node is exported with its head, and replays without a finding", async () => {
  const rig = await ConsensusRig.serve();
  assert(typeof (await rig.askFor("proposal", proposalRequest())) !== "string");
  const nil = { 1: 1, 4: NIL_BLOCK, 9: undefined };
  assert(typeof (await rig.askFor("vote", voteRequest(nil))) !== "string");
  assert(typeof (await rig.askFor("vote", voteRequest())) !== "string");
  const out = join(folder, "enclave.jsonl");
  const written = await writeLog(sourceOfParent(adminOf(rig)), out, 1);
  assert(written.ok);
  assert.deepEqual(written.value, { headCount: 1, receiptCount: 4 });
  const report = await reportOf([readFileSync(out, "utf8")]);
  assert.deepEqual([report.byCode, report.receipts, report.unheaded], [{}, 4, 0]);
});
