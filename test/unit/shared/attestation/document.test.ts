import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeRawMap, encodeWide } from "../../../../scripts/local/nsm-document.ts";
import {
  encodeSignatureInput,
  PROTECTED_HEADER,
  parseDocument,
} from "../../../../shared/attestation/document.ts";
import { type CborValue, encodeCbor } from "../../../../shared/bytes/cbor.ts";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import { UTC_MS_MAX } from "../../../../shared/bytes/utc.ts";
import { ATTESTATION_BYTES_MAX } from "../../../../shared/limits.ts";
import { documentOf, FIELDS } from "../../../fakes/attestation-fixture.ts";

const SIGNATURE = new Uint8Array(96);
const PCR = new Uint8Array(48);

type Entries = Record<string, CborValue>;

const ENTRIES: Entries = {
  module_id: FIELDS.moduleId,
  digest: "SHA384",
  timestamp: FIELDS.timestampMs,
  pcrs: new Map([[0, PCR]]),
  certificate: FIELDS.certificate,
  cabundle: FIELDS.cabundle,
  public_key: null,
  user_data: null,
  nonce: null,
};

function payloadOf(entries: Readonly<Entries>): Uint8Array {
  return encodeCbor(new Map<CborValue, CborValue>(Object.entries(entries)));
}

function envelopeOf(payload: Uint8Array): Uint8Array {
  return encodeCbor([PROTECTED_HEADER, new Map(), payload, SIGNATURE]);
}

function codeOf(bytes: Uint8Array): string {
  const parsed = parseDocument(bytes);
  return parsed.ok ? "OK" : parsed.error.code;
}

