import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import type { DocumentFields } from "../../../../scripts/local/nsm-document.ts";
import { parseDocument } from "../../../../shared/attestation/document.ts";
import { type Evidence, reportEvidence } from "../../../../shared/attestation/evidence.ts";
import { MANIFEST_PCR_INDEX, manifestPcr } from "../../../../shared/attestation/pcr.ts";
import { encodeStatement, keySetDigest } from "../../../../shared/attestation/statement.ts";
import { documentOf, FIELDS } from "../../../fakes/attestation-fixture.ts";

const MANIFEST = new TextEncoder().encode("manifest");
const DIGEST = new Uint8Array(createHash("sha384").update(MANIFEST).digest());
const KEYS = [1, 2].map(
  (first) => ({ scheme: "bls12381-pop", publicKey: new Uint8Array(48).fill(first) }) as const,
);
const USER_DATA = encodeStatement({
  bootId: new Uint8Array(16),
  keySet: keySetDigest(KEYS),
  keyCount: 2,
  manifest: DIGEST,
  software: "redoubt test",
});
const PCRS = new Map([...FIELDS.pcrs, [MANIFEST_PCR_INDEX, manifestPcr(DIGEST)] as const]);

function failuresOf(fields: Partial<DocumentFields>, evidence: Partial<Evidence> = {}) {
  const parsed = parseDocument(documentOf({ userData: USER_DATA, pcrs: PCRS, ...fields }));
  assert.ok(parsed.ok);
  const report = reportEvidence(parsed.value, { manifest: MANIFEST, keys: KEYS, ...evidence });
  return report.checks.filter((check) => !check.ok).map((check) => [check.name, check.code]);
}

describe("reportEvidence", () => {
  test("finds nothing wrong with the manifest and the keys of the document", () => {
    assert.deepEqual(failuresOf({}), []);
    assert.deepEqual(failuresOf({}, { manifest: null, keys: null }), []);
    assert.deepEqual(failuresOf({}, { keys: KEYS.toReversed() }), []);
  });

  test("PCR16 is SHA384(48 zeros || SHA384(manifest))", () => {
    const expected = createHash("sha384").update(new Uint8Array(48)).update(DIGEST).digest();
    assert.deepEqual(manifestPcr(DIGEST), new Uint8Array(expected));
  });

  const wrong: readonly (readonly [
    string,
    Partial<DocumentFields>,
    Partial<Evidence>,
    string,
    string,
  ])[] = [
    ["another manifest", {}, { manifest: new Uint8Array() }, "manifest", "ATTEST_USER_DATA"],
    ["a key less", {}, { keys: KEYS.slice(1) }, "keys", "ATTEST_USER_DATA"],
    ["a key twice", {}, { keys: [...KEYS, ...KEYS] }, "keys", "ATTEST_USER_DATA"],
    ["no user data", { userData: null }, {}, "statement", "ATTEST_USER_DATA"],
    ["other user data", { userData: new Uint8Array(3) }, {}, "statement", "ATTEST_USER_DATA"],
    ["no PCR16", { pcrs: FIELDS.pcrs }, {}, "manifest-pcr", "ATTEST_PCR"],
    [
      "a PCR16 of something else",
      { pcrs: new Map([...FIELDS.pcrs, [MANIFEST_PCR_INDEX, new Uint8Array(48)]]) },
      {},
      "manifest-pcr",
      "ATTEST_PCR",
    ],
    [
      "a PCR16 that is the bare digest",
      { pcrs: new Map([...FIELDS.pcrs, [MANIFEST_PCR_INDEX, DIGEST]]) },
      {},
      "manifest-pcr",
      "ATTEST_PCR",
    ],
  ];
  for (const [name, fields, evidence, check, code] of wrong) {
    test(`finds ${name}`, () => assert.deepEqual(failuresOf(fields, evidence), [[check, code]]));
  }
});
