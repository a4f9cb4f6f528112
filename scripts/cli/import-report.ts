// What an import did to each key, for people and for programs. It must never end with 0 when a
// floor is below what was asked for.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { ExitCode } from "./command.ts";
import type { ImportKind, ImportLine } from "./state-import.ts";
import type { StateOptions } from "./state-options.ts";
import { note, print, printJson, stateJson, stateText } from "./state-text.ts";

export function reportImport(
  lines: readonly ImportLine[],
  options: Pick<StateOptions, "isDryRun" | "isJson">,
): ExitCode {
  const counts = countKinds(lines);
  if (options.isJson) {
    printJson({
      dryRun: options.isDryRun,
      counts,
      keys: lines.map((line) => lineJson(line)),
    });
  } else {
    for (const line of lines) print(lineText(line));
    const summary = Object.entries(counts).map(([kind, count]) => `${kind} ${count}`);
    print(`${options.isDryRun ? "dry run, nothing was changed: " : ""}${summary.join(", ")}`);
  }
  if (counts.short > 0) note("the enclave did not raise every floor: do not sign with these keys");
  const isForeign = lines.length > 0 && counts.unknown === lines.length;
  if (isForeign) note("the enclave has none of the keys that were named");
  return counts.short > 0 || isForeign ? 1 : 0;
}

function countKinds(lines: readonly ImportLine[]): Readonly<Record<ImportKind, number>> {
  const counts = { created: 0, raised: 0, unchanged: 0, unknown: 0, short: 0 };
  for (const line of lines) counts[line.kind] += 1;
  return counts;
}

function lineText(line: ImportLine): string {
  const key = encodePrefixedHex(line.key);
  if (line.before === null || line.after === null) return `${key} unknown key`;
  return `${key} ${line.kind}: ${stateText(line.before)} -> ${stateText(line.after)}`;
}

function lineJson(line: ImportLine) {
  return {
    key: encodePrefixedHex(line.key),
    result: line.kind,
    before: line.before === null ? null : stateJson(line.before),
    after: line.after === null ? null : stateJson(line.after),
  };
}
