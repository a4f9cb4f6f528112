import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BundleHeader,
  encodeBundle,
  encodeBundlePrefix,
  encryptionContextOf,
  parseBundle,
} from "../../../../shared/bundle/format.ts";
import { encodeCbor } from "../../../../shared/bytes/cbor.ts";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import {
  BUNDLE_BYTES_MAX,
  KEY_COUNT_MAX,
  WRAPPED_KEY_BYTES_MAX,
} from "../../../../shared/limits.ts";

const ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

const HEADER: BundleHeader = {
  id: new Uint8Array(16).fill(0x11),
  purpose: "redoubt/keys",
  keyArn: ARN,
  wrappedKey: new Uint8Array(184).fill(0x22),
  keyCount: 3,
  createdMs: 1_767_225_600_000,
};

type Items = Parameters<typeof encodeCbor>[0][];

const ITEMS: Items = [
  HEADER.id,
  "redoubt/keys",
  ARN,
  HEADER.wrappedKey,
  HEADER.keyCount,
  HEADER.createdMs,
];

function bundleOf(header: BundleHeader = HEADER, ciphertextBytes = 40): Uint8Array {
  return encodeBundle({
    prefix: encodeBundlePrefix(header),
    nonce: new Uint8Array(12).fill(0x33),
    ciphertext: new Uint8Array(ciphertextBytes).fill(0x44),
    tag: new Uint8Array(16).fill(0x55),
  });
}

function withHeaderBytes(header: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, header.length);
  const front = concatBytes(Uint8Array.of(0x52, 0x44, 0x54, 0x42, 1), length, header);
  return concatBytes(front, new Uint8Array(12), new Uint8Array(40), new Uint8Array(16));
}

function withItem(index: number, value: Items[number]): Uint8Array {
  return withHeaderBytes(encodeCbor(ITEMS.with(index, value)));
}

function assertMalformed(bytes: Uint8Array, name: string): void {
  const parsed = parseBundle(bytes);
  assert.ok(!parsed.ok, name);
  assert.equal(parsed.error.code, "BUNDLE_MALFORMED", name);
}

test("parseBundle gives back every part that encodeBundle wrote", () => {
  const bytes = bundleOf();
  const parsed = parseBundle(bytes);
  assert.ok(parsed.ok);
  const { header, prefix, nonce, ciphertext, tag } = parsed.value;
  assert.deepEqual(header, HEADER);
  assert.deepEqual([nonce[0], ciphertext[0], tag[0]], [0x33, 0x44, 0x55]);
  assert.deepEqual([nonce.length, ciphertext.length, tag.length], [12, 40, 16]);
  assert.deepEqual(encodeBundle({ prefix, nonce, ciphertext, tag }), bytes);
});

test("the bytes of a bundle are those of docs/bundle.md", () => {
  const header = { ...HEADER, wrappedKey: Uint8Array.of(0xaa, 0xbb) };
  assert.equal(
    Buffer.from(encodeBundlePrefix(header)).toString("hex"),
    [
      "52445442",
      "01",
      "0000007c",
      "86",
      `50${"11".repeat(16)}`,
      `6c${Buffer.from("redoubt/keys").toString("hex")}`,
      `784e${Buffer.from(ARN).toString("hex")}`,
      "42aabb",
      "03",
      `1b${HEADER.createdMs.toString(16).padStart(16, "0")}`,
    ].join(""),
  );
});

