// What `redoubt audit verify` finds in files that were changed, cut, mixed or forged, and in whole
// ones: nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  array,
  assert as assertProperty,
  asyncProperty,
  constantFrom,
  integer,
  oneof,
  record,
} from "fast-check";
import { encodeReceipt, headAfter, NO_HEAD } from "../../../../enclave/state/record-codec.ts";
import { runAudit } from "../../../../scripts/cli/audit.ts";
import { codesOf, reportOf, verify } from "../../../fakes/audited-log.ts";
import {
  AUDIT_SCOPE,
  actReceipt,
  blockReceipt,
  logOf,
  overrideReceipt,
  ReceiptHistory,
  voteReceipt,
} from "../../../fakes/receipt-history.ts";
import { isSlashablePair, type Signed } from "../../../fakes/slashable-pair.ts";

function honest(number = 1): ReceiptHistory {
  return new ReceiptHistory(number).add(
    actReceipt("init"),
    blockReceipt(5),
    voteReceipt(1, 2),
    voteReceipt(1, 2),
    voteReceipt(2, 3),
    blockReceipt(9),
    actReceipt("import"),
  );
}

test("a whole history of several keys has no findings, in whatever order lines of other keys come", async () => {
  const [first, second] = [honest(1), honest(2).add(actReceipt("retire"))];
  const heads = [first.head(), second.head()];
  const report = await reportOf([logOf(heads, [...first.lines, ...second.lines])]);
  assert.deepEqual(report.byCode, {});
  assert.equal(report.receipts, 15);
  assert.equal(report.unheaded, 0);
  const mixed = [...first.lines, ...second.lines].toSorted((a, b) => b.seq - a.seq);
  assert.deepEqual((await reportOf([logOf(heads, mixed)])).byCode, {});
});

test("the logs of two parents are whole together, and neither is alone", async () => {
  const history = honest();
  const odd = history.lines.filter(({ seq }) => seq % 2 === 1);
  const even = history.lines.filter(({ seq }) => seq % 2 === 0);
  const logs = [logOf([history.head()], odd), logOf([], [...even, ...even])];
  assert.deepEqual((await reportOf(logs)).byCode, {});
  for (const log of logs) assert.equal((await reportOf([log])).ok, false);
});

test("each kind of damage is found for what it is", async () => {
  const whole = honest();
  const { lines } = whole;
  const heads = [whole.head()];
  const without = (seq: number) => lines.filter((line) => line.seq !== seq);
  const [last] = lines.slice(-1);
  assert(last !== undefined);
  const other = encodeReceipt(blockReceipt(7), 2, NO_HEAD);
  const forged = lines.map((line) => (line.seq === 2 ? { ...line, receipt: other } : line));
  const pair = new ReceiptHistory().add(blockReceipt(5, "a"), blockReceipt(5, "b"));
  const doubled = new ReceiptHistory().add(voteReceipt(1, 4, "a"), voteReceipt(2, 4, "b"));
  const around = new ReceiptHistory().add(voteReceipt(3, 4), voteReceipt(2, 5));
  const within = new ReceiptHistory().add(voteReceipt(2, 5), voteReceipt(3, 4));
  const lowered = new ReceiptHistory().add(
    blockReceipt(9),
    overrideReceipt(4, 9, 9),
    blockReceipt(5),
    overrideReceipt(3),
    blockReceipt(4),
    overrideReceipt(),
    voteReceipt(1, 2),
  );
  const strange = [
    new ReceiptHistory().add({ ...overrideReceipt(1), signingRoot: null }),
    new ReceiptHistory().add(overrideReceipt(1, 2, 3, 4)),
    new ReceiptHistory().add({ ...actReceipt("floor"), heights: [1n] }),
    new ReceiptHistory().add({ ...overrideReceipt(1), kind: "retire" }),
    new ReceiptHistory().add({ ...blockReceipt(1), signingRoot: null }),
    new ReceiptHistory().add({ ...blockReceipt(1), heights: [] }),
  ];
  for (const { lines: unread } of strange) {
    assert.deepEqual(await codesOf([], unread), ["MALFORMED"]);
  }
  const undead = new ReceiptHistory().add(actReceipt("retire"), blockReceipt(5));
  for (const [name, changed, found] of [
    ["one is missing", without(3), ["GAP"]],
    ["the last is missing", without(last.seq), ["BEHIND_HEAD"]],
    ["the first is missing", without(1), ["GAP"]],
    ["another in its place", forged, ["BROKEN_CHAIN"]],
    ["two for one version", [...lines, { ...last, receipt: other }], ["FORK"]],
    [
      "bytes that are none",
      lines.map((l) => (l === last ? { ...l, receipt: other.subarray(1) } : l)),
      ["HEAD_MISMATCH", "MALFORMED"],
    ],
    ["two blocks", pair.lines, ["SLASHABLE_PAIR"]],
    ["two votes", doubled.lines, ["SLASHABLE_PAIR"]],
    ["a vote around", around.lines, ["SLASHABLE_PAIR"]],
    ["a vote within", within.lines, ["SLASHABLE_PAIR"]],
    ["lower, and no pair", lowered.lines, []],
    ["signed after the tombstone", undead.lines, ["AFTER_RETIREMENT"]],
  ] as const) {
    const isWhole = changed[0]?.receipt === lines[0]?.receipt || name === "the first is missing";
    assert.deepEqual(await codesOf(isWhole ? heads : [], changed), found, name);
  }
});

