import assert from "node:assert/strict";
import { test } from "node:test";
import { EarlyWork } from "../../../../enclave/service/early-work.ts";

function work() {
  const runs: number[] = [];
  const early = new EarlyWork(() => runs.push(runs.length));
  return { early, runs };
}

function turn(): Promise<void> {
  return new Promise((settle) => setImmediate(settle));
}

test("early work runs after the turn in which it was started, and once", async () => {
  const { early, runs } = work();
  early.start();
  await Promise.resolve();
  assert.equal(runs.length, 0);
  await turn();
  assert.equal(runs.length, 1);
  assert.equal(early.take(), 1);
  assert.equal(early.take(), 1);
  assert.equal(runs.length, 1);
});

test("early work that is wanted before it ran runs at once, and not again", async () => {
  const { early, runs } = work();
  early.start();
  assert.equal(early.take(), 1);
  await turn();
  assert.equal(runs.length, 1);
});

test("early work that is dropped never runs; without a start it waits to be taken", async () => {
  const { early, runs } = work();
  early.start();
  early.drop();
  await turn();
  assert.equal(runs.length, 0);
  const other = work();
  await turn();
  assert.equal(other.runs.length, 0);
  assert.equal(other.early.take(), 1);
});
