// Documents that are wrong in one way although their signature holds, as a broken or hostile NSM
// or authority under the pinned root would make them: they show that a verifier checks more than
// signatures. Beside them some that are unusual and right.

import { generateKeyPairSync } from "node:crypto";
import {
  authorityExtension,
  extension,
  KEY_USAGE,
  keyUsageExtension,
  leafExtension,
} from "../../scripts/local/certificate-issuer.ts";
import { encodeRawMap, encodeWide, signDocument } from "../../scripts/local/nsm-document.ts";
import { type CborValue, encodeCbor } from "../../shared/bytes/cbor.ts";
import { concatBytes } from "../../shared/bytes/compare.ts";
import {
  CA_USAGE,
  DAY_MS,
  documentOf,
  FIELDS,
  LEAF_KEY,
  LEAF_USAGE,
  NONCE,
  NOW_MS,
  pcrsOf,
  ROOT,
  shortChain,
  shortDocument,
  TEST_NAMES,
} from "./attestation-fixture.ts";
import { bytesOf, type ChangedDocument } from "./document-change.ts";

/** Judged at `NOW_MS` against the nonce `NONCE`. */
export type SignedDocument = ChangedDocument & { readonly rootDer: Uint8Array };

type Entry = readonly [key: string, value: Uint8Array];
type Case = readonly [what: string, bytes: Uint8Array, expected: string];

const ZERO = new Uint8Array(48);
const FIELD_NAMES = {
  moduleId: "module_id",
  digest: "digest",
  timestampMs: "timestamp",
  pcrs: "pcrs",
  certificate: "certificate",
  cabundle: "cabundle",
  publicKey: "public_key",
  userData: "user_data",
  nonce: "nonce",
} as const;

const PCR_ENTRIES = [...FIELDS.pcrs];

function entriesOf(changes: Readonly<Record<string, Uint8Array>> = {}): readonly Entry[] {
  const { pcrs, timestampMs, ...others } = FIELDS;
  const values: Readonly<Record<string, CborValue>> = others;
  return Object.entries(FIELD_NAMES).map(([name, key]) => {
    const value =
      name === "pcrs"
        ? encodeCbor(new Map<CborValue, CborValue>(pcrs))
        : name === "timestampMs"
          ? encodeWide(timestampMs)
          : encodeCbor(values[name] ?? null);
    return [key, changes[key] ?? value];
  });
}

function signedOf(entries: readonly Entry[], layout: "definite" | "indefinite" = "indefinite") {
  return signDocument(encodeRawMap(entries, layout), LEAF_KEY);
}

function without(key: string): readonly Entry[] {
  return entriesOf().filter(([name]) => name !== key);
}

/** PCRs 0 to 15 as they are, and more. */
function pcrsWith(count: number, ...more: readonly Uint8Array[]): Uint8Array {
  const entries = PCR_ENTRIES.flatMap(([index, value]) => [encodeCbor(index), encodeCbor(value)]);
  return concatBytes(bytesOf(0xa0 + Math.min(count, 23)), ...entries, ...more);
}

function seventeenPcrs(key: Uint8Array): Uint8Array {
  return concatBytes(bytesOf(0xb1), pcrsWith(0).subarray(1), key, encodeCbor(ZERO));
}

function zeroed(...indices: readonly number[]): ReadonlyMap<number, Uint8Array> {
  return new Map(
    PCR_ENTRIES.map(([index, value]) => [index, indices.includes(index) ? ZERO : value]),
  );
}

const CABUNDLE = FIELDS.cabundle;
const [TOP = ZERO, REGIONAL = ZERO, ZONAL = ZERO, INSTANCE = ZERO] = CABUNDLE;

