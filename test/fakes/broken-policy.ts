// Ways to break the policy that `redoubt policy` writes, and the table that says what a lint must
// name then: codes, in the statement that was changed unless the row says another one.

import assert from "node:assert/strict";
import { it } from "node:test";
import type { FindingCode } from "../../scripts/policy/finding.ts";
import { lintKeyPolicy } from "../../scripts/policy/lint.ts";
import { type Draft, draftOf, PURPOSE_KEY, STRANGER, textOfDraft } from "./key-policy.ts";

export const ENCLAVE = "TheMeasuredEnclave";
export const CONTEXT = { StringEquals: { [PURPOSE_KEY]: "redoubt/keys" } };

export type Break = (draft: Map<string, Draft>) => void;
/** `CODE` or `CODE@SID`, with spaces between; a code as often as it is to be found. */
export type Row = readonly [what: string, expected: string, change: Break];

/** Findings about the policy as a whole. */
const OF_POLICY: readonly FindingCode[] = [
  "DECRYPT_NOT_DENIED",
  "GRANT_NOT_DENIED",
  "NOBODY_DECRYPTS",
  "PCR_LISTS_DIFFER",
  "POLICY_NOT_UNDERSTOOD",
  "REENCRYPT_NOT_DENIED",
  "VERSION_MISSING",
];

/** Changes fields of one statement; undefined takes a field away. */
export function change(sid: string, fields: Draft): Break {
  return (draft) => {
    const whole: Draft = { ...draft.get(sid), ...fields };
    const kept = Object.entries(whole).filter(([, value]) => value !== undefined);
    draft.set(sid, Object.fromEntries(kept));
  };
}

/** One more statement, by default an Allow for a role that has nothing yet. */
export function add(statement: Draft): Break {
  return (draft) => {
    draft.set("Added", { Sid: "Added", Effect: "Allow", Principal: { AWS: STRANGER } });
    change("Added", { Resource: "*", ...statement })(draft);
  };
}

export function remove(sid: string): Break {
  return (draft) => draft.delete(sid);
}

export function both(one: Break, other: Break): Break {
  return (draft) => {
    one(draft);
    other(draft);
  };
}

/** `CODE@STATEMENT`, sorted; the policy as a whole is `policy`. */
export function findingsOf(text: string): readonly string[] {
  return lintKeyPolicy(new TextEncoder().encode(text))
    .map(({ code, statement }) => `${code}@${statement ?? "policy"}`)
    .sort();
}

/** Rows pin PCR0 without PCR1 and PCR2, which is a finding of its own, but where it is theirs. */
function isAboutRow(expected: string) {
  const code: FindingCode = "IMAGE_PARTS_UNPINNED";
  return (found: string) => expected.includes(code) || !found.startsWith(code);
}

/** A test for each row; `statement` is where its findings are. */
export function testRows(rows: readonly Row[], statement: string): void {
  for (const [what, expected, breakIt] of rows) {
    it(`names exactly what is wrong with ${what}`, () => {
      const draft = draftOf();
      breakIt(draft);
      const names = expected.split(" ").filter((name) => name !== "");
      const whole = names.map((name) => {
        if (name.includes("@")) return name;
        const isOfPolicy = OF_POLICY.some((code) => code === name);
        return `${name}@${isOfPolicy ? "policy" : statement}`;
      });
      assert.deepEqual(findingsOf(textOfDraft(draft)).filter(isAboutRow(expected)), whole.sort());
    });
  }
}
