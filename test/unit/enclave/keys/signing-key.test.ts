import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { KeyMaterial } from "../../../../enclave/keys/key-material.ts";
import { MESSAGE_SIGNATURES } from "../../../../enclave/keys/message-signature.ts";
import type { MessageScheme, MessageSignature } from "../../../../enclave/keys/message-signer.ts";
import { loadKey, MessageKey, RootKey } from "../../../../enclave/keys/signing-key.ts";
import { isZeroBytes } from "../../../../shared/bytes/compare.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import {
  bytesOfHex,
  bytesOfKey,
  COMETBFT_KEYS,
  type CometbftKey,
} from "../../../fakes/cometbft-keys.ts";
import { bundleKeyOf } from "../../../fakes/sealed-keys.ts";

const FIRST = COMETBFT_KEYS.slice(0, 4);
const MESSAGE = new Uint8Array(120).fill(7);

function keyOf(vector: CometbftKey) {
  return { scheme: vector.scheme, ...bytesOfKey(vector) };
}

function keyOfScheme(scheme: MessageScheme) {
  const key = FIRST.find((each) => each.scheme === scheme);
  assert(key !== undefined);
  return { ...keyOf(key), scheme };
}

test("loadKey makes a root key of Ethereum's scheme, and a message key of every other", () => {
  assert.ok(loadKey(bundleKeyOf(1), new KeyMaterial(1), 0) instanceof RootKey);
  for (const vector of FIRST) {
    const key = loadKey(keyOf(vector), new KeyMaterial(1), 0);
    assert.ok(key instanceof MessageKey);
    assert.equal(key.scheme, vector.scheme);
    assert.deepEqual(key.publicKey, bytesOfHex(vector.publicKey));
    for (const { message, signature } of vector.signatures) {
      const signed = key.sign(bytesOfHex(message));
      assert.ok(signed.ok);
      assert.equal(Buffer.from(signed.value).toString("hex"), signature);
    }
  }
});

test("loadKey refuses a public key that is not the secret's, and what is no secret", () => {
  for (const vector of FIRST) {
    const key = keyOf(vector);
    const last = key.publicKey.length - 1;
    for (const at of [0, last]) {
      const publicKey = key.publicKey.with(at, (key.publicKey[at] ?? 0) ^ 1);
      assert.equal(loadKey({ ...key, publicKey }, new KeyMaterial(1), 0), undefined);
    }
    const secret = key.secret.with(31, (key.secret[31] ?? 0) ^ 1);
    assert.equal(loadKey({ ...key, secret }, new KeyMaterial(1), 0), undefined, vector.scheme);
    const zero = { ...key, secret: new Uint8Array(32) };
    assert.equal(loadKey(zero, new KeyMaterial(1), 0), undefined, vector.scheme);
  }
});

test("a root key takes Ethereum's scheme only", () => {
  const key = keyOfScheme("ed25519");
  assert.throws(() => RootKey.load(key, new KeyMaterial(1), 0), InvariantError);
});

test("the MAC key of a message key is HKDF-SHA256 of the secret and this public key", () => {
  for (const vector of FIRST) {
    const key = loadKey(keyOf(vector), new KeyMaterial(1), 0);
    const extracted = createHmac("sha256", "redoubt").update(bytesOfHex(vector.secret)).digest();
    const expected = createHmac("sha256", extracted)
      .update("state record v1 ")
      .update(bytesOfHex(vector.publicKey))
      .update(Uint8Array.of(1))
      .digest("hex");
    assert.equal(Buffer.from(key?.macKey ?? []).toString("hex"), expected);
  }
});

test("keys of one bundle share its memory, and each signs with its own secret", () => {
  const material = new KeyMaterial(FIRST.length);
  const keys = FIRST.map((vector, index) => loadKey(keyOf(vector), material, index));
  for (const [index, vector] of FIRST.entries()) {
    const key = keys[index];
    assert.ok(key instanceof MessageKey);
    assert.deepEqual(material.secrets.at(index), bytesOfHex(vector.secret));
    const signed = key.sign(MESSAGE);
    assert.ok(signed.ok);
    assert.ok(MESSAGE_SIGNATURES[key.scheme].verify(key.publicKey, MESSAGE, signed.value));
  }
});

test("a message key signs nothing once its bundle's secrets are wiped, and still has its MAC key", () => {
  for (const vector of FIRST) {
    const material = new KeyMaterial(1);
    const key = loadKey(keyOf(vector), material, 0);
    assert.ok(key instanceof MessageKey);
    material.secrets.wipe();
    const refused = key.sign(MESSAGE);
    assert.ok(!refused.ok);
    assert.equal(refused.error.code, "KEY_UNKNOWN");
    assert.equal(isZeroBytes(key.macKey), false);
    material.wipe();
    assert.throws(() => key.macKey, InvariantError);
  }
});

/** As `scheme`, but what `change` makes of each signature. */
function faulty(scheme: MessageScheme, change: (signature: Uint8Array) => Uint8Array) {
  const sound = MESSAGE_SIGNATURES[scheme];
  const open: MessageSignature["open"] = (secret) => {
    const signer = sound.open(secret);
    return signer && { ...signer, sign: (message) => change(signer.sign(message)) };
  };
  return { ...sound, open };
}

test("a faulty Ed25519 or ECDSA signature is never released", () => {
  for (const scheme of ["ed25519", "secp256k1", "secp256k1eth"] as const) {
    const length = MESSAGE_SIGNATURES[scheme]
      .open(keyOfScheme(scheme).secret)
      ?.sign(MESSAGE).length;
    for (const at of [0, 33, (length ?? 0) - 1]) {
      const flip = (signature: Uint8Array) => signature.with(at, (signature[at] ?? 0) ^ 1);
      const key = MessageKey.load(keyOfScheme(scheme), new KeyMaterial(1), 0, faulty(scheme, flip));
      const outcome = key?.sign(MESSAGE);
      assert.deepEqual(outcome, { ok: false, error: { code: "SIGN_FAULT" } }, `${scheme} ${at}`);
    }
  }
});

test("a library that throws is a fault, and what it says goes no further", () => {
  for (const scheme of ["ed25519", "secp256k1", "secp256k1eth", "bls12381-nul"] as const) {
    const signature = faulty(scheme, () => {
      throw new Error("the nonce was 4");
    });
    const key = MessageKey.load(keyOfScheme(scheme), new KeyMaterial(1), 0, signature);
    assert.deepEqual(key?.sign(MESSAGE), { ok: false, error: { code: "SIGN_FAULT" } });
  }
});

test("a BLS signature is not verified: that would take longer than to sign", () => {
  const signature: MessageSignature = {
    ...MESSAGE_SIGNATURES["bls12381-nul"],
    verify: () => assert.fail("it was verified"),
  };
  const key = MessageKey.load(keyOfScheme("bls12381-nul"), new KeyMaterial(1), 0, signature);
  assert.equal(key?.sign(MESSAGE).ok, true);
});

test("exactly the schemes whose key a wrong signature gives away are verified", () => {
  const verified = Object.entries(MESSAGE_SIGNATURES).filter(([, { canLeakKey }]) => canLeakKey);
  assert.deepEqual(verified.map(([name]) => name).sort(), ["ed25519", "secp256k1", "secp256k1eth"]);
});
