// Ways to change an attestation document, whoever signed it: each either leaves what was signed as
// it is and must be accepted, or must be refused with the code beside it. For every verifier, ours
// and others.

import { parseDocument } from "../../shared/attestation/document.ts";
import { concatBytes } from "../../shared/bytes/compare.ts";

/** `OK`, or the code of the first check that fails. */
export type Expected = string;

export type ChangedDocument = {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly expected: Expected;
};

/** Order of the curve P-384 (FIPS 186-5). */
const ORDER = BigInt(
  "0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
);
const TAG = 0xd2;

export function bytesOf(...octets: readonly number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(octets);
}

export function flipped(bytes: Uint8Array, index: number, bit: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[index] = (changed[index] ?? 0) ^ (1 << bit);
  return changed;
}

/** (r, n - s): as valid as (r, s), so one of the two is the high-S form. */
export function otherForm(signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${Buffer.from(signature.subarray(48)).toString("hex")}`);
  const other = (ORDER - s).toString(16).padStart(96, "0");
  return new Uint8Array(Buffer.concat([signature.subarray(0, 48), Buffer.from(other, "hex")]));
}

type Parts = {
  readonly head: Uint8Array;
  readonly protectedHeader: Uint8Array;
  readonly unprotectedHeader: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  readonly tail: Uint8Array;
};

/** A byte string behind a head whose length takes `width` octets. */
function stringOf(bytes: Uint8Array, width: 1 | 2 | 4 | 8): Uint8Array {
  const head = new Uint8Array(1 + width);
  head[0] = { 1: 0x58, 2: 0x59, 4: 0x5a, 8: 0x5b }[width];
  new DataView(head.buffer).setUint8(width, bytes.length & 255);
  if (width > 1) new DataView(head.buffer).setUint8(width - 1, bytes.length >> 8);
  return concatBytes(head, bytes);
}

function wrapped(payload: Uint8Array): Partial<Parts> {
  return { payload: stringOf(payload, 2) };
}

function joined(parts: Parts): Uint8Array {
  const { head, protectedHeader, unprotectedHeader, payload, signature, tail } = parts;
  return concatBytes(head, protectedHeader, unprotectedHeader, payload, signature, tail);
}

/** The envelope of a document in the layout of hardware. */
function partsOf(payload: Uint8Array, signature: Uint8Array): Parts {
  return {
    head: bytesOf(0x84),
    protectedHeader: bytesOf(0x44, 0xa1, 0x01, 0x38, 0x22),
    unprotectedHeader: bytesOf(0xa0),
    payload: stringOf(payload, 2),
    signature: stringOf(signature, 1),
    tail: bytesOf(),
  };
}

type Row = readonly [what: string, change: Partial<Parts>, expected: Expected];

/** Everything that can be done to a document by someone who can't sign. */
export function changesOf(document: Uint8Array): readonly ChangedDocument[] {
  const parsed = parseDocument(document);
  if (!parsed.ok) throw new Error("not a document");
  const { payload, signature } = parsed.value;
  const parts = partsOf(payload, signature);
  const whole = joined(parts);
  if (Buffer.compare(whole, document) !== 0) throw new Error("not in the layout of hardware");
  const rows = [...envelopeRows(parts, payload, signature), ...payloadRows(payload)];
  return [
    { what: "as it is", bytes: document, expected: "OK" },
    { what: "no bytes", bytes: bytesOf(), expected: "ATTEST_SIZE" },
    {
      what: "more bytes than a document may have",
      bytes: concatBytes(document, new Uint8Array(16_385 - document.length)),
      expected: "ATTEST_SIZE",
    },
    { what: "without its last byte", bytes: document.subarray(0, -1), expected: "ATTEST_COSE" },
    { what: "without its first byte", bytes: document.subarray(1), expected: "ATTEST_COSE" },
    { what: "the first half", bytes: document.subarray(0, 2000), expected: "ATTEST_COSE" },
    { what: "twice", bytes: concatBytes(document, document), expected: "ATTEST_COSE" },
    ...rows.map(([what, change, expected]) => {
      return { what, bytes: joined({ ...parts, ...change }), expected };
    }),
  ];
}

function envelopeRows(
  { protectedHeader, payload: stringOfPayload, signature: stringOfSignature }: Parts,
  payload: Uint8Array,
  signature: Uint8Array,
): readonly Row[] {
  const chunked = concatBytes(bytesOf(0x5f), stringOfPayload, bytesOf(0xff));
  return [
    ["with tag 18", { head: bytesOf(TAG, 0x84) }, "OK"],
    [
      "with an unprotected header of indefinite length",
      { unprotectedHeader: bytesOf(0xbf, 0xff) },
      "OK",
    ],
    ["with a longer head of the payload", { payload: stringOf(payload, 4) }, "OK"],
    ["with the longest head of the signature", { signature: stringOf(signature, 8) }, "OK"],
    [
      "with the other form of its signature",
      { signature: stringOf(otherForm(signature), 1) },
      "OK",
    ],
    ["padded with a zero", { tail: bytesOf(0) }, "ATTEST_COSE"],
    ["padded with a break", { tail: bytesOf(0xff) }, "ATTEST_COSE"],
    ["with tag 18 twice", { head: bytesOf(TAG, TAG, 0x84) }, "ATTEST_COSE"],
    ["with tag 18 in a longer form", { head: bytesOf(0xd8, 18, 0x84) }, "ATTEST_COSE"],
    ["with tag 17", { head: bytesOf(0xd1, 0x84) }, "ATTEST_COSE"],
    ["with tag 98, COSE_Sign", { head: bytesOf(0xd8, 98, 0x84) }, "ATTEST_COSE"],
    ["as an array with a longer head", { head: bytesOf(0x98, 4) }, "ATTEST_COSE"],
    [
      "as an array of indefinite length",
      { head: bytesOf(0x9f), tail: bytesOf(0xff) },
      "ATTEST_COSE",
    ],
    ["with a fifth item", { head: bytesOf(0x85), tail: bytesOf(0xf6) }, "ATTEST_COSE"],
    ["with three items", { head: bytesOf(0x83), signature: bytesOf() }, "ATTEST_COSE"],
    ["with a detached payload", { payload: bytesOf(0xf6) }, "ATTEST_COSE"],
    ["with a payload in chunks", { payload: chunked }, "ATTEST_COSE"],
    ["with an empty payload", { payload: bytesOf(0x40) }, "ATTEST_PAYLOAD"],
    ["with an empty signature", { signature: bytesOf(0x40) }, "ATTEST_COSE"],
    [
      "with a signature of 95 bytes",
      { signature: stringOf(signature.subarray(1), 1) },
      "ATTEST_COSE",
    ],
    [
      "with a signature of 97 bytes",
      { signature: stringOf(concatBytes(bytesOf(0), signature), 1) },
      "ATTEST_COSE",
    ],
    [
      "with a signature of zeros",
      { signature: stringOf(new Uint8Array(96), 1) },
      "ATTEST_SIGNATURE",
    ],
    [
      "with r and s exchanged",
      { signature: stringOf(concatBytes(signature.subarray(48), signature.subarray(0, 48)), 1) },
      "ATTEST_SIGNATURE",
    ],
    [
      "with payload and signature exchanged",
      { payload: stringOfSignature, signature: stringOfPayload },
      "ATTEST_COSE",
    ],
    ["with an unprotected key id", { unprotectedHeader: bytesOf(0xa1, 4, 0x40) }, "ATTEST_COSE"],
    [
      "with an unprotected header that has a key twice",
      { unprotectedHeader: bytesOf(0xa2, 4, 0x40, 4, 0x40) },
      "ATTEST_COSE",
    ],
    ["with an unprotected array", { unprotectedHeader: bytesOf(0x80) }, "ATTEST_COSE"],
    ["with ES256", { protectedHeader: bytesOf(0x43, 0xa1, 1, 0x26) }, "ATTEST_ALGORITHM"],
    ["with ES512", { protectedHeader: bytesOf(0x44, 0xa1, 1, 0x38, 0x23) }, "ATTEST_ALGORITHM"],
    [
      "with ES384 in a longer form",
      { protectedHeader: bytesOf(0x45, 0xa1, 1, 0x39, 0, 0x22) },
      "ATTEST_ALGORITHM",
    ],
    [
      "with ES384 twice",
      { protectedHeader: bytesOf(0x47, 0xa2, 1, 0x38, 0x22, 1, 0x38, 0x22) },
      "ATTEST_ALGORITHM",
    ],
    ["with an empty protected header", { protectedHeader: bytesOf(0x40) }, "ATTEST_ALGORITHM"],
    [
      "with a protected header that is a map",
      { protectedHeader: protectedHeader.subarray(1) },
      "ATTEST_COSE",
    ],
  ];
}

/** The signature is over the payload's bytes: the same values in another form are another one. */
function payloadRows(payload: Uint8Array): readonly Row[] {
  const isIndefinite = payload[0] === 0xbf;
  const entries = isIndefinite ? payload.subarray(1, -1) : payload.subarray(1);
  const definite = concatBytes(bytesOf(0xa9), entries);
  const indefinite = concatBytes(bytesOf(0xbf), entries, bytesOf(0xff));
  const digest = Buffer.from("6664696765737466534841333834", "hex");
  const twice = concatBytes(bytesOf(0xbf), entries, digest, bytesOf(0xff));
  const more = concatBytes(bytesOf(0xbf), entries, bytesOf(0x61, 0x78, 0xf6, 0xff));
  return [
    [
      "with a payload map of the other kind",
      wrapped(isIndefinite ? definite : indefinite),
      "ATTEST_SIGNATURE",
    ],
    [
      "with a payload map of a longer head",
      wrapped(concatBytes(bytesOf(0xb8, 9), entries)),
      "ATTEST_SIGNATURE",
    ],
    ["with a payload key given twice", wrapped(twice), "ATTEST_PAYLOAD"],
    ["with a payload key that is not known", wrapped(more), "ATTEST_PAYLOAD"],
    [
      "with a byte after the payload's map",
      wrapped(concatBytes(payload, bytesOf(0))),
      "ATTEST_PAYLOAD",
    ],
    ["with the payload's map twice", wrapped(concatBytes(payload, payload)), "ATTEST_PAYLOAD"],
    [
      "with a payload map of one entry less",
      wrapped(concatBytes(bytesOf(0xa8), entries)),
      "ATTEST_PAYLOAD",
    ],
    ["with a payload without its last byte", wrapped(payload.subarray(0, -1)), "ATTEST_PAYLOAD"],
  ];
}
