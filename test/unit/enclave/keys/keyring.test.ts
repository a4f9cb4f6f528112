import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { type OpenedBundle, openBundle } from "../../../../enclave/keys/bundle.ts";
import { Keyring } from "../../../../enclave/keys/keyring.ts";
import { exportSecrets, RootKey } from "../../../../enclave/keys/signing-key.ts";
import { concatBytes, isZeroBytes } from "../../../../shared/bytes/compare.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import { BUNDLE_COUNT_MAX } from "../../../../shared/limits.ts";
import { bundleKeyOf, FakeKms, KEY_ARN, sealKeys, secretOf } from "../../../fakes/sealed-keys.ts";

const kms = new FakeKms();
const ROOT = new Uint8Array(32).fill(0x5a);

async function opened(...numbers: readonly number[]): Promise<OpenedBundle> {
  return openKeys(await sealKeys(numbers.map(bundleKeyOf), kms));
}

async function openKeys(bytes: Uint8Array): Promise<OpenedBundle> {
  const content = await openBundle(bytes, KEY_ARN, kms);
  assert.ok(content.ok && content.value.purpose === "redoubt/keys");
  return content.value.bundle;
}

function publicKeyOf(number: number): Uint8Array {
  return bundleKeyOf(number).publicKey;
}

test("find answers the key of exactly these bytes, and it signs as @noble/curves does", async () => {
  const keyring = new Keyring();
  assert.ok(keyring.add(await opened(1, 2)).ok);
  const key = keyring.find(publicKeyOf(2));
  assert.ok(key instanceof RootKey);
  assert.deepEqual(key.publicKey, publicKeyOf(2));
  assert.equal(key.scheme, "bls12381-pop");
  const { longSignatures } = bls12_381;
  const hashed = longSignatures.hash(ROOT, "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_");
  const expected = longSignatures.Signature.toBytes(longSignatures.sign(hashed, secretOf(2)));
  assert.deepEqual(new Uint8Array(key.sign(ROOT)), new Uint8Array(expected));
  assert.equal(keyring.find(publicKeyOf(3)), undefined);
  assert.equal(keyring.find(new Uint8Array(0)), undefined);
  assert.equal(keyring.find(concatBytes(publicKeyOf(2), Uint8Array.of(0))), undefined);
  assert.equal(keyring.find(concatBytes(Uint8Array.of(0), publicKeyOf(2)).subarray(1)), key);
});

test("the MAC key is HKDF-SHA256 of the secret, for this purpose and this public key", async () => {
  const keyring = new Keyring();
  assert.ok(keyring.add(await opened(5)).ok);
  const extracted = createHmac("sha256", "redoubt").update(secretOf(5)).digest();
  const expected = createHmac("sha256", extracted)
    .update("state record v1 ")
    .update(publicKeyOf(5))
    .update(Uint8Array.of(1))
    .digest("hex");
  const key = keyring.find(publicKeyOf(5));
  assert.equal(Buffer.from(key?.macKey ?? []).toString("hex"), expected);
});

test("signing anything but 32 bytes is a bug", async () => {
  const [key] = (await opened(1)).keys;
  assert.ok(key instanceof RootKey);
  for (const length of [31, 33]) {
    assert.throws(() => key.sign(new Uint8Array(length)), InvariantError);
  }
});

test("add takes a bundle whole or not at all when a key is loaded already", async () => {
  const keyring = new Keyring();
  assert.ok(keyring.add(await opened(1, 2)).ok);
  const second = await opened(2, 3);
  const refused = keyring.add(second);
  assert.ok(!refused.ok);
  assert.equal(refused.error.code, "KEY_DUPLICATE");
  assert.equal(keyring.keyCount, 2);
  assert.equal(keyring.find(publicKeyOf(3)), undefined);
  assert.equal(keyring.hasBundle(second.id), false);
  assert.ok(second.material.secrets.isWiped && second.material.macKeys.isWiped);
  assert.ok(keyring.add(await opened(3)).ok);
});

test("add refuses a bundle that is loaded already", async () => {
  const keyring = new Keyring();
  const bytes = await sealKeys([bundleKeyOf(1)], kms);
  const [a, b] = [await openKeys(bytes), await openKeys(bytes)];
  assert.ok(keyring.add(a).ok);
  assert.ok(keyring.hasBundle(b.id));
  const again = keyring.add(b);
  assert.ok(!again.ok);
  assert.equal(again.error.code, "KEY_DUPLICATE");
  assert.equal(isZeroBytes(keyring.find(publicKeyOf(1))?.macKey ?? new Uint8Array(1)), false);
});