test("parseBundle refuses every bundle that breaks a rule of the format", () => {
  const whole = bundleOf();
  const rows: readonly (readonly [string, Uint8Array])[] = [
    ["nothing", new Uint8Array(0)],
    ["another magic", whole.with(0, 0x53)],
    ["version 0", whole.with(4, 0)],
    ["version 2", whole.with(4, 2)],
    ["a header length beyond the end", whole.with(7, 0x1f)],
    ["a header length beyond its limit", whole.with(5, 1)],
    ["no header", withHeaderBytes(new Uint8Array(0))],
    ["a header that is no array", withHeaderBytes(encodeCbor("redoubt/keys"))],
    ["a header that is a map", withHeaderBytes(encodeCbor(new Map([[1, 2]])))],
    ["a header of five items", withHeaderBytes(encodeCbor(ITEMS.slice(0, 5)))],
    ["a header of seven items", withHeaderBytes(encodeCbor([...ITEMS, 0]))],
    [
      "a byte after the header's array",
      withHeaderBytes(concatBytes(encodeCbor(ITEMS), Uint8Array.of(0))),
    ],
    ["an id of 15 bytes", withItem(0, new Uint8Array(15))],
    ["an id of 17 bytes", withItem(0, new Uint8Array(17))],
    ["an id that is text", withItem(0, "0123456789abcdef")],
    ["another purpose", withItem(1, "redoubt/state")],
    ["an alias instead of a key", withItem(2, "arn:aws:kms:eu-central-1:111122223333:alias/keys")],
    ["a bare key id", withItem(2, "1234abcd-12ab-34cd-56ef-1234567890ab")],
    ["a line break after the ARN", withItem(2, `${ARN}\n`)],
    ["no wrapped key", withItem(3, new Uint8Array(0))],
    ["a wrapped key over its limit", withItem(3, new Uint8Array(WRAPPED_KEY_BYTES_MAX + 1))],
    ["no keys", withItem(4, 0)],
    ["a negative count", withItem(4, -1)],
    ["one key too many", withItem(4, KEY_COUNT_MAX + 1)],
    ["a count that is a flag", withItem(4, true)],
    ["a time before 1970", withItem(5, -1)],
    ["a time after the year 9999", withItem(5, 253_402_300_800_000)],
    ["an array of indefinite length", withHeaderBytes(indefinite())],
    ["a longer head than needed", withHeaderBytes(longHead())],
    ["no ciphertext", concatBytes(encodeBundlePrefix(HEADER), new Uint8Array(28))],
    [
      "a bundle over its limit",
      concatBytes(whole, new Uint8Array(BUNDLE_BYTES_MAX - whole.length + 1)),
    ],
  ];
  for (const [name, bytes] of rows) assertMalformed(bytes, name);
});

function indefinite(): Uint8Array {
  return concatBytes(Uint8Array.of(0x9f), encodeCbor(ITEMS).subarray(1), Uint8Array.of(0xff));
}

function longHead(): Uint8Array {
  return concatBytes(Uint8Array.of(0x98, 6), encodeCbor(ITEMS).subarray(1));
}

test("parseBundle accepts what is exactly at a limit", () => {
  const atLimit = {
    ...HEADER,
    wrappedKey: new Uint8Array(WRAPPED_KEY_BYTES_MAX).fill(1),
    keyCount: KEY_COUNT_MAX,
  };
  const bytes = bundleOf(atLimit);
  assert.ok(parseBundle(bytes).ok);
  const filled = concatBytes(bytes, new Uint8Array(BUNDLE_BYTES_MAX - bytes.length));
  assert.ok(parseBundle(filled).ok);
});

test("parseBundle refuses every truncation before the ciphertext", () => {
  const whole = bundleOf(HEADER, 1);
  for (let length = 0; length < whole.length; length++) {
    assertMalformed(whole.subarray(0, length), `${length} bytes`);
  }
  assert.ok(parseBundle(whole).ok);
});

test("encodeBundlePrefix takes a header outside the format for a bug", () => {
  assert.throws(() => encodeBundlePrefix({ ...HEADER, keyArn: "alias/keys" }), InvariantError);
});

test("the encryption context names the bundle and its purpose", () => {
  assert.deepEqual(encryptionContextOf(HEADER), {
    "redoubt:bundle": "11".repeat(16),
    "redoubt:purpose": "redoubt/keys",
  });
});
