import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BundleKey,
  encodeBundleKeys,
  parseBundleKeys,
} from "../../../../shared/bundle/keys.ts";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import { BUNDLE_BYTES_MAX, KEY_COUNT_MAX } from "../../../../shared/limits.ts";
import { SCHEMES } from "../../../../shared/scheme.ts";

const ENTRY_BYTES = 85;

function keyOf(number: number): BundleKey {
  const publicKey = new Uint8Array(48);
  new DataView(publicKey.buffer).setUint32(0, number);
  return { scheme: "bls12381-pop", publicKey, secret: new Uint8Array(32).fill(number & 255) };
}

function keysOf(count: number): readonly BundleKey[] {
  return Array.from({ length: count }, (_, index) => keyOf(index));
}

function assertMalformed(bytes: Uint8Array, name: string): void {
  const parsed = parseBundleKeys(bytes);
  assert.ok(!parsed.ok, name);
  assert.equal(parsed.error.code, "BUNDLE_MALFORMED", name);
}

test("parseBundleKeys gives back what encodeBundleKeys wrote, in ascending order", () => {
  const plaintext = encodeBundleKeys([keyOf(7), keyOf(2), keyOf(900)]);
  const parsed = parseBundleKeys(plaintext);
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value, [keyOf(2), keyOf(7), keyOf(900)]);
  assert.deepEqual(encodeBundleKeys(parsed.value), plaintext);
});

test("keys of all schemes fit into one bundle, by scheme number and then by public key", () => {
  const schemes = ["secp256k1eth", "bls12381-nul", "ed25519", "bls12381-pop", "secp256k1"] as const;
  const keys = schemes.flatMap((scheme) =>
    [2, 1].map((fill) => ({
      scheme,
      publicKey: new Uint8Array(SCHEMES[scheme].publicKeyBytes).fill(fill),
      secret: new Uint8Array(SCHEMES[scheme].secretKeyBytes).fill(fill + 10),
    })),
  );
  const parsed = parseBundleKeys(encodeBundleKeys(keys));
  assert.ok(parsed.ok);
  const order = ["bls12381-pop", "ed25519", "secp256k1", "bls12381-nul", "secp256k1eth"];
  assert.deepEqual(
    parsed.value.map(({ scheme, publicKey }) => [scheme, publicKey[0]]),
    order.flatMap((scheme) => [
      [scheme, 1],
      [scheme, 2],
    ]),
  );
  for (const key of parsed.value) {
    assert.deepEqual(
      key,
      keys.find((each) => each.scheme === key.scheme && each.publicKey[0] === key.publicKey[0]),
    );
  }
});

test("a bundle of as many of the longest keys as there may be is within its limit", () => {
  const entryBytes = Object.values(SCHEMES).map(
    ({ publicKeyBytes, secretKeyBytes }) => 5 + publicKeyBytes + secretKeyBytes,
  );
  assert.equal(Math.max(...entryBytes), 133);
  assert.ok(Math.max(...entryBytes) * KEY_COUNT_MAX + 16_384 <= BUNDLE_BYTES_MAX);
});

test("parseBundleKeys hands out views, so that wiping the plaintext wipes the secrets", () => {
  const plaintext = encodeBundleKeys([keyOf(7)]);
  const parsed = parseBundleKeys(plaintext);
  assert.ok(parsed.ok);
  plaintext.fill(0);
  assert.deepEqual(parsed.value[0]?.secret, new Uint8Array(32));
});

test("parseBundleKeys refuses every plaintext that breaks a rule", () => {
  const one = encodeBundleKeys([keyOf(1)]);
  const two = encodeBundleKeys([keyOf(2)]);
  const rows: readonly (readonly [string, Uint8Array])[] = [
    ["no key", new Uint8Array(0)],
    ["a trailing byte", concatBytes(one, Uint8Array.of(0))],
    ["a byte in front", concatBytes(Uint8Array.of(0), one)],
    ["scheme 0", one.with(0, 0)],
    ["another scheme", one.with(0, 2)],
    ["an unknown scheme", one.with(0, 6)],
    ["a public key of 47 bytes", one.with(2, 47)],
    ["a public key of 304 bytes", one.with(1, 1)],
    ["a secret of 31 bytes", one.with(52, 31)],
    ["a secret of 288 bytes", one.with(51, 1)],
    ["the same key twice", concatBytes(one, one)],
    ["the same key with another secret", concatBytes(one, one.with(84, 9))],
    ["descending keys", concatBytes(two, one)],
  ];
  for (const [name, bytes] of rows) assertMalformed(bytes, name);
  for (let length = 0; length < one.length; length++) {
    assertMalformed(one.subarray(0, length), `${length} bytes`);
    if (length > 0) assertMalformed(concatBytes(one, two.subarray(0, length)), `${length} more`);
  }
  assert.ok(parseBundleKeys(concatBytes(one, two)).ok);
});

test("parseBundleKeys takes 100,000 keys and not one more", () => {
  const plaintext = encodeBundleKeys(keysOf(KEY_COUNT_MAX));
  assert.equal(plaintext.length, KEY_COUNT_MAX * ENTRY_BYTES);
  const parsed = parseBundleKeys(plaintext);
  assert.ok(parsed.ok);
  assert.equal(parsed.value.length, KEY_COUNT_MAX);
  assertMalformed(
    concatBytes(plaintext, encodeBundleKeys([keyOf(KEY_COUNT_MAX)])),
    "one key too many",
  );
});

test("encodeBundleKeys takes a duplicate, a wrong length and no keys for bugs", () => {
  assert.throws(() => encodeBundleKeys([]), InvariantError);
  assert.throws(() => encodeBundleKeys([keyOf(1), keyOf(1)]), InvariantError);
  const short = { ...keyOf(1), secret: new Uint8Array(31) };
  assert.throws(() => encodeBundleKeys([short]), InvariantError);
});
