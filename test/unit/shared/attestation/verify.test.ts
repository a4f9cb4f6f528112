import assert from "node:assert/strict";
import { createPublicKey, verify, X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import { encodePayload, signDocument } from "../../../../scripts/local/nsm-document.ts";
import { generateP384Key } from "../../../../scripts/local/nsm-pki.ts";
import { sampleMeasurements } from "../../../../scripts/local/nsm-simulator.ts";
import { AWS_NITRO_ROOT_G1 } from "../../../../shared/attestation/aws-root.ts";
import { encodeSignatureInput, parseDocument } from "../../../../shared/attestation/document.ts";
import {
  type AttestationPolicy,
  reportAttestation,
  verifyAttestation,
} from "../../../../shared/attestation/verify.ts";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import {
  DAY_MS,
  directChain,
  documentOf,
  FIELDS,
  NONCE,
  NOW_MS,
  POLICY,
  pcrsOf,
  readAttestationVectors,
  shortChain,
  shortDocument,
} from "../../../fakes/attestation-fixture.ts";

const WHOLE = documentOf();
const PCRS = sampleMeasurements("test");
const OTHER = new Uint8Array(48).fill(1);

function codeOf(bytes: Uint8Array, changes: Partial<AttestationPolicy> = {}): string {
  const verified = verifyAttestation(bytes, { ...POLICY, ...changes });
  return verified.ok ? "OK" : verified.error.code;
}

/** Codes of all checks that fail, in order. */
function failuresOf(bytes: Uint8Array, changes: Partial<AttestationPolicy> = {}) {
  const report = reportAttestation(bytes, { ...POLICY, ...changes });
  const codes = report.checks.filter((check) => !check.ok).map((check) => check.code);
  assert.equal(report.verified === null, codes.length > 0);
  assert.ok(report.checks.every((check) => check.ok === (check.code === null)));
  return codes;
}

function flipped(bytes: Uint8Array, index: number, bit: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[index] = (changed[index] ?? 0) ^ (1 << bit);
  return changed;
}

function zeroed(...indices: readonly number[]): ReadonlyMap<number, Uint8Array> {
  const pcrs = new Map(pcrsOf(PCRS));
  for (const index of indices) pcrs.set(index, new Uint8Array(48));
  return pcrs;
}

function without(index: number): ReadonlyMap<number, Uint8Array> {
  return new Map([...pcrsOf(PCRS)].filter(([key]) => key !== index));
}

describe("verifyAttestation", () => {
  test("accepts a whole document of either layout, with and without the tag", () => {
    assert.equal(codeOf(WHOLE), "OK");
    assert.equal(codeOf(documentOf({}, "definite")), "OK");
    assert.equal(codeOf(concatBytes(Uint8Array.of(0xd2), WHOLE)), "OK");
    assert.deepEqual(failuresOf(WHOLE), []);
    const verified = verifyAttestation(WHOLE, POLICY);
    assert.ok(verified.ok);
    assert.equal(verified.value.moduleId, FIELDS.moduleId);
  });

  test("accepts a document that node:crypto accepts too", () => {
    const parsed = parseDocument(WHOLE);
    assert.ok(parsed.ok);
    const key = createPublicKey(
      new X509Certificate(parsed.value.certificate).publicKey.export({
        type: "spki",
        format: "pem",
      }),
    );
    const input = encodeSignatureInput(parsed.value.payload);
    assert.ok(verify("sha384", input, { key, dsaEncoding: "ieee-p1363" }, parsed.value.signature));
  });

  const otherNonce = NONCE.toReversed().fill(1, 0, 1);
  const rows: readonly (readonly [string, Uint8Array, Partial<AttestationPolicy>, string])[] = [
    ["no bytes", new Uint8Array(), {}, "ATTEST_SIZE"],
    ["a truncated document", WHOLE.subarray(0, -1), {}, "ATTEST_COSE"],
    ["a padded document", concatBytes(WHOLE, Uint8Array.of(0)), {}, "ATTEST_COSE"],
    ["another root", WHOLE, { rootDer: AWS_NITRO_ROOT_G1 }, "ATTEST_ROOT"],
    [
      "a missing intermediate",
      documentOf({ cabundle: FIELDS.cabundle.slice(0, 3) }),
      {},
      "ATTEST_CHAIN",
    ],
    [
      "a bundle in reverse",
      documentOf({ cabundle: FIELDS.cabundle.toReversed() }),
      {},
      "ATTEST_ROOT",
    ],
    [
      "a certificate of zeros",
      documentOf({ certificate: new Uint8Array(64) }),
      {},
      "ATTEST_CERTIFICATE",
    ],
    ["one day later", WHOLE, { atMs: NOW_MS + DAY_MS }, "ATTEST_CHAIN_EXPIRED"],
    ["one day earlier", WHOLE, { atMs: NOW_MS - DAY_MS }, "ATTEST_CHAIN_EXPIRED"],
    [
      "another signing key",
      signDocument(encodePayload(FIELDS), generateP384Key()),
      {},
      "ATTEST_SIGNATURE",
    ],
    ["another digest", documentOf({ digest: "SHA256" }), {}, "ATTEST_DIGEST"],
    ["debug mode", documentOf({ pcrs: zeroed(0, 1, 2) }), {}, "ATTEST_DEBUG"],
    ["a zero PCR0 alone", documentOf({ pcrs: zeroed(0) }), {}, "ATTEST_DEBUG"],
    ["a zero PCR2 alone", documentOf({ pcrs: zeroed(2) }), {}, "ATTEST_DEBUG"],
    ["no PCR1", documentOf({ pcrs: without(1) }), {}, "ATTEST_DEBUG"],
    ["another PCR0", WHOLE, { pcrs: new Map([[0, OTHER]]) }, "ATTEST_PCR"],
    ["a PCR of another length", WHOLE, { pcrs: new Map([[0, OTHER.subarray(1)]]) }, "ATTEST_PCR"],
    ["an expected PCR that is not locked", WHOLE, { pcrs: new Map([[16, OTHER]]) }, "ATTEST_PCR"],
    ["an empty map of PCRs", WHOLE, { pcrs: new Map() }, "ATTEST_PCR"],
    ["another nonce", WHOLE, { nonce: otherNonce }, "ATTEST_NONCE"],
    ["a shorter nonce", WHOLE, { nonce: NONCE.subarray(1) }, "ATTEST_NONCE"],
    ["no nonce", documentOf({ nonce: null }), {}, "ATTEST_NONCE"],
    ["a document that is too old", WHOLE, { atMs: NOW_MS + 60_001 }, "ATTEST_TIME"],
    ["a document of the future", documentOf({ timestampMs: NOW_MS + 1001 }), {}, "ATTEST_TIME"],
  ];
  for (const [name, bytes, changes, code] of rows) {
    test(`answers ${code} to ${name}`, () => {
      assert.equal(codeOf(bytes, changes), code);
      assert.equal(failuresOf(bytes, changes)[0], code);
    });
  }

  const accepted: readonly (readonly [string, Uint8Array, Partial<AttestationPolicy>])[] = [
    ["the expected PCRs", WHOLE, { pcrs: PCRS }],
    ["an expected zero PCR", WHOLE, { pcrs: new Map([[5, new Uint8Array(48)]]) }],
    ["debug mode when it is allowed", documentOf({ pcrs: zeroed(0, 1, 2) }), { allowDebug: true }],
    ["the oldest age", WHOLE, { atMs: NOW_MS + 60_000 }],
    ["the furthest future", documentOf({ timestampMs: NOW_MS + 1000 }), {}],
    ["any age within the certificates", WHOLE, { atMs: NOW_MS + 3_600_000, ageMsMax: null }],
    ["a nonce that nobody compares", WHOLE, { nonce: null }],
  ];
  for (const [name, bytes, changes] of accepted) {
    test(`accepts ${name}`, () => assert.equal(codeOf(bytes, changes), "OK"));
  }

  test("refuses a leaf that is an authority, and an authority below path length 0", () => {
    const chain = shortChain({ root: { notAfterMs: NOW_MS + DAY_MS } });
    assert.equal(codeOf(shortDocument(chain), { rootDer: chain.rootDer }), "OK");
    const [root = OTHER, middle = OTHER] = chain.cabundle;
    const asLeaf = { ...chain, cabundle: [root], certificate: middle };
    const bytes = shortDocument(asLeaf);
    assert.equal(codeOf(bytes, { rootDer: chain.rootDer }), "ATTEST_CHAIN_USAGE");
  });

  test("judges a document at its own time only when told so", () => {
    const changes = { atMs: "document-time", ageMsMax: 0 } as const;
    assert.equal(codeOf(WHOLE, changes), "OK");
    const late = documentOf({ timestampMs: NOW_MS + DAY_MS });
    assert.equal(codeOf(late, changes), "ATTEST_CHAIN_EXPIRED");
  });

  test("never verifies with any one byte of the document changed", () => {
    // The shortest chain there can be, root and leaf, keeps this fast.
    const chain = directChain();
    const [root = OTHER] = chain.cabundle;
    const policy = { rootDer: root, pcrs: "any", nonce: null } as const;
    const bytes = shortDocument(chain, { pcrs: PCRS, nonce: null });
    assert.equal(codeOf(bytes, policy), "OK");
    for (let index = 0; index < bytes.length; index++) {
      const code = codeOf(flipped(bytes, index, index % 8), policy);
      assert.notEqual(code, "OK", `byte ${index}`);
    }
  });

  test("never verifies with any one byte missing at its end or its beginning", () => {
    for (let length = 0; length < WHOLE.length; length++) {
      assert.notEqual(codeOf(WHOLE.subarray(0, length)), "OK");
    }
    for (let start = 1; start < 64; start++) assert.notEqual(codeOf(WHOLE.subarray(start)), "OK");
  });

  test("takes a time that is no time for a bug of its caller", () => {
    for (const atMs of [Number.NaN, -1, 0.5]) {
      assert.throws(() => codeOf(WHOLE, { atMs }), InvariantError);
    }
  });
});

describe("reportAttestation", () => {
  test("names every check once, and tells all that fail", () => {
    const bytes = signDocument(
      encodePayload({ ...FIELDS, digest: "SHA512", pcrs: zeroed(0, 1, 2) }),
      generateP384Key(),
    );
    const changes: Partial<AttestationPolicy> = {
      rootDer: AWS_NITRO_ROOT_G1,
      atMs: NOW_MS + DAY_MS,
      pcrs: new Map([
        [0, OTHER],
        [3, new Uint8Array(48)],
        [16, OTHER],
      ]),
      nonce: OTHER,
    };
    assert.deepEqual(failuresOf(bytes, changes), [
      "ATTEST_ROOT",
      "ATTEST_CHAIN_EXPIRED",
      "ATTEST_SIGNATURE",
      "ATTEST_DIGEST",
      "ATTEST_DEBUG",
      "ATTEST_PCR",
      "ATTEST_PCR",
      "ATTEST_NONCE",
      "ATTEST_TIME",
    ]);
    const report = reportAttestation(bytes, { ...POLICY, ...changes });
    const names = report.checks.map((check) => check.name);
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(names.slice(0, 5), [
      "size",
      "envelope",
      "algorithm",
      "payload",
      "certificates",
    ]);
    assert.ok(names.includes("pcr16"));
  });

  test("stops where nothing more can be read", () => {
    assert.deepEqual(failuresOf(new Uint8Array()), ["ATTEST_SIZE"]);
    assert.deepEqual(failuresOf(Uint8Array.of(0)), ["ATTEST_COSE"]);
    const report = reportAttestation(Uint8Array.of(0), POLICY);
    assert.equal(report.document, null);
    assert.deepEqual(
      report.checks.map((check) => check.name),
      ["size", "envelope"],
    );
  });

  test("goes on after a certificate that can't be read, with what does not depend on it", () => {
    const bytes = documentOf({ certificate: new Uint8Array(8), pcrs: zeroed(0, 1, 2) });
    assert.deepEqual(failuresOf(bytes), ["ATTEST_CERTIFICATE", "ATTEST_DEBUG"]);
  });
});

const VECTORS = readAttestationVectors();

describe(`real documents (${VECTORS.length} found)`, () => {
  const policy = { rootDer: AWS_NITRO_ROOT_G1, nonce: null, ageMsMax: null } as const;
  for (const { name, bytes } of VECTORS) {
    test(`${name} verifies at its own time only`, () => {
      const parsed = parseDocument(bytes);
      assert.ok(parsed.ok);
      const { timestampMs, pcrs } = parsed.value;
      const isDebug = (pcrs.get(0) ?? OTHER).every((byte) => byte === 0);
      assert.equal(isDebug, name.startsWith("automata"));
      const own = { ...policy, allowDebug: isDebug, atMs: timestampMs };
      assert.equal(codeOf(bytes, own), "OK");
      assert.equal(codeOf(bytes, { ...own, atMs: "document-time" }), "OK");
      assert.equal(codeOf(bytes, { ...own, allowDebug: false }), isDebug ? "ATTEST_DEBUG" : "OK");
      for (const atMs of [timestampMs - DAY_MS, timestampMs + DAY_MS]) {
        assert.equal(codeOf(bytes, { ...own, atMs }), "ATTEST_CHAIN_EXPIRED");
      }
      assert.equal(codeOf(bytes, { ...own, rootDer: POLICY.rootDer }), "ATTEST_ROOT");
      assert.equal(codeOf(bytes, { ...own, nonce: OTHER }), "ATTEST_NONCE");
      for (let index = 0; index < bytes.length; index += 41) {
        assert.notEqual(codeOf(flipped(bytes, index, index % 8), own), "OK", `byte ${index}`);
      }
    });
  }
});
