// What an operator of Tendermint validators watches: per chain and step what was signed last and
// when, by the key that lags most, what was missed and refused, and how long answers take; per node
// whether it is connected.
// Labels are chains, steps, nodes and codes, all of which are few. It must never take a label from
// a message of a node.

import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Refusal } from "../../shared/errors.ts";
import type { SignedStep } from "../link/privval-signer.ts";
import type { PrivvalState } from "../privval/ports.ts";
import { type Lag, SignedHeights, type WatchedKey } from "./signed-heights.ts";

const STEPS: Readonly<Record<number, string>> = { 1: "proposal", 2: "prevote", 3: "precommit" };
/** As nodes of Celestia watch their signers: the median of the last answers. */
const SAMPLE_COUNT = 50;
/** Beyond a median of 10 ms nodes begin to warn of a slow signer. */
const BUDGET_MS = 10;
const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export class PrivvalMetrics {
  readonly #nowMs: () => number;
  readonly #heights = new SignedHeights();
  readonly #samples = new Map<string, number[]>();
  readonly #signed: Counter<"chain" | "step">;
  readonly #refused: Counter<"chain" | "code">;
  readonly #missed: Counter<"chain">;
  readonly #durations: Histogram<"chain">;

  /** `nodes` are read whenever somebody scrapes. */
  constructor(registry: Registry, nodes: () => readonly PrivvalState[], nowMs: () => number) {
    this.#nowMs = nowMs;
    const registers = [registry];
    this.#signed = new Counter({
      name: "redoubt_privval_signed_total",
      help: "Proposals and votes that were signed, repeated ones too",
      labelNames: ["chain", "step"],
      registers,
    });
    this.#refused = new Counter({
      name: "redoubt_privval_refused_total",
      help: "Requests of nodes that were answered with an error",
      labelNames: ["chain", "code"],
      registers,
    });
    this.#missed = new Counter({
      name: "redoubt_privval_missed_precommits_total",
      help: "Heights between two precommits of a key, that had none; of all keys",
      labelNames: ["chain"],
      registers,
    });
    this.#durations = new Histogram({
      name: "redoubt_privval_duration_seconds",
      help: "From a node's request to the answer",
      labelNames: ["chain"],
      buckets: BUCKETS_SECONDS,
      registers,
    });
    this.#watchLast(registry);
    this.#watchLatency(registry);
    watchNodes(registry, nodes);
  }

  /** Null: answered, and nothing signed. `key`: as its node names it, null for the only one. */
  observe(
    chain: string,
    outcome: Refusal | SignedStep | null,
    tookMs: number,
    key: Uint8Array | null = null,
  ): void {
    if (outcome === null) return;
    if ("code" in outcome) return this.#refused.inc({ chain, code: outcome.code });
    const { position } = outcome;
    this.#signed.inc({ chain, step: STEPS[position.step] ?? "other" });
    this.#durations.observe({ chain }, tookMs / 1000);
    const samples = this.#samples.get(chain) ?? [];
    this.#samples.set(chain, samples);
    samples.push(tookMs);
    if (samples.length > SAMPLE_COUNT) samples.shift();
    const missedCount = this.#heights.note({ chainId: chain, key }, position, this.#nowMs());
    if (missedCount > 0n) this.#missed.inc({ chain }, Number(missedCount));
  }

  /** The keys that nodes ask for from now on: others stand still, and are no longer watched. */
  retain(watched: readonly WatchedKey[]): void {
    this.#heights.retain(watched);
    const chains = new Set(watched.map(({ chainId }) => chainId));
    for (const chain of this.#samples.keys()) if (!chains.has(chain)) this.#samples.delete(chain);
  }

  #watchLast(registry: Registry): void {
    const gauge = (name: string, help: string, read: (lag: Lag) => number): void => {
      const metric: Gauge<"chain" | "step"> = new Gauge({
        name,
        help,
        labelNames: ["chain", "step"],
        registers: [registry],
        collect: () => {
          metric.reset();
          for (const lag of this.#heights.lags()) {
            metric.set({ chain: lag.chain, step: STEPS[lag.step] ?? "other" }, read(lag));
          }
        },
      });
    };
    gauge(
      "redoubt_privval_last_height",
      "Of the last one signed, by the key that is furthest behind",
      ({ behind }) => Number(behind.height),
    );
    gauge(
      "redoubt_privval_last_round",
      "Of the one that redoubt_privval_last_height tells of",
      ({ behind }) => behind.round,
    );
    gauge(
      "redoubt_privval_seconds_since_last",
      "Since the last one was signed, by the key for which that is longest ago",
      ({ oldestMs }) => (this.#nowMs() - oldestMs) / 1000,
    );
  }

  #watchLatency(registry: Registry): void {
    const gauge = (name: string, help: string, read: (medianMs: number) => number): void => {
      const metric: Gauge<"chain"> = new Gauge({
        name,
        help,
        labelNames: ["chain"],
        registers: [registry],
        collect: () => {
          metric.reset();
          for (const [chain, taken] of this.#samples) metric.set({ chain }, read(medianOf(taken)));
        },
      });
    };
    gauge(
      "redoubt_privval_latency_median_seconds",
      `Of the last ${SAMPLE_COUNT} signatures`,
      (medianMs) => medianMs / 1000,
    );
    gauge(
      "redoubt_privval_latency_over_budget",
      `1 when that is above ${BUDGET_MS} ms`,
      (medianMs) => (medianMs > BUDGET_MS ? 1 : 0),
    );
  }
}

function watchNodes(registry: Registry, nodes: () => readonly PrivvalState[]): void {
  const labelNames = ["chain", "address"] as const;
  const connected: Gauge<"chain" | "address"> = new Gauge({
    name: "redoubt_privval_connected",
    help: "1 when the node uses the connection",
    labelNames,
    registers: [registry],
    collect: () => {
      // A reload may have taken nodes away.
      connected.reset();
      for (const node of nodes()) connected.set(labelsOf(node), node.isConnected ? 1 : 0);
    },
  });
  const tries: Counter<"chain" | "address"> = new Counter({
    name: "redoubt_privval_connect_tries_total",
    help: "Times that the node was dialled",
    labelNames,
    registers: [registry],
    collect: () => {
      tries.reset();
      for (const node of nodes()) tries.inc(labelsOf(node), node.dialCount);
    },
  });
}

/**
 * Nodes that are the client come and go: they are counted, and the log has their addresses. Null
 * where nobody listens for them.
 */
export function watchCallers(registry: Registry, count: () => number | null): void {
  const callers: Gauge = new Gauge({
    name: "redoubt_privval_grpc_connections",
    help: "Connections of nodes that call over gRPC",
    registers: [registry],
    collect: () => {
      const now = count();
      if (now === null) callers.remove();
      else callers.set(now);
    },
  });
}

function labelsOf({ chainId, address }: PrivvalState) {
  return { chain: chainId, address };
}

function medianOf(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