test("a log that begins late is a gap, unless it is said to be partial", async () => {
  const history = honest();
  const late = logOf([history.head()], history.lines.slice(3));
  assert.deepEqual((await reportOf([late])).byCode, { GAP: 1 });
  assert.deepEqual((await reportOf([late], "--partial")).byCode, {});
});

test("a head that nobody can have is found, and keys without one are counted", async () => {
  const history = honest();
  const head = { ...history.head(), head: new Uint8Array(32) };
  assert.deepEqual(await codesOf([head], history.lines), ["HEAD_MISMATCH"]);
  const report = await reportOf([logOf([], history.lines)]);
  assert.equal(report.ok, true);
  assert.equal(report.unheaded, 1);
});

function joined(...parts: readonly string[]): string {
  return `${parts.join("\n")}\n`;
}

test("a file that is cut, changed or none of ours is refused as a whole", async () => {
  const history = honest();
  const text = logOf([history.head()], history.lines);
  const rows = text.split("\n").slice(0, -1);
  for (const [name, changed] of [
    ["empty", ""],
    ["no end", joined(...rows.slice(0, -1))],
    ["a line less", joined(...rows.toSpliced(3, 1))],
    ["a line more", joined(...rows.toSpliced(3, 0, rows[3] ?? ""))],
    ["no start", joined(...rows.slice(1))],
    ["two starts", joined(rows[0] ?? "", ...rows)],
    ["after the end", joined(...rows, rows[3] ?? "")],
    ["spelt otherwise", text.replace('"seq":1', '"seq": 1')],
    ["a field twice", text.replace('"seq":1', '"seq":1,"seq":1')],
    ["upper case", text.replace("0x5c", "0x5C")],
    ["another version", text.replace('"start":1', '"start":2')],
    ["no JSON", text.replace("{", "")],
    ["a long line", joined(rows[0] ?? "", `"${"x".repeat(5000)}"`, ...rows.slice(1))],
  ] as const) {
    const outcome = await verify([changed]);
    assert.equal(outcome.exitCode, 1, name);
    assert.equal(outcome.stdout, "", name);
  }
});

test("wrong use is exit code 2: no file, a file twice, an option twice or of the other act", async () => {
  for (const args of [
    [],
    ["replay"],
    ["verify"],
    ["verify", "a", "a"],
    ["verify", "a", "--out", "b"],
    ["export"],
    ["export", "--out", "a", "--out", "b"],
    ["export", "--out", "a", "b"],
    ["export", "--out", "a", "--partial"],
    ["export", "--out", "a", "--admin", "unix:///a", "--database", "b"],
    ["export", "--out", "a", "--admin", "tcp://a:1"],
  ]) {
    assert.equal((await runAudit(args)).exitCode, 2, args.join(" "));
  }
});

const signedArbitrary = oneof(
  record({ slot: integer({ min: 0, max: 9 }), root: constantFrom("a", "b") }),
  record({
    source: integer({ min: 0, max: 6 }),
    span: integer({ min: 1, max: 5 }),
    root: constantFrom("a", "b"),
  }),
);

test("a pair is found in any history when, and only when, two of it are slashable", async () => {
  await assertProperty(
    asyncProperty(array(signedArbitrary, { maxLength: 8 }), async (signed) => {
      const history = new ReceiptHistory();
      const all: Signed[] = [];
      for (const one of signed) {
        if ("slot" in one) {
          history.add(blockReceipt(one.slot, one.root));
          all.push({ claim: { kind: "block", slot: BigInt(one.slot) }, root: one.root });
        } else {
          const target = one.source + one.span;
          history.add(voteReceipt(one.source, target, one.root));
          const heights = { source: BigInt(one.source), target: BigInt(target) };
          all.push({ claim: { kind: "attestation", ...heights }, root: one.root });
        }
      }
      const isSlashable = all.some((first, index) =>
        all.slice(index + 1).some((second) => isSlashablePair(first, second)),
      );
      const codes = await codesOf([], history.lines);
      assert.deepEqual(codes, isSlashable ? ["SLASHABLE_PAIR"] : []);
    }),
    { numRuns: 300 },
  );
});

test("a receipt of another network or key does not chain", async () => {
  const history = honest();
  const [line] = history.lines;
  assert(line !== undefined);
  const moved = headAfter({ scope: AUDIT_SCOPE, publicKey: new Uint8Array(48) }, line.receipt);
  const owner = { scope: AUDIT_SCOPE, publicKey: history.key };
  assert.notDeepEqual(moved, headAfter(owner, line.receipt));
  const foreign = history.lines.map((each) => ({ ...each, scope: new Uint8Array(32) }));
  assert.deepEqual(await codesOf([], foreign), ["BROKEN_CHAIN"]);
});
