import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { PrivvalMetrics } from "../../../../parent/ops/privval-metrics.ts";
import type { PrivvalState } from "../../../../parent/privval/ports.ts";
import { refusal } from "../../../../shared/errors.ts";

const NODE: PrivvalState = {
  chainId: "a-1",
  address: "tcp://10.0.0.1:26659",
  isConnected: true,
  code: null,
  dialCount: 3,
  connectCount: 2,
  requestCount: 9,
  refusedCount: 1,
};

function rig() {
  const registry = new Registry();
  const clock = { nowMs: 1000 };
  const metrics = new PrivvalMetrics(
    registry,
    () => [NODE],
    () => clock.nowMs,
  );
  const sign = (height: bigint, step: number, tookMs = 1) =>
    metrics.observe(
      "a-1",
      { position: { height, round: 2, step }, blockHash: new Uint8Array(0), hasExtension: false },
      tookMs,
    );
  const value = async (name: string, labels = "") => {
    const text = await registry.metrics();
    const line = text
      .split("\n")
      .find((each) => each.startsWith(`redoubt_privval_${name}{${labels}`));
    return line === undefined ? null : Number(line.split(" ").at(-1));
  };
  return { metrics, clock, sign, value };
}

test("what was signed last is told by chain and step, and how long ago", async () => {
  const { clock, sign, value } = rig();
  sign(100n, 2);
  sign(100n, 3);
  clock.nowMs += 5000;
  assert.equal(await value("last_height", 'chain="a-1",step="precommit"'), 100);
  assert.equal(await value("last_round", 'chain="a-1",step="prevote"'), 2);
  assert.equal(await value("seconds_since_last", 'chain="a-1",step="precommit"'), 5);
  assert.equal(await value("signed_total", 'chain="a-1",step="prevote"'), 1);
  assert.equal(await value("last_height", 'chain="a-1",step="proposal"'), null);
});

test("heights between two precommits are missed, and repeats and steps back are not", async () => {
  const { sign, value } = rig();
  for (const height of [100n, 101n, 101n, 100n, 102n]) sign(height, 3);
  assert.equal(await value("missed_precommits_total", 'chain="a-1"'), null);
  sign(105n, 3);
  assert.equal(await value("missed_precommits_total", 'chain="a-1"'), 2);
});

test("the median of the last fifty answers is held against the budget", async () => {
  const { sign, value } = rig();
  for (let count = 0; count < 26; count++) sign(1n, 2, 10);
  for (let count = 0; count < 24; count++) sign(1n, 2, 11);
  assert.equal(await value("latency_over_budget"), 0);
  sign(1n, 2, 11);
  sign(1n, 2, 11);
  assert.equal(await value("latency_over_budget"), 1);
  assert.equal(await value("latency_median_seconds"), 0.011);
});

test("refusals are counted by code, pings and public keys not at all, nodes by their address", async () => {
  const { metrics, value } = rig();
  metrics.observe("a-1", refusal("GUARD_STEP_DOUBLE"), 1);
  metrics.observe("a-1", null, 1);
  assert.equal(await value("refused_total", 'chain="a-1",code="GUARD_STEP_DOUBLE"'), 1);
  assert.equal(await value("signed_total"), null);
  assert.equal(await value("connected", `chain="a-1",address="${NODE.address}"`), 1);
  assert.equal(await value("connect_tries_total"), 3);
});
