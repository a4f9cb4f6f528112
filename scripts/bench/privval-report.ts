// What the measurement of signers side by side found, and how a person reads it.

import type { Block } from "./privval-block.ts";
import { quantile } from "./quantile.ts";

export type SignerFigures = {
  readonly signer: string;
  readonly version: string;
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** While it is asked, of one request after the other. */
  readonly signaturesPerSecond: number;
  readonly cpuMicroseconds: number;
  readonly pingP50Ms: number;
};

export type Spread = { readonly p50Ms: number; readonly p99Ms: number };

export type LoadFigures = {
  /** Between an answer and the next request. */
  readonly pauseMs: number;
  readonly signers: readonly SignerFigures[];
  /** 256 bytes appended and synced. */
  readonly fsync: Spread;
};

export type PrivvalReport = {
  readonly loads: readonly LoadFigures[];
  /** From a request to the table to its answer; null when no signer has one. */
  readonly tableDelayMs: number | null;
  /** The state lies in memory: what is told of durable records is worth nothing. */
  readonly isInMemory: boolean;
};

export function figuresOf(
  { name, version }: { readonly name: string; readonly version: string },
  blocks: readonly Block[],
): SignerFigures {
  const signMs = blocks.flatMap((block) => block.signMs);
  const pingMs = blocks.flatMap((block) => block.pingMs);
  const cpuMs = sum(blocks.map((block) => block.cpuMs));
  return {
    signer: name,
    version,
    count: signMs.length,
    p50Ms: quantile(signMs, 0.5),
    p90Ms: quantile(signMs, 0.9),
    p99Ms: quantile(signMs, 0.99),
    maxMs: quantile(signMs, 1),
    signaturesPerSecond: (signMs.length * 1000) / sum(signMs),
    cpuMicroseconds: (cpuMs * 1000) / signMs.length,
    pingP50Ms: quantile(pingMs, 0.5),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

export function spreadOf(values: readonly number[]): Spread {
  return { p50Ms: quantile(values, 0.5), p99Ms: quantile(values, 0.99) };
}

export function encodePrivvalTable({ loads, tableDelayMs, isInMemory }: PrivvalReport): string {
  const lines = loads.flatMap(({ pauseMs, signers, fsync }) => [
    pauseMs === 0 ? "one request after the other" : `a pause of ${pauseMs} ms before each request`,
    "signer                  requests   p50 ms   p90 ms   p99 ms   max ms   signatures/s   CPU µs   ping p50 ms",
    ...signers.map(lineOf),
    `256 bytes appended and synced: p50 ${fsync.p50Ms.toFixed(2)} ms, p99 ${fsync.p99Ms.toFixed(2)} ms`,
    "",
  ]);
  if (tableDelayMs !== null) {
    lines.push(
      `redoubt-table and redoubt-reserved: a table that answers after ${tableDelayMs} ms`,
      "",
    );
  }
  if (isInMemory) lines.push("the folder lies in memory: syncs cost nothing here (see --dir)", "");
  return lines.join("\n");
}

function lineOf(figures: SignerFigures): string {
  const { signer, version, count, signaturesPerSecond, cpuMicroseconds, pingP50Ms } = figures;
  const { p50Ms, p90Ms, p99Ms, maxMs } = figures;
  return [
    `${signer} ${version}`.padEnd(22),
    String(count).padStart(10),
    ...[p50Ms, p90Ms, p99Ms, maxMs].map((ms) => ms.toFixed(2).padStart(9)),
    signaturesPerSecond.toFixed(0).padStart(15),
    cpuMicroseconds.toFixed(0).padStart(9),
    pingP50Ms.toFixed(2).padStart(14),
  ].join("");
}
