// A systemd unit as its sections and lines (systemd.syntax(7)), strictly: no line that is not
// understood, no section twice, no continuation lines, no key that systemd would silently ignore.

import assert from "node:assert/strict";

type Section = ReadonlyMap<string, readonly string[]>;
export type UnitFile = ReadonlyMap<string, Section>;

/** Keys that may be there more than once, each line adding to the others. */
const LISTED: ReadonlySet<string> = new Set(["SystemCallFilter"]);

export function readUnit(text: string): UnitFile {
  const unit = new Map<string, Map<string, readonly string[]>>();
  let section: Map<string, readonly string[]> | null = null;
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    assert.ok(!line.endsWith("\\"), `continued: ${line}`);
    const title = /^\[(\w+)\]$/.exec(line)?.[1];
    if (title !== undefined) {
      assert.ok(!unit.has(title), `section ${title} twice`);
      section = new Map();
      unit.set(title, section);
      continue;
    }
    const [, key = "", value = ""] = /^([A-Z][A-Za-z]+)=(.*)$/.exec(line) ?? [];
    assert.ok(section !== null && key !== "", `not understood: ${line}`);
    assert.equal(value, value.trim(), `space around the value: ${line}`);
    const values: readonly string[] = section.get(key) ?? [];
    assert.ok(values.length === 0 || LISTED.has(key), `${key} twice`);
    section.set(key, [...values, value]);
  }
  return unit;
}

/** Of a key that is there once. */
export function valueOf(unit: UnitFile, section: string, key: string): string | undefined {
  return unit.get(section)?.get(key)?.join("; ");
}