function payloadCases(): readonly Case[] {
  const chunkedId = concatBytes(bytesOf(0x7f), encodeCbor(FIELDS.moduleId), bytesOf(0xff));
  const shortTime = encodeCbor(FIELDS.timestampMs);
  const bundle = (items: readonly CborValue[]) => entriesOf({ cabundle: encodeCbor(items) });
  const openBundle = concatBytes(
    bytesOf(0x9f),
    ...CABUNDLE.map((der) => encodeCbor(der)),
    bytesOf(0xff),
  );
  const openPcrs = concatBytes(bytesOf(0xbf), pcrsWith(0).subarray(1), bytesOf(0xff));
  return [
    ["a whole document", signedOf(entriesOf()), "OK"],
    ["a whole document of definite length", signedOf(entriesOf(), "definite"), "OK"],
    ["a timestamp in its shortest form", signedOf(entriesOf({ timestamp: shortTime })), "OK"],
    [
      "PCRs and bundle of indefinite length",
      signedOf(entriesOf({ pcrs: openPcrs, cabundle: openBundle })),
      "OK",
    ],
    ["fields in another order", signedOf(entriesOf().toReversed()), "OK"],
    [
      "no optional field",
      signedOf(without("public_key").filter(([key]) => key !== "user_data")),
      "OK",
    ],
    [
      "a PCR index in a longer form",
      signedOf(entriesOf({ pcrs: seventeenPcrs(bytesOf(0x18, 0x10)) })),
      "OK",
    ],
    ...entriesOf().map((entry): Case => {
      return [`${entry[0]} given twice`, signedOf([...entriesOf(), entry]), "ATTEST_PAYLOAD"];
    }),
    [
      "a PCR given twice",
      signedOf(entriesOf({ pcrs: seventeenPcrs(bytesOf(0x00)) })),
      "ATTEST_PAYLOAD",
    ],
    [
      "a PCR given twice, in a longer form",
      signedOf(entriesOf({ pcrs: seventeenPcrs(bytesOf(0x18, 0x00)) })),
      "ATTEST_PAYLOAD",
    ],
    ["PCR 32", signedOf(entriesOf({ pcrs: seventeenPcrs(bytesOf(0x18, 0x20)) })), "ATTEST_PAYLOAD"],
    ["PCR -1", signedOf(entriesOf({ pcrs: seventeenPcrs(bytesOf(0x20)) })), "ATTEST_PAYLOAD"],
    [
      "a PCR with a name",
      signedOf(entriesOf({ pcrs: seventeenPcrs(encodeCbor("16")) })),
      "ATTEST_PAYLOAD",
    ],
    ["no PCRs", signedOf(entriesOf({ pcrs: bytesOf(0xa0) })), "ATTEST_PAYLOAD"],
    [
      "a key that is not known",
      signedOf([...entriesOf(), ["extra", bytesOf(0xf6)]]),
      "ATTEST_PAYLOAD",
    ],
    ["a module id in chunks", signedOf(entriesOf({ module_id: chunkedId })), "ATTEST_PAYLOAD"],
    [
      "a module id that moves the cursor",
      signedOf(entriesOf({ module_id: encodeCbor("i-\u001b[2J") })),
      "ATTEST_PAYLOAD",
    ],
    [
      "a timestamp with a tag",
      signedOf(entriesOf({ timestamp: concatBytes(bytesOf(0xc1), shortTime) })),
      "ATTEST_PAYLOAD",
    ],
    [
      "a timestamp as a float",
      signedOf(entriesOf({ timestamp: bytesOf(0xf9, 0x7b, 0xff) })),
      "ATTEST_PAYLOAD",
    ],
    ["an empty bundle", signedOf(bundle([])), "ATTEST_PAYLOAD"],
    ["a bundle of nine", signedOf(bundle(Array.from({ length: 9 }, () => TOP))), "ATTEST_PAYLOAD"],
    ["an empty public key", signedOf(entriesOf({ public_key: bytesOf(0x40) })), "ATTEST_PAYLOAD"],
    ["undefined for a nonce", signedOf(entriesOf({ nonce: bytesOf(0xf7) })), "ATTEST_PAYLOAD"],
    ["no nonce field", signedOf(without("nonce")), "ATTEST_NONCE"],
    ["null for a nonce", documentOf({ nonce: null }), "ATTEST_NONCE"],
    ["an empty nonce", documentOf({ nonce: bytesOf() }), "ATTEST_NONCE"],
    [
      "a nonce with a byte more",
      documentOf({ nonce: concatBytes(NONCE, bytesOf(0)) }),
      "ATTEST_NONCE",
    ],
    ["another digest", documentOf({ digest: "SHA256" }), "ATTEST_DIGEST"],
    ["debug mode", documentOf({ pcrs: zeroed(0, 1, 2) }), "ATTEST_DEBUG"],
    ["a PCR1 of zeros", documentOf({ pcrs: zeroed(1) }), "ATTEST_DEBUG"],
    [
      "no PCR2",
      documentOf({ pcrs: pcrsOf(new Map(PCR_ENTRIES.filter(([index]) => index !== 2))) }),
      "ATTEST_DEBUG",
    ],
    ["a time a minute ahead", documentOf({ timestampMs: NOW_MS + 60_000 }), "OK"],
    [
      "a time more than a minute ahead",
      documentOf({ timestampMs: NOW_MS + 60_001 }),
      "ATTEST_TIME",
    ],
    ["the authorities in reverse", signedOf(bundle(CABUNDLE.toReversed())), "ATTEST_ROOT"],
    [
      "two authorities exchanged",
      signedOf(bundle([TOP, ZONAL, REGIONAL, INSTANCE])),
      "ATTEST_CHAIN",
    ],
    ["an authority missing", signedOf(bundle([TOP, REGIONAL, INSTANCE])), "ATTEST_CHAIN"],
    ["no root", signedOf(bundle([REGIONAL, ZONAL, INSTANCE])), "ATTEST_ROOT"],
    ["the root twice", signedOf(bundle([TOP, ...CABUNDLE])), "ATTEST_CHAIN"],
    ["an authority twice", signedOf(bundle([...CABUNDLE, INSTANCE])), "ATTEST_CHAIN"],
    [
      "a stranger at the end",
      signedOf(bundle([...CABUNDLE, shortChain().certificate])),
      "ATTEST_CHAIN",
    ],
    ["the leaf in the bundle", signedOf(bundle([...CABUNDLE, FIELDS.certificate])), "ATTEST_CHAIN"],
  ];
}

