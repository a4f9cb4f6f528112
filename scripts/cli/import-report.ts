// What an import did to each key, for people and for programs. It must never end with 0 when a
// floor is below what was asked for.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { ExitCode } from "./command.ts";
import type { StateOptions } from "./state-options.ts";
import { note, print, printJson } from "./state-text.ts";

/** `short`: the enclave's answer is below what was asked for, or below what was there before. */
export type ImportKind = "raised" | "unchanged" | "created" | "unknown" | "short";

export type ImportLine<State> = {
  readonly key: Uint8Array;
  readonly kind: ImportKind;
  /** Null for unknown keys. */
  readonly before: State | null;
  readonly after: State | null;
};

/** How the records of a family of chains are shown. */
export type StateView<State> = {
  readonly text: (state: State) => string;
  readonly json: (state: State) => unknown;
};

export function reportImport<State>(
  lines: readonly ImportLine<State>[],
  options: Pick<StateOptions, "isDryRun" | "isJson">,
  view: StateView<State>,
): ExitCode {
  const counts = countKinds(lines);
  if (options.isJson) {
    printJson({
      dryRun: options.isDryRun,
      counts,
      keys: lines.map((line) => lineJson(line, view)),
    });
  } else {
    for (const line of lines) print(lineText(line, view));
    const summary = Object.entries(counts).map(([kind, count]) => `${kind} ${count}`);
    print(`${options.isDryRun ? "dry run, nothing was changed: " : ""}${summary.join(", ")}`);
  }
  if (counts.short > 0) note("the enclave did not raise every floor: do not sign with these keys");
  const isForeign = lines.length > 0 && counts.unknown === lines.length;
  if (isForeign) note("the enclave has none of the keys that were named");
  return counts.short > 0 || isForeign ? 1 : 0;
}

function countKinds(lines: readonly ImportLine<unknown>[]): Readonly<Record<ImportKind, number>> {
  const counts = { created: 0, raised: 0, unchanged: 0, unknown: 0, short: 0 };
  for (const line of lines) counts[line.kind] += 1;
  return counts;
}

function lineText<State>({ key, kind, before, after }: ImportLine<State>, view: StateView<State>) {
  const name = encodePrefixedHex(key);
  if (before === null || after === null) return `${name} unknown key`;
  return `${name} ${kind}: ${view.text(before)} -> ${view.text(after)}`;
}

function lineJson<State>({ key, kind, before, after }: ImportLine<State>, view: StateView<State>) {
  return {
    key: encodePrefixedHex(key),
    result: kind,
    before: before === null ? null : view.json(before),
    after: after === null ? null : view.json(after),
  };
}
