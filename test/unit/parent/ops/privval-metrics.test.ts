import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { PrivvalMetrics, watchCallers } from "../../../../parent/ops/privval-metrics.ts";
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
  const nodes = [NODE];
  const metrics = new PrivvalMetrics(
    registry,
    () => nodes,
    () => clock.nowMs,
  );
  const sign = (height: bigint, step: number, tookMs = 1, key: Uint8Array | null = null) =>
    metrics.observe(
      "a-1",
      { position: { height, round: 2, step }, blockHash: new Uint8Array(0), hasExtension: false },
      tookMs,
      key,
    );
  const value = async (name: string, labels = "") => {
    const text = await registry.metrics();
    const line = text
      .split("\n")
      .find((each) => each.startsWith(`redoubt_privval_${name}{${labels}`));
    return line === undefined ? null : Number(line.split(" ").at(-1));
  };
  return { registry, nodes, metrics, clock, sign, value };
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

test("of several keys the one that lags is told, and what any of them missed is added up", async () => {
  const { clock, sign, value, metrics } = rig();
  const [one, other] = [Uint8Array.of(1), Uint8Array.of(2)];
  for (let height = 100n; height < 110n; height++) {
    sign(height, 3, 1, one);
    // Three heights behind, as a node is that catches up.
    sign(height - 3n, 3, 1, other);
  }
  assert.equal(await value("missed_precommits_total", 'chain="a-1"'), null);
  assert.equal(await value("last_height", 'chain="a-1",step="precommit"'), 106);
  clock.nowMs += 5000;
  sign(112n, 3, 1, one);
  assert.equal(await value("missed_precommits_total", 'chain="a-1"'), 2);
  assert.equal(await value("seconds_since_last", 'chain="a-1",step="precommit"'), 5);
  sign(108n, 3, 1, other);
  assert.equal(await value("missed_precommits_total", 'chain="a-1"'), 3);
  assert.equal(await value("seconds_since_last", 'chain="a-1",step="precommit"'), 0);
  metrics.retain([{ chainId: "a-1", key: one }]);
  assert.equal(await value("last_height", 'chain="a-1",step="precommit"'), 112);
  metrics.retain([]);
  assert.equal(await value("last_height"), null);
  assert.equal(await value("latency_median_seconds"), null);
});

test("a node that was taken away has no series, nor have callers where nobody listens", async () => {
  const { registry, nodes, value } = rig();
  const listener: { count: number | null } = { count: null };
  watchCallers(registry, () => listener.count);
  assert.equal(await value("connected"), 1);
  assert.doesNotMatch(await registry.metrics(), /^redoubt_privval_grpc_connections /m);
  nodes.length = 0;
  listener.count = 0;
  assert.equal(await value("connected"), null);
  assert.match(await registry.metrics(), /^redoubt_privval_grpc_connections 0$/m);
  listener.count = null;
  assert.doesNotMatch(await registry.metrics(), /^redoubt_privval_grpc_connections /m);
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
