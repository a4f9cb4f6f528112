import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { describe, test } from "node:test";
import {
  encodePcrInfo,
  isSignatureRight,
  parseEifSignature,
  SIGNATURE_SECTION_BYTES_MAX,
} from "../../../../scripts/image/eif-signature.ts";
import { measureEif } from "../../../../scripts/image/measurement.ts";
import { type CborValue, encodeCbor } from "../../../../shared/bytes/cbor.ts";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import {
  type Curve,
  encodeCose,
  encodeSection,
  encodeSignatureSection,
  makeImageSigner,
  type SignatureParts,
  SOURCE,
  signatureParts,
} from "../../../fakes/eif-images.ts";

const PCR0 = measureEif(SOURCE).pcr0;
const SIGNER = makeImageSigner("P-384");
const PARTS = signatureParts(SOURCE, SIGNER);
const PEM = [...new TextEncoder().encode(PARTS.pem)];
const COSE = [...encodeCose(PARTS)];
const SECTION = encodeSignatureSection(PARTS);
const REFUSED = { ok: false, error: "EIF_SIGNATURE" };

function judge(parts: SignatureParts, pcr0 = PCR0): boolean {
  const parsed = parseEifSignature(encodeSignatureSection(parts));
  assert.ok(parsed.ok);
  return isSignatureRight(parsed.value, pcr0);
}

function header(...entries: readonly (readonly [CborValue, CborValue])[]): Uint8Array {
  return encodeCbor(new Map(entries));
}

/** A section whose COSE_Sign1 is any value. */
function withCose(value: CborValue): Uint8Array {
  return encodeSection(PEM, [...encodeCbor(value)]);
}

describe("isSignatureRight", () => {
  for (const curve of ["P-256", "P-384", "P-521"] as const satisfies readonly Curve[]) {
    test(`accepts a signature by a ${curve} key over this PCR0 and no other`, () => {
      const parts = signatureParts(SOURCE, makeImageSigner(curve));
      assert.equal(judge(parts), true);
      assert.equal(judge(parts, measureEif({ ...SOURCE, cmdline: "" }).pcr0), false);
    });
  }

  const OTHER = makeImageSigner("P-384");
  const WRONG: readonly (readonly [name: string, parts: SignatureParts])[] = [
    ["a certificate of another key", { ...PARTS, pem: OTHER.certificatePem }],
    ["a certificate of another curve", { ...PARTS, pem: makeImageSigner("P-256").certificatePem }],
    ["the algorithm of another curve", resigned({ protectedHeader: header([1, -7]) })],
    ["an algorithm that is unknown", resigned({ protectedHeader: header([1, -8]) })],
    ["another register", resigned({ payload: payloadOf(8, [...PCR0]) })],
    ["a register that lacks a byte", resigned({ payload: payloadOf(0, [...PCR0.subarray(1)]) })],
    ["an empty payload", resigned({ payload: new Uint8Array(0) })],
    ["a signature that lacks a byte", { ...PARTS, signature: PARTS.signature.subarray(1) }],
    ["an empty signature", { ...PARTS, signature: new Uint8Array(0) }],
    ["a signature of zeros", { ...PARTS, signature: new Uint8Array(96) }],
    ["a signature in DER", { ...PARTS, signature: signatureOver(PARTS, "der") }],
  ];

  for (const [name, parts] of WRONG) {
    test(`refuses ${name}`, () => {
      assert.equal(judge(parts), false);
    });
  }

  test("refuses a signature with any flipped bit", () => {
    for (let at = 0; at < PARTS.signature.length; at += 5) {
      const signature = new Uint8Array(PARTS.signature);
      signature[at] = (signature[at] ?? 0) ^ 0x10;
      assert.equal(judge({ ...PARTS, signature }), false);
    }
  });
});

const OTHER_PEM = makeImageSigner("P-384").certificatePem;
/** OpenSSL takes it for a certificate. */
const OLDER = OTHER_PEM.replaceAll("CERTIFICATE", "X509 CERTIFICATE");

function pemSection(pem: string): Uint8Array {
  return encodeSection([...new TextEncoder().encode(pem)], COSE);
}

