// What `redoubt audit verify` says of files with these lines, as a script reads it.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { runAudit } from "../../scripts/cli/audit.ts";
import type { LogHead, LogReceipt } from "../../scripts/cli/audit-log.ts";
import type { Outcome } from "../../scripts/cli/command.ts";
import { logOf } from "./receipt-history.ts";

export type Report = {
  readonly ok: boolean;
  readonly byCode: Readonly<Record<string, number>>;
  readonly receipts: number;
  readonly unheaded: number;
  /** The first findings. */
  readonly first: readonly { readonly code: string; readonly seq: number }[];
};

const folder = mkdtempSync(join(tmpdir(), "redoubt-audit-"));
after(() => rmSync(folder, { recursive: true }));

/** Of files with these texts. */
export function verify(texts: readonly string[], ...options: readonly string[]): Promise<Outcome> {
  const files = texts.map((text, index) => {
    const path = join(folder, `${index}.jsonl`);
    writeFileSync(path, text);
    return path;
  });
  return runAudit(["verify", "--json", ...options, ...files]);
}

export async function reportOf(
  texts: readonly string[],
  ...options: readonly string[]
): Promise<Report> {
  const outcome = await verify(texts, ...options);
  const report = JSON.parse(outcome.stdout) as Report; // oxlint-disable-line typescript/no-unsafe-type-assertion -- the shape that the assertions check
  assert.equal(outcome.exitCode, report.ok ? 0 : 1);
  return report;
}

/** The codes of what is found in one whole file, in their order. */
export async function codesOf(
  heads: readonly LogHead[],
  lines: readonly LogReceipt[],
): Promise<readonly string[]> {
  return Object.keys((await reportOf([logOf(heads, lines)])).byCode).toSorted();
}