describe("parseDocument", () => {
  test("reads every field, of definite and indefinite maps, tagged and untagged", () => {
    for (const layout of ["definite", "indefinite"] as const) {
      const bytes = documentOf({ publicKey: Uint8Array.of(1), userData: new Uint8Array() }, layout);
      for (const form of [bytes, concatBytes(Uint8Array.of(0xd2), bytes)]) {
        const parsed = parseDocument(form);
        assert.ok(parsed.ok);
        const { payload, signature, ...fields } = parsed.value;
        assert.equal(fields.moduleId, FIELDS.moduleId);
        assert.equal(fields.timestampMs, FIELDS.timestampMs);
        assert.deepEqual([...fields.pcrs.keys()], [...FIELDS.pcrs.keys()]);
        assert.deepEqual(fields.publicKey, Uint8Array.of(1));
        assert.equal(fields.userData?.length, 0);
        assert.deepEqual(fields.nonce, FIELDS.nonce);
        assert.equal(fields.cabundle.length, 4);
        assert.equal(signature.length, 96);
        assert.equal(payload[0], layout === "definite" ? 0xa9 : 0xbf);
      }
    }
  });

  test("takes optional fields that are absent for null, as the specification lets them be", () => {
    const { public_key: _, user_data: __, nonce: ___, ...required } = ENTRIES;
    const parsed = parseDocument(envelopeOf(payloadOf(required)));
    assert.ok(parsed.ok);
    assert.equal(parsed.value.publicKey, null);
    assert.equal(parsed.value.nonce, null);
  });

  test("refuses sizes of 0 and above the limit before it reads", () => {
    assert.equal(codeOf(new Uint8Array()), "ATTEST_SIZE");
    assert.equal(codeOf(new Uint8Array(ATTESTATION_BYTES_MAX + 1)), "ATTEST_SIZE");
    assert.equal(codeOf(new Uint8Array(ATTESTATION_BYTES_MAX)), "ATTEST_COSE");
  });

  const payload = payloadOf(ENTRIES);
  const envelopes: readonly (readonly [string, Uint8Array, string])[] = [
    ["another tag", concatBytes(Uint8Array.of(0xd1), envelopeOf(payload)), "ATTEST_COSE"],
    ["the tag twice", concatBytes(Uint8Array.of(0xd2, 0xd2), envelopeOf(payload)), "ATTEST_COSE"],
    ["a trailing byte", concatBytes(envelopeOf(payload), Uint8Array.of(0)), "ATTEST_COSE"],
    ["a missing byte", envelopeOf(payload).subarray(0, -1), "ATTEST_COSE"],
    ["three items", encodeCbor([PROTECTED_HEADER, new Map(), payload]), "ATTEST_COSE"],
    [
      "five items",
      encodeCbor([PROTECTED_HEADER, new Map(), payload, SIGNATURE, null]),
      "ATTEST_COSE",
    ],
    [
      "an unprotected header that is not empty",
      encodeCbor([PROTECTED_HEADER, new Map([[1, -35]]), payload, SIGNATURE]),
      "ATTEST_COSE",
    ],
    [
      "a signature of 95 bytes",
      encodeCbor([PROTECTED_HEADER, new Map(), payload, new Uint8Array(95)]),
      "ATTEST_COSE",
    ],
    [
      "a detached payload",
      encodeCbor([PROTECTED_HEADER, new Map(), null, SIGNATURE]),
      "ATTEST_COSE",
    ],
    [
      "ES256",
      encodeCbor([Uint8Array.of(0xa1, 1, 0x26), new Map(), payload, SIGNATURE]),
      "ATTEST_ALGORITHM",
    ],
    [
      "ES384 in a longer encoding",
      encodeCbor([Uint8Array.of(0xa1, 1, 0x39, 0, 0x22), new Map(), payload, SIGNATURE]),
      "ATTEST_ALGORITHM",
    ],
    [
      "a second protected parameter",
      encodeCbor([Uint8Array.of(0xa2, 1, 0x38, 0x22, 4, 0), new Map(), payload, SIGNATURE]),
      "ATTEST_ALGORITHM",
    ],
    [
      "no protected parameter",
      encodeCbor([new Uint8Array(), new Map(), payload, SIGNATURE]),
      "ATTEST_ALGORITHM",
    ],
  ];
  for (const [name, bytes, code] of envelopes) {
    test(`refuses ${name}`, () => assert.equal(codeOf(bytes), code));
  }

  test("accepts an unprotected header that is an empty map of indefinite length", () => {
    const parts = [PROTECTED_HEADER, payload, SIGNATURE].map((part) => encodeCbor(part));
    const [head = PCR, body = PCR, tail = PCR] = parts;
    const bytes = concatBytes(Uint8Array.of(0x84), head, Uint8Array.of(0xbf, 0xff), body, tail);
    assert.equal(codeOf(bytes), "OK");
  });

  const large = new Uint8Array(1025);
  const changes: readonly (readonly [string, Partial<Entries>])[] = [
    ["an unknown key", { extra: null }],
    ["a module id that is no text", { module_id: 1 }],
    ["an empty module id", { module_id: "" }],
    ["a module id of 129 characters", { module_id: "i".repeat(129) }],
    ["a module id with a control character", { module_id: "i-\u001b[2J" }],
    ["a digest that is no text", { digest: null }],
    ["a digest of 17 characters", { digest: "S".repeat(17) }],
    ["a negative time", { timestamp: -1 }],
    ["a time as text", { timestamp: "1" }],
    ["a time after the year 9999", { timestamp: UTC_MS_MAX + 1 }],
    ["a time of 64 bits", { timestamp: 2n ** 64n - 1n }],
    ["no PCR", { pcrs: new Map() }],
    ["PCRs in an array", { pcrs: [PCR] }],
    ["PCR 32", { pcrs: new Map([[32, PCR]]) }],
    ["PCR -1", { pcrs: new Map([[-1, PCR]]) }],
    ["a PCR index as text", { pcrs: new Map([["0", PCR]]) }],
    ["a PCR of 47 bytes", { pcrs: new Map([[0, PCR.subarray(1)]]) }],
    ["a PCR of 49 bytes", { pcrs: new Map([[0, new Uint8Array(49)]]) }],
    ["an empty certificate", { certificate: new Uint8Array() }],
    ["a certificate of 1025 bytes", { certificate: large }],
    ["an empty bundle", { cabundle: [] }],
    ["a bundle of 9", { cabundle: Array.from({ length: 9 }, () => PCR) }],
    ["an empty certificate in the bundle", { cabundle: [new Uint8Array()] }],
    ["a bundle with text", { cabundle: ["x"] }],
    ["a public key of 0 bytes", { public_key: new Uint8Array() }],
    ["a public key of 1025 bytes", { public_key: large }],
    ["user data of 1025 bytes", { user_data: large }],
    ["a nonce of 1025 bytes", { nonce: large }],
    ["a nonce as text", { nonce: "07" }],
  ];
  for (const [name, change] of changes) {
    test(`refuses ${name}`, () => {
      const entries: Entries = { ...ENTRIES };
      for (const [key, value] of Object.entries(change)) {
        if (value !== undefined) entries[key] = value;
      }
      assert.equal(codeOf(envelopeOf(payloadOf(entries))), "ATTEST_PAYLOAD");
    });
  }

  test("refuses a document without any one of the required fields", () => {
    for (const name of ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"]) {
      const entries = Object.fromEntries(Object.entries(ENTRIES).filter(([key]) => key !== name));
      assert.equal(codeOf(envelopeOf(payloadOf(entries))), "ATTEST_PAYLOAD", name);
    }
  });

  test("takes fields and lists at their limits", () => {
    const largest = new Uint8Array(1024);
    const pcrs = new Map(Array.from({ length: 32 }, (_, index) => [index, PCR] as const));
    const entries = { ...ENTRIES, pcrs, public_key: largest, user_data: largest, nonce: largest };
    assert.equal(codeOf(envelopeOf(payloadOf(entries))), "OK");
    const bundle = Array.from({ length: 8 }, () => PCR);
    assert.equal(codeOf(envelopeOf(payloadOf({ ...ENTRIES, cabundle: bundle }))), "OK");
  });

  test("refuses a key given twice, in the payload and among the PCRs, however it is encoded", () => {
    const raw = Object.entries(ENTRIES).map(([key, value]) => [key, encodeCbor(value)] as const);
    for (const layout of ["definite", "indefinite"] as const) {
      assert.equal(codeOf(envelopeOf(encodeRawMap(raw, layout))), "OK");
      for (const entry of raw) {
        const payload = encodeRawMap([...raw, entry], layout);
        assert.equal(codeOf(envelopeOf(payload)), "ATTEST_PAYLOAD", entry[0]);
      }
    }
    const twice = concatBytes(
      Uint8Array.of(0xa2, 0x00),
      encodeCbor(PCR),
      Uint8Array.of(0x18, 0x00),
      encodeCbor(PCR),
    );
    const pcrs = raw.map((entry) => (entry[0] === "pcrs" ? (["pcrs", twice] as const) : entry));
    assert.equal(codeOf(envelopeOf(encodeRawMap(pcrs, "definite"))), "ATTEST_PAYLOAD");
  });

  test("refuses bytes after the payload's map, and a second map", () => {
    for (const more of [Uint8Array.of(0), payload]) {
      assert.equal(codeOf(envelopeOf(concatBytes(payload, more))), "ATTEST_PAYLOAD");
    }
  });

  test("the signature input is the definite Sig_structure around the received payload", () => {
    const received = concatBytes(Uint8Array.of(0xbf), encodeWide(1), Uint8Array.of(0xff));
    assert.equal(
      encodeHex(encodeSignatureInput(received)),
      `846a5369676e61747572653144a1013822404b${encodeHex(received)}`,
    );
  });
});
