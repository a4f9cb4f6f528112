// Receipts on their way to the parent's log: in order, in pages, again until they are there, and
// counted when they are given up.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ParentReceiptLog, type SendReceipts } from "../../../../enclave/state/receipt-log.ts";
import { type Refusal, refusal } from "../../../../shared/errors.ts";
import { COMMIT_COUNT_MAX, RECEIPT_BACKLOG_COUNT_MAX } from "../../../../shared/limits.ts";
import { ok, type Result } from "../../../../shared/result.ts";

type Append = Parameters<SendReceipts>[0];
type Outcome = Result<unknown, Refusal> | null;

const SCOPE = new Uint8Array(32).fill(1);
const OTHER = new Uint8Array(32).fill(2);

/** A log whose parent answers when, and what, the test says. */
class Bench {
  readonly pages: Append[] = [];
  readonly log: ParentReceiptLog;
  readonly #answers: ((outcome: Outcome) => void)[] = [];
  #timers: (() => void)[] = [];

  constructor() {
    const send: SendReceipts = (params) => {
      this.pages.push(params);
      return new Promise((settle) => this.#answers.push(settle));
    };
    const after = (_: number, run: () => void): { stop: () => void } => {
      this.#timers.push(run);
      return { stop: () => this.#timers.splice(this.#timers.indexOf(run), 1) };
    };
    this.log = new ParentReceiptLog(send, { after });
  }

  append(scope: Uint8Array, ...seqs: readonly number[]): void {
    const receipt = Uint8Array.of(1);
    this.log.append(
      scope,
      seqs.map((seq) => ({ key: new Uint8Array(48), seq, receipt })),
    );
  }

  async answer(outcome: Outcome): Promise<void> {
    this.#answers.shift()?.(outcome);
    await settle();
  }

  async pass(): Promise<void> {
    for (const run of this.#timers.splice(0)) run();
    await settle();
  }

  seqs(): readonly (readonly number[])[] {
    return this.pages.map(({ receipts }) => receipts.map(({ seq }) => seq));
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("what comes in one turn goes out together, what comes later after it, and in order", async () => {
  const bench = new Bench();
  bench.append(SCOPE, 1);
  bench.append(SCOPE, 2, 3);
  await settle();
  bench.append(SCOPE, 4);
  bench.append(SCOPE, 5);
  await settle();
  assert.deepEqual(bench.seqs(), [[1, 2, 3]], "one page at a time");
  await bench.answer(ok({}));
  assert.deepEqual(bench.seqs(), [
    [1, 2, 3],
    [4, 5],
  ]);
  await bench.answer(ok({}));
  bench.append(SCOPE, 6);
  await settle();
  assert.deepEqual(bench.seqs().at(-1), [6]);
  assert.equal(bench.log.lostCount, 0);
});

test("a page that was refused or got no answer goes out again, after a while, before what is newer", async () => {
  const bench = new Bench();
  bench.append(SCOPE, 1, 2);
  await settle();
  for (const outcome of [null, { ok: false, error: refusal("STORE_FULL") } as const]) {
    bench.append(SCOPE, 3);
    await bench.answer(outcome);
    const { length } = bench.pages;
    await settle();
    assert.equal(bench.pages.length, length, "not at once");
    await bench.pass();
  }
  await bench.answer(ok({}));
  assert.deepEqual(bench.seqs(), [
    [1, 2],
    [1, 2, 3],
    [1, 2, 3, 3],
  ]);
});

test("a page holds lines of one network, and no more than a call takes", async () => {
  const bench = new Bench();
  bench.append(SCOPE, 1);
  bench.append(OTHER, 2);
  bench.append(SCOPE, ...Array.from({ length: COMMIT_COUNT_MAX + 1 }, (_, index) => index + 3));
  await settle();
  for (let page = 0; page < 4; page += 1) await bench.answer(ok({}));
  assert.deepEqual(
    bench.pages.map(({ scope, receipts }) => [scope[0], receipts.length]),
    [
      [1, 1],
      [2, 1],
      [1, COMMIT_COUNT_MAX],
      [1, 1],
    ],
  );
});

test("at its limit a log counts what it gives up, and goes on with what it has", async () => {
  const bench = new Bench();
  const many = Array.from({ length: RECEIPT_BACKLOG_COUNT_MAX }, (_, index) => index);
  bench.append(SCOPE, ...many.slice(1));
  assert.equal(bench.log.lostCount, 0);
  bench.append(SCOPE, 1);
  assert.equal(bench.log.lostCount, 0);
  bench.append(SCOPE, 2, 3);
  assert.equal(bench.log.lostCount, 2);
  await settle();
  await bench.answer(ok({}));
  bench.append(SCOPE, 4);
  assert.equal(bench.log.lostCount, 2, "there is room again");
});

test("a flush waits for what is on its way, for a while", async () => {
  const bench = new Bench();
  await bench.log.flush(1);
  bench.append(SCOPE, 1);
  bench.append(SCOPE, 2);
  let isFlushed = false;
  const flushing = bench.log.flush(1).then(() => {
    isFlushed = true;
  });
  await settle();
  bench.append(SCOPE, 3);
  await bench.answer(ok({}));
  assert.equal(isFlushed, false, "the third is on its way");
  await bench.answer(ok({}));
  await flushing;
  bench.append(SCOPE, 4);
  await settle();
  const late = bench.log.flush(1);
  await bench.pass();
  await late;
  await bench.answer(ok({}));
});