describe("parseEifSignature", () => {
  test("reads the certificate, its DER and the four parts of the signature", () => {
    const parsed = parseEifSignature(SECTION);
    assert.ok(parsed.ok);
    const { certificateDer, algorithm, payload } = parsed.value;
    assert.deepEqual(certificateDer, new Uint8Array(SIGNER.certificateDer));
    assert.equal(algorithm, -35);
    assert.deepEqual(payload, encodePcrInfo(PCR0));
  });

  test("takes the first certificate of a chain, and text around it", () => {
    const chain = `subject=CN\n${PARTS.pem}${makeImageSigner("P-256").certificatePem}`;
    const parsed = parseEifSignature(encodeSignatureSection({ ...PARTS, pem: chain }));
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.value.certificateDer, new Uint8Array(SIGNER.certificateDer));
  });

  test("takes a section of 32768 bytes and not one more", () => {
    // A line feed is one byte of CBOR, as long as the length of the array takes three.
    const room = SIGNATURE_SECTION_BYTES_MAX - padded(0).length;
    assert.equal(padded(room).length, SIGNATURE_SECTION_BYTES_MAX);
    assert.ok(parseEifSignature(padded(room)).ok);
    assert.deepEqual(parseEifSignature(padded(room + 1)), REFUSED);
  });

  const { protectedHeader, payload, signature } = PARTS;
  const WRONG: readonly (readonly [name: string, section: Uint8Array])[] = [
    ["nothing", new Uint8Array(0)],
    ["no entry", encodeCbor([])],
    ["two entries", encodeCbor([1, 2].map(() => entryMap()))],
    ["an entry without signature", encodeCbor([new Map([["signing_certificate", PEM]])])],
    ["an entry with a third field", encodeCbor([new Map([...entryMap(), ["x", 1]])])],
    ["an entry that is no map", encodeCbor([[PEM, COSE]])],
    ["a byte at the end", concatBytes(SECTION, new Uint8Array(1))],
    ["a length that is longer than needed", longLength()],
    ["a byte string for the certificate", encodeSection(Uint8Array.from(PEM), COSE)],
    ["a byte string for the signature", encodeSection(PEM, Uint8Array.from(COSE))],
    ["256 as a byte", encodeSection([...PEM, 256], COSE)],
    ["-1 as a byte", encodeSection([...PEM, -1], COSE)],
    ["text as a byte", encodeSection([...PEM, "a"], COSE)],
    ["an empty certificate", encodeSection([], COSE)],
    ["a certificate in DER", encodeSection([...SIGNER.certificateDer], COSE)],
    ["a certificate that does not end", encodeSection(PEM.slice(0, -30), COSE)],
    ["a certificate under its older name before it", pemSection(OLDER + PARTS.pem)],
    ["a certificate in the middle of a line", pemSection(`x${OTHER_PEM}${PARTS.pem}`)],
    ["a certificate of other bytes", encodeSection(damagedPem(), COSE)],
    ["an empty COSE", encodeSection(PEM, [])],
    ["a tagged COSE", encodeSection(PEM, [0xd2, ...COSE])],
    ["a COSE of three parts", withCose([protectedHeader, new Map(), payload])],
    ["a COSE of five parts", withCose([protectedHeader, new Map(), payload, signature, 1])],
    ["an unprotected header", withCose([protectedHeader, new Map([[4, 1]]), payload, signature])],
    ["a detached payload", withCose([protectedHeader, new Map(), null, signature])],
    ["a signature that is no bytes", withCose([protectedHeader, new Map(), payload, "x"])],
    ["an empty protected header", withCose([new Uint8Array(0), new Map(), payload, signature])],
    ["no algorithm", withCose([header(), new Map(), payload, signature])],
    ["a critical header", withCose([header([1, -35], [2, [1]]), new Map(), payload, signature])],
    ["an algorithm by name", withCose([header([1, "ES384"]), new Map(), payload, signature])],
  ];

  for (const [name, section] of WRONG) {
    test(`refuses ${name}`, () => {
      assert.deepEqual(parseEifSignature(section), REFUSED);
    });
  }

  test("reads what the wrong ones differ from", () => {
    assert.deepEqual(encodeSection(PEM, COSE), SECTION);
    assert.deepEqual(withCose([protectedHeader, new Map(), payload, signature]), SECTION);
    assert.deepEqual(encodeCbor([entryMap()]), SECTION);
  });
});

function padded(length: number): Uint8Array {
  return encodeSignatureSection({ ...PARTS, pem: PARTS.pem + "\n".repeat(length) });
}

function entryMap(): Map<CborValue, CborValue> {
  return new Map<CborValue, CborValue>([
    ["signing_certificate", PEM],
    ["signature", COSE],
  ]);
}

function payloadOf(index: number, value: readonly number[]): Uint8Array {
  return header(["register_index", index], ["register_value", value]);
}

/** Signed anew, so that nothing but the changed part is wrong. */
function resigned(change: Partial<SignatureParts>): SignatureParts {
  const parts = { ...PARTS, ...change };
  return { ...parts, signature: signatureOver(parts, "ieee-p1363") };
}

function signatureOver(parts: SignatureParts, dsaEncoding: "ieee-p1363" | "der"): Uint8Array {
  const empty = new Uint8Array(0);
  const toBeSigned = encodeCbor(["Signature1", parts.protectedHeader, empty, parts.payload]);
  return new Uint8Array(sign("sha384", toBeSigned, { key: SIGNER.privateKey, dsaEncoding }));
}

/** The array of one, with its length in two bytes. */
function longLength(): Uint8Array {
  return concatBytes(Uint8Array.of(0x98, 0x01), SECTION.subarray(1));
}

function damagedPem(): readonly number[] {
  const body = PARTS.pem.indexOf("\n") + 1;
  return PEM.map((byte, index) => (index === body ? 0x41 : byte));
}
