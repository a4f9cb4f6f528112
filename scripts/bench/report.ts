// What the benchmark found, and how a person reads it.

export type LoadResult = {
  readonly concurrency: number;
  readonly count: number;
  readonly seconds: number;
  readonly throughputPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly parentCpuMicroseconds: number;
  readonly enclaveCpuMicroseconds: number;
  /** Answers by HTTP status; anything but 200 spoils the figures. */
  readonly statuses: Readonly<Record<string, number>>;
};

export type BenchReport = {
  /** CPU of parent and enclave for a signature, in CPU of a plain `blst.sign`. */
  readonly cpuPerSignatureRatio: number;
  readonly throughputPerSecond: number;
  readonly rawSignPerSecond: number;
  readonly rawSignCpuMicroseconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** From the start of the enclave's process to Ready, by number of keys. */
  readonly bootMs: Readonly<Record<string, number>>;
  /** Resident memory of the enclave with the largest of these numbers of keys. */
  readonly enclaveRssMiB: number;
  readonly loads: readonly LoadResult[];
};

export function encodeTable(report: BenchReport): string {
  const lines = [
    `plain blst.sign          ${report.rawSignPerSecond.toFixed(0)}/s, ${report.rawSignCpuMicroseconds.toFixed(0)} µs CPU`,
    "",
    "in flight   signatures/s   p50 ms   p99 ms   CPU µs: parent   enclave   ratio",
    ...report.loads.map((load) => {
      const cpu = load.parentCpuMicroseconds + load.enclaveCpuMicroseconds;
      return [
        String(load.concurrency).padStart(9),
        load.throughputPerSecond.toFixed(0).padStart(15),
        load.p50Ms.toFixed(1).padStart(9),
        load.p99Ms.toFixed(1).padStart(9),
        load.parentCpuMicroseconds.toFixed(0).padStart(17),
        load.enclaveCpuMicroseconds.toFixed(0).padStart(10),
        (cpu / report.rawSignCpuMicroseconds).toFixed(2).padStart(8),
      ].join("");
    }),
    "",
    `CPU a signature, 64 in flight: ${report.cpuPerSignatureRatio.toFixed(2)} x blst.sign (target 1.40)`,
    ...Object.entries(report.bootMs).map(
      ([keyCount, ms]) => `boot to Ready, ${keyCount} keys: ${ms} ms`,
    ),
    `enclave memory with the most keys: ${report.enclaveRssMiB} MiB`,
    "",
  ];
  return lines.join("\n");
}