type Changes = Parameters<typeof shortChain>[0];
type ChainCase = readonly [what: string, changes: Changes, expected: string];

const P256 = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey;
const K256 = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey;
const RSA = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
const STRANGER = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
const UNKNOWN_CRITICAL = extension("1.2.3.4", true, bytesOf(0x05, 0x00));
const UNKNOWN = extension("1.2.3.4", false, bytesOf(0x05, 0x00));

const CHAIN_CASES: readonly ChainCase[] = [
  ["a chain of three", {}, "OK"],
  [
    "an extension that is not known",
    { leaf: { extensions: [leafExtension(), LEAF_USAGE, UNKNOWN] } },
    "OK",
  ],
  [
    "a critical extension that is not known",
    { leaf: { extensions: [leafExtension(), LEAF_USAGE, UNKNOWN_CRITICAL] } },
    "ATTEST_CERTIFICATE",
  ],
  ["a leaf on P-256", { leaf: { publicKey: P256 } }, "ATTEST_CERTIFICATE"],
  ["a leaf on secp256k1", { leaf: { publicKey: K256 } }, "ATTEST_CERTIFICATE"],
  ["a leaf with an RSA key", { leaf: { publicKey: RSA } }, "ATTEST_CERTIFICATE"],
  ["an authority on P-256", { middle: { publicKey: P256 } }, "ATTEST_CERTIFICATE"],
  ["a leaf signed by a stranger", { leaf: { signingKey: STRANGER.privateKey } }, "ATTEST_CHAIN"],
  ["a leaf of another issuer", { leaf: { issuer: TEST_NAMES.root } }, "ATTEST_CHAIN"],
  ["an authority of another name", { middle: { subject: TEST_NAMES.leaf } }, "ATTEST_CHAIN"],
  ["a leaf that has expired", { leaf: { notAfterMs: NOW_MS - 2000 } }, "ATTEST_CHAIN_EXPIRED"],
  [
    "a leaf that is not valid yet",
    { leaf: { notBeforeMs: NOW_MS + 2000 } },
    "ATTEST_CHAIN_EXPIRED",
  ],
  [
    "an authority that has expired",
    { middle: { notAfterMs: NOW_MS - 2000 } },
    "ATTEST_CHAIN_EXPIRED",
  ],
  ["an expired root", { root: { notAfterMs: NOW_MS - 2000 } }, "ATTEST_CHAIN_EXPIRED"],
  [
    "a leaf that ends before it begins",
    { leaf: { notBeforeMs: NOW_MS + DAY_MS, notAfterMs: NOW_MS - DAY_MS } },
    "ATTEST_CERTIFICATE",
  ],
  [
    "a leaf that is an authority",
    { leaf: { extensions: [authorityExtension(0), LEAF_USAGE] } },
    "ATTEST_CHAIN_USAGE",
  ],
  [
    "a leaf that is an authority and signs all",
    {
      leaf: {
        extensions: [
          authorityExtension(null),
          keyUsageExtension(true, KEY_USAGE.digitalSignature, KEY_USAGE.keyCertSign),
        ],
      },
    },
    "ATTEST_CHAIN_USAGE",
  ],
  ["a leaf without key usage", { leaf: { extensions: [leafExtension()] } }, "ATTEST_CHAIN_USAGE"],
  [
    "a leaf that signs certificates only",
    { leaf: { extensions: [leafExtension(), CA_USAGE] } },
    "ATTEST_CHAIN_USAGE",
  ],
  ["a leaf without basic constraints", { leaf: { extensions: [LEAF_USAGE] } }, "OK"],
  [
    "an authority that is none",
    { middle: { extensions: [leafExtension(), CA_USAGE] } },
    "ATTEST_CHAIN_USAGE",
  ],
  [
    "an authority without basic constraints",
    { middle: { extensions: [CA_USAGE] } },
    "ATTEST_CHAIN_USAGE",
  ],
  [
    "an authority without key usage",
    { middle: { extensions: [authorityExtension(0)] } },
    "ATTEST_CHAIN_USAGE",
  ],
  [
    "an authority that may not sign certificates",
    { middle: { extensions: [authorityExtension(0), LEAF_USAGE] } },
    "ATTEST_CHAIN_USAGE",
  ],
  [
    "a path length that is just enough",
    { root: { extensions: [authorityExtension(1), CA_USAGE] } },
    "OK",
  ],
  [
    "a path length that is exceeded",
    { root: { extensions: [authorityExtension(0), CA_USAGE] } },
    "ATTEST_CHAIN_USAGE",
  ],
  [
    "an extension given twice",
    { leaf: { extensions: [leafExtension(), leafExtension(), LEAF_USAGE] } },
    "ATTEST_CERTIFICATE",
  ],
];

export function signedDocuments(): readonly SignedDocument[] {
  const payloads = payloadCases().map(([what, bytes, expected]) => {
    return { what, bytes, expected, rootDer: ROOT.der };
  });
  const chains = CHAIN_CASES.map(([what, changes, expected]) => {
    const chain = shortChain(changes);
    return { what, bytes: shortDocument(chain), expected, rootDer: chain.rootDer };
  });
  const other = { what: "another root of the same name", bytes: shortDocument(shortChain()) };
  return [...payloads, ...chains, { ...other, expected: "ATTEST_ROOT", rootDer: ROOT.der }];
}
