// Our verifier against a second one that follows docs/audit.md and shares no code with it: the same
// verdict, at the same step, for every document. Where they differ, one of the three is wrong.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { describe, test } from "node:test";
import { verifyAttestation } from "../../../shared/attestation/verify.ts";
import { concatBytes } from "../../../shared/bytes/compare.ts";
import { NONCE, NOW_MS } from "../../fakes/attestation-fixture.ts";
import { changesOf, flipped } from "../../fakes/document-change.ts";
import { SUBJECTS } from "../../fakes/document-subject.ts";
import { signedDocuments } from "../../fakes/signed-document.ts";

const ORACLE = join(
  resolve(import.meta.dirname, "../../.."),
  "test/interop/attestation/verify.mjs",
);
const FLIP_COUNT = 160;
const SPLICE_COUNT = 60;

/** The step of docs/audit.md whose failure has the code; a test of that page keeps it so. */
const STEP_OF_CODE: Readonly<Record<string, string>> = {
  ATTEST_SIZE: "A1",
  ATTEST_COSE: "A2",
  ATTEST_ALGORITHM: "A3",
  ATTEST_PAYLOAD: "A4",
  ATTEST_CERTIFICATE: "A5",
  ATTEST_ROOT: "A6",
  ATTEST_CHAIN: "A7",
  ATTEST_CHAIN_EXPIRED: "A8",
  ATTEST_CHAIN_USAGE: "A9",
  ATTEST_SIGNATURE: "A10",
  ATTEST_DIGEST: "A11",
  ATTEST_DEBUG: "A12",
  ATTEST_NONCE: "A14",
  ATTEST_TIME: "A15",
};

type Question = {
  readonly what: string;
  readonly document: Uint8Array;
  readonly root: Uint8Array;
  readonly atMs: number;
  readonly nonce: Uint8Array | null;
  readonly allowDebug: boolean;
};

function ours({ document, root, atMs, nonce, allowDebug }: Question): string {
  const verified = verifyAttestation(document, {
    rootDer: root,
    atMs,
    pcrs: "any",
    nonce,
    allowDebug,
    ageMsMax: null,
    futureSkewMsMax: 60_000,
  });
  return verified.ok ? "OK" : (STEP_OF_CODE[verified.error.code] ?? verified.error.code);
}

function base64(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString("base64");
}

function theirs(questions: readonly Question[]): readonly string[] {
  const requests = questions.map(({ document, root, atMs, nonce, allowDebug }) => {
    return {
      document: base64(document),
      root: base64(root),
      atMs,
      nonce: base64(nonce),
      allowDebug,
    };
  });
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--no-warnings", ORACLE], {
    input: JSON.stringify(requests),
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  assert.equal(status, 0, stderr);
  const answers: unknown = JSON.parse(stdout);
  assert.ok(Array.isArray(answers) && answers.every((answer) => typeof answer === "string"));
  return answers;
}

/** Tells how often each step refused. */
function compare(questions: readonly Question[]): string {
  const answers = theirs(questions);
  const counts = new Map<string, number>();
  for (const [index, question] of questions.entries()) {
    const answer = answers[index] ?? "none";
    assert.equal(answer, ours(question), question.what);
    counts.set(answer, (counts.get(answer) ?? 0) + 1);
  }
  return [...counts].map(([step, count]) => `${step} ${count}`).join(", ");
}

describe("a second verifier, written from docs/audit.md", () => {
  test("agrees on documents whose signature holds", (context) => {
    const base = { atMs: NOW_MS, nonce: NONCE, allowDebug: false };
    const questions = signedDocuments().map(({ what, bytes, rootDer }) => {
      return { ...base, what, document: bytes, root: rootDer };
    });
    context.diagnostic(`${questions.length} documents: ${compare(questions)}`);
  });

  for (const { name, bytes, timestampMs, rootDer } of SUBJECTS) {
    const base = { root: rootDer, atMs: timestampMs, nonce: null, allowDebug: true };

    test(`agrees on every change of ${name}`, (context) => {
      const questions: Question[] = changesOf(bytes).map(({ what, bytes: document }) => {
        return { ...base, what, document };
      });
      const whole = { ...base, what: "as it is, judged in another way", document: bytes };
      questions.push({ ...whole, allowDebug: false });
      questions.push({ ...whole, nonce: Uint8Array.of(1) });
      questions.push({ ...whole, root: NONCE });
      for (const hours of [-24, -1, 2, 4, 24]) {
        questions.push({ ...whole, atMs: timestampMs + hours * 3_600_000 });
      }
      context.diagnostic(`${questions.length} documents: ${compare(questions)}`);
    });

    test(`agrees on flipped bits and spliced bytes of ${name}`, (context) => {
      const questions: Question[] = [];
      for (let flip = 0; flip < FLIP_COUNT; flip++) {
        const index = Math.floor((flip * (bytes.length - 1)) / (FLIP_COUNT - 1));
        const document = flipped(bytes, index, (flip * 3) % 8);
        questions.push({ ...base, what: `byte ${index} flipped`, document });
      }
      for (let splice = 0; splice < SPLICE_COUNT; splice++) {
        const index = (splice * 7919) % bytes.length;
        const [before, after] = [bytes.subarray(0, index), bytes.subarray(index)];
        const added = concatBytes(before, Uint8Array.of(splice & 255), after);
        const removed = concatBytes(before, after.subarray(1));
        questions.push({ ...base, what: `a byte more at ${index}`, document: added });
        questions.push({ ...base, what: `no byte ${index}`, document: removed });
      }
      context.diagnostic(`${questions.length} documents: ${compare(questions)}`);
    });
  }
});
