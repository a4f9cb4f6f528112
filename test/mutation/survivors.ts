// The list of mutants that no test notices, each with a reason (survivors.txt): lines
// `module | name`, one or more, then the reason that holds for all of them, indented. Lines that
// start with `#` are comments.

import { readFileSync } from "node:fs";
import { join } from "node:path";

export type Survivor = { readonly module: string; readonly name: string; readonly reason: string };

const SEPARATOR = " | ";

export function readSurvivors(): readonly Survivor[] {
  return parseSurvivors(readFileSync(join(import.meta.dirname, "survivors.txt"), "utf8"));
}

/** Throws for a survivor without a reason, one that stands twice, and a line that is neither. */
export function parseSurvivors(text: string): readonly Survivor[] {
  const survivors: Survivor[] = [];
  const seen = new Set<string>();
  let named: string[] = [];
  let reason: string[] = [];
  const close = (): void => {
    if (named.length > 0 && reason.length === 0) throw new Error(`${named[0]} has no reason`);
    for (const line of named) {
      const at = line.indexOf(SEPARATOR);
      if (at <= 0) throw new Error(`neither a survivor nor a reason: ${line}`);
      if (seen.has(line)) throw new Error(`twice: ${line}`);
      seen.add(line);
      const name = line.slice(at + SEPARATOR.length);
      survivors.push({ module: line.slice(0, at), name, reason: reason.join(" ") });
    }
    named = [];
    reason = [];
  };
  for (const line of text.split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    if (line.startsWith(" ")) reason.push(line.trim());
    else {
      if (reason.length > 0) close();
      named.push(line);
    }
  }
  if (reason.length > 0 && named.length === 0) throw new Error("a reason for nothing");
  close();
  return survivors;
}
