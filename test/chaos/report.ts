// The figures of a run, for people and for docs/safety.md.

import type { Chaos } from "./chaos.ts";
import type { Cluster } from "./cluster.ts";

export function printReport(print: (line: string) => void, chaos: Chaos, cluster: Cluster): void {
  const { load, duties, recoveries } = chaos;
  const faults = recoveries.flatMap(({ round }) => round);
  const count = (word: string) => faults.filter(({ kind }) => kind.includes(word)).length;
  const reboots = cluster.sites.map(({ rebootCount }) => rebootCount);
  const times = recoveries.map(({ recoveryMs }) => recoveryMs).toSorted((a, b) => a - b);
  print(`#   rounds ${recoveries.length}, faults ${faults.length}`);
  print(`#   with kills ${count("killed")}, with stops ${count("stopped")}`);
  print(`#   boots of an enclave after its death ${reboots.join(" and ")}`);
  print(`#   ${load.summary()}`);
  print(`#   slashable pairs 0 in ${load.releases.length} releases`);
  if (cluster.storeKind === "dynamodb") {
    const { written, refused } = cluster.storeCounts();
    print(`#   conditional writes made ${written}, refused by the table ${refused}`);
  }
  const { signedCount, failoverCount, missedCount } = duties;
  print(
    `#   honest blocks ${signedCount} (${failoverCount} by another signer), missed ${missedCount}`,
  );
  print(`#   recovery ms: median ${times[Math.floor(times.length / 2)]}, longest ${times.at(-1)}`);
}
