// A latency histogram that costs a few additions per observation: plain counters, turned into
// prom-client's form only when somebody scrapes. It must never allocate while it observes.

import { Histogram } from "prom-client";

type Sample = {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
};

type Exposition = {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  values: readonly Sample[];
  readonly aggregator: string;
};

const BUCKETS_MS: readonly number[] = [
  0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192,
];

export class LatencyHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  /** One more than there are bounds: the last one is +Inf. */
  readonly #counts = new Float64Array(BUCKETS_MS.length + 1);
  #sumMs = 0;

  constructor(name: string, help: string) {
    super({ name, help, registers: [], buckets: BUCKETS_MS.map((ms) => ms / 1000) });
    this.#name = name;
    this.#help = help;
  }

  observeMs(durationMs: number): void {
    let index = 0;
    while (index < BUCKETS_MS.length && durationMs > (BUCKETS_MS[index] ?? 0)) index += 1;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sumMs += durationMs;
  }

  /**
   * The registry calls this when it prints, and the base class's `get` builds on it. (It is not in
   * prom-client's types; the test of the metrics page fails if it is renamed.)
   */
  getForPromString(): Promise<Exposition> {
    const values: Sample[] = [];
    let count = 0;
    BUCKETS_MS.forEach((ms, index) => {
      count += this.#counts[index] ?? 0;
      values.push({ metricName: `${this.#name}_bucket`, labels: { le: ms / 1000 }, value: count });
    });
    count += this.#counts[BUCKETS_MS.length] ?? 0;
    values.push(
      { metricName: `${this.#name}_bucket`, labels: { le: "+Inf" }, value: count },
      { metricName: `${this.#name}_sum`, labels: {}, value: this.#sumMs / 1000 },
      { metricName: `${this.#name}_count`, labels: {}, value: count },
    );
    const exposition = { name: this.#name, help: this.#help, type: "histogram", values };
    return Promise.resolve({ ...exposition, aggregator: "sum" });
  }
}