test("add takes as many keys as the limit says, and not one more", async () => {
  const keyring = new Keyring(3);
  assert.ok(keyring.add(await opened(1, 2)).ok);
  const tooMany = keyring.add(await opened(3, 4));
  assert.ok(!tooMany.ok);
  assert.equal(tooMany.error.code, "BUNDLE_LIMIT");
  assert.ok(keyring.add(await opened(3)).ok);
  assert.equal(keyring.keyCount, 3);
});

test("add takes 256 bundles and not one more", async () => {
  const keyring = new Keyring();
  for (let number = 1; number <= BUNDLE_COUNT_MAX; number++) {
    assert.ok(keyring.add(await opened(number)).ok);
  }
  const tooMany = keyring.add(await opened(BUNDLE_COUNT_MAX + 1));
  assert.ok(!tooMany.ok);
  assert.equal(tooMany.error.code, "BUNDLE_LIMIT");
});

test("retain drops the other bundles, wipes their secrets and counts their keys", async () => {
  const keyring = new Keyring();
  const [a, b] = [await opened(1, 2), await opened(3)];
  assert.ok(keyring.add(a).ok && keyring.add(b).ok);
  const inFlight = keyring.find(publicKeyOf(1));
  assert.deepEqual(keyring.bundleIds(), [a.id, b.id]);
  assert.equal(keyring.retain([b.id, new Uint8Array(16)]), 2);
  assert.deepEqual(keyring.bundleIds(), [b.id]);
  assert.equal(keyring.find(publicKeyOf(1)), undefined);
  assert.ok(keyring.find(publicKeyOf(3)) !== undefined);
  assert.ok(a.material.secrets.isWiped);
  assert.ok(!b.material.secrets.isWiped);
  // What was in flight still ends, with its own MAC key and not with zeroes.
  assert.ok(inFlight instanceof RootKey);
  assert.ok(!isZeroBytes(inFlight.macKey));
  assert.equal(inFlight.sign(ROOT).length, 96);
  assert.throws(() => exportSecrets([inFlight]), InvariantError);
  assert.equal(keyring.retain([b.id]), 0);
});

test("list and keySetDigest depend on the keys alone", async () => {
  const [one, other] = [new Keyring(), new Keyring()];
  assert.ok(one.add(await opened(1, 2)).ok && one.add(await opened(3)).ok);
  assert.ok(other.add(await opened(3, 1)).ok && other.add(await opened(2)).ok);
  const listed = one.list().map((key) => Buffer.from(key.publicKey).toString("hex"));
  assert.deepEqual(listed, [...listed].sort());
  assert.deepEqual(
    other.list().map((key) => Buffer.from(key.publicKey).toString("hex")),
    listed,
  );
  assert.equal(one.list(), one.list());
  const entries = one.list().map((key) => concatBytes(Uint8Array.of(1, 48), key.publicKey));
  const expected = createHash("sha384")
    .update(concatBytes(...entries))
    .digest();
  assert.deepEqual(one.keySetDigest(), new Uint8Array(expected));
  assert.deepEqual(other.keySetDigest(), new Uint8Array(expected));
  other.retain([]);
  assert.equal(other.keyCount, 0);
  assert.deepEqual(other.keySetDigest(), new Uint8Array(createHash("sha384").digest()));
});

test("exportSecrets copies the secrets in the order asked for, and wipe ends all", async () => {
  const keyring = new Keyring();
  const bundle = await opened(1, 2);
  assert.ok(keyring.add(bundle).ok);
  const keys = [2, 1].map((number) => keyring.find(publicKeyOf(number)));
  const [a, b] = keys;
  assert.ok(a instanceof RootKey && b instanceof RootKey);
  const shared = new Uint8Array(exportSecrets([a, b]));
  assert.deepEqual(shared.slice(), concatBytes(secretOf(2), secretOf(1)));
  keyring.wipe();
  assert.equal(keyring.keyCount, 0);
  assert.deepEqual(keyring.bundleIds(), []);
  assert.ok(bundle.material.secrets.isWiped && bundle.material.macKeys.isWiped);
  assert.throws(() => a.macKey, InvariantError);
});
