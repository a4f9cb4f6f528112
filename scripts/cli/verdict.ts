// What `redoubt verify` found, as text for people and as JSON for programs. It must never leave out
// a check that failed or was not made, nor show what a document says as if it were true.

import type { Check } from "../../shared/attestation/check.ts";
import type { AttestationDocument } from "../../shared/attestation/document.ts";
import type { Statement } from "../../shared/attestation/statement.ts";
import { isZeroBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { encodeUtc } from "../../shared/bytes/utc.ts";

/** Something that could be compared, and was not, since there was nothing to compare it with. */
export type Omission = {
  readonly name: "statement" | "image" | "image-parts" | "manifest" | "keys" | "nonce";
  readonly why: string;
};

export type Verdict = {
  readonly isOk: boolean;
  readonly checks: readonly Check[];
  readonly notChecked: readonly Omission[];
  readonly document: AttestationDocument | null;
  readonly statement: Statement | null;
  readonly notes: readonly string[];
};

export function textOf(verdict: Verdict): string {
  const named = [...verdict.checks, ...verdict.notChecked];
  const width = Math.max(...named.map(({ name }) => name.length));
  const lines = verdict.checks.map((check) => {
    const mark = check.code === null ? "ok  " : "FAIL";
    const code = check.code === null ? "" : ` (${check.code})`;
    const name = check.name.padEnd(width);
    return `${mark}  ${name}  expected: ${check.expected}; actual: ${check.actual}${code}`;
  });
  for (const { name, why } of verdict.notChecked) {
    lines.push(`----  ${name.padEnd(width)}  not checked: ${why}`);
  }
  for (const [name, value] of factsOf(verdict)) lines.push(`      ${name}: ${value}`);
  lines.push(...verdict.notes.map((note) => `note: ${note}`));
  lines.push(verdict.isOk ? "verified" : "NOT VERIFIED");
  return `${lines.join("\n")}\n`;
}

export function jsonOf(verdict: Verdict): string {
  const { isOk, checks, notChecked, notes } = verdict;
  return JSON.stringify({ ok: isOk, checks, notChecked, notes, ...summaryOf(verdict) });
}

/** What the document says. Without "verified" none of it may be believed. */
function factsOf(verdict: Verdict): readonly (readonly [string, string])[] {
  const { document, statement } = verdict;
  if (document === null) return [];
  const facts: [string, string][] = [
    ["module", document.moduleId],
    ["time", encodeUtc(document.timestampMs)],
  ];
  for (const [index, pcr] of document.pcrs) {
    if (!isZeroBytes(pcr)) facts.push([`PCR${index}`, encodeHex(pcr)]);
  }
  if (statement === null) return facts;
  return [
    ...facts,
    ["software", statement.software],
    ["boot id", encodeHex(statement.bootId)],
    ["manifest SHA-384", encodeHex(statement.manifest)],
    ["keys", `${statement.keyCount}, SHA-384 ${encodeHex(statement.keySet)}`],
  ];
}

/** The same for programs. */
function summaryOf(verdict: Verdict): Readonly<Record<string, unknown>> {
  const { document, statement } = verdict;
  if (document === null) return {};
  const shown = {
    moduleId: document.moduleId,
    timestamp: encodeUtc(document.timestampMs),
    nonce: optional(document.nonce),
    publicKey: optional(document.publicKey),
    userData: optional(document.userData),
    pcrs: Object.fromEntries([...document.pcrs].map(([index, pcr]) => [index, encodeHex(pcr)])),
  };
  if (statement === null) return { document: shown };
  return {
    document: shown,
    statement: {
      software: statement.software,
      bootId: encodeHex(statement.bootId),
      manifest: encodeHex(statement.manifest),
      keySet: encodeHex(statement.keySet),
      keyCount: statement.keyCount,
    },
  };
}

function optional(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : encodeHex(bytes);
}
