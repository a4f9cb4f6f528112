// The table of a benchmark, of `table-program.ts`: how manifests name it, and how it is started. It
// must never take longer than the delay that a benchmark states.

import type { Layout } from "../local/layout.ts";
import { argumentsOf, Program } from "../local/program.ts";
import { ACCOUNT, DYNAMO_HOST, REGION } from "../local/setup.ts";

/** A manifest's `state`. */
export const BENCH_TABLE = {
  kind: "dynamodb",
  tableArn: `arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/redoubt-bench`,
  tableId: "00000000-0000-0000-0000-000000000001",
  bootFloor: "off",
};

/** `delayMs`: from a request to its answer. */
export async function startTable(
  layout: Layout,
  delayMs: number,
): Promise<{ readonly program: Program; readonly port: number }> {
  const program = new Program({
    name: "table",
    file: "scripts/bench/table-program.ts",
    args: argumentsOf({
      "ca-dir": layout.caFolder,
      host: DYNAMO_HOST.replace(":443", ""),
      arn: BENCH_TABLE.tableArn,
      id: BENCH_TABLE.tableId,
      "delay-ms": String(delayMs),
    }),
    logFolder: layout.logFolder,
    readReady: (line) => /"port":(\d+)/.exec(line)?.[1] ?? null,
  });
  return { program, port: Number(await program.ready) };
}
