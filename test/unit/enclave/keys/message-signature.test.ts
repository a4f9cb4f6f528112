import assert from "node:assert/strict";
import { test } from "node:test";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { uncompressPublicKey } from "../../../../enclave/keys/ecdsa.ts";
import { MESSAGE_SIGNATURES } from "../../../../enclave/keys/message-signature.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import { isScheme, SCHEMES } from "../../../../shared/scheme.ts";
import { bytesOfHex, COMETBFT_KEYS, V2_ETH_FILE } from "../../../fakes/cometbft-keys.ts";

const SECP256K1_ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const BLS_ORDER = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
const ORDERS = {
  secp256k1: SECP256K1_ORDER,
  secp256k1eth: SECP256K1_ORDER,
  "bls12381-nul": BLS_ORDER,
} as const;

function hexOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString("hex");
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.with(at, (bytes[at] ?? 0) ^ 1);
}

/** The number that `hex` is, and `more`, as 32 bytes. */
function numberOf(hex: string, more: bigint): Uint8Array {
  return bytesOfHex((BigInt(`0x${hex}`) + more).toString(16).padStart(64, "0"));
}

test("every scheme derives and signs what CometBFT does, byte for byte", () => {
  const seen = new Set<string>(["bls12381-pop"]);
  for (const { scheme, secret, publicKey, signatures } of COMETBFT_KEYS) {
    seen.add(scheme);
    const signer = MESSAGE_SIGNATURES[scheme].open(bytesOfHex(secret));
    assert.equal(hexOf(signer?.publicKey), publicKey, scheme);
    assert.equal(signer?.publicKey.length, SCHEMES[scheme].publicKeyBytes);
    for (const { message, signature } of signatures) {
      const signed = signer?.sign(bytesOfHex(message));
      assert.equal(hexOf(signed), signature, `${scheme} ${message}`);
      assert.equal(signed?.length, SCHEMES[scheme].signatureBytes);
    }
  }
  assert.deepEqual([...seen].sort(), Object.keys(SCHEMES).sort());
});

test("every scheme verifies its own signature, and none with a changed bit or another length", () => {
  for (const { scheme, publicKey, signatures } of COMETBFT_KEYS.slice(0, 4)) {
    const { verify } = MESSAGE_SIGNATURES[scheme];
    const key = bytesOfHex(publicKey);
    const message = bytesOfHex(signatures[1]?.message ?? "");
    const signature = bytesOfHex(signatures[1]?.signature ?? "");
    assert.equal(verify(key, message, signature), true, scheme);
    const wrong: readonly (readonly [Uint8Array, Uint8Array, Uint8Array])[] = [
      [key, flip(message, 0), signature],
      [key, message.subarray(1), signature],
      [key, message, flip(signature, 0)],
      [key, message, flip(signature, 40)],
      [key, message, flip(signature, signature.length - 1)],
      [key, message, signature.subarray(1)],
      [key, message, signature.subarray(0, -1)],
      [key, message, Uint8Array.of(...signature, 0)],
      [key, message, new Uint8Array(0)],
      [key, message, new Uint8Array(signature.length)],
      [key, message, new Uint8Array(signature.length).fill(255)],
      [flip(key, 1), message, signature],
      [flip(key, key.length - 1), message, signature],
      [key.subarray(1), message, signature],
      [Uint8Array.of(...key, 0), message, signature],
      [new Uint8Array(0), message, signature],
      [new Uint8Array(key.length), message, signature],
    ];
    for (const [index, row] of wrong.entries()) {
      assert.equal(verify(...row), false, `${scheme}, row ${index}`);
    }
  }
});

test("no scalar is taken that is zero, the group order or above", () => {
  for (const [scheme, order] of Object.entries(ORDERS)) {
    assert(isScheme(scheme) && scheme !== "bls12381-pop");
    const { open } = MESSAGE_SIGNATURES[scheme];
    for (const more of [-1n, -2n]) assert(open(numberOf(order, more)) !== null, scheme);
    for (const more of [0n, 1n, 2n]) assert.equal(open(numberOf(order, more)), null, scheme);
    assert.equal(open(new Uint8Array(32)), null, scheme);
    assert.equal(open(new Uint8Array(32).fill(255)), null, scheme);
    assert.equal(open(new Uint8Array(31).fill(1)), null, scheme);
    assert.equal(open(new Uint8Array(33).fill(1)), null, scheme);
  }
});

test("ECDSA signatures have a low s and nonces of RFC 6979, and verify takes no high s", () => {
  const order = BigInt(`0x${SECP256K1_ORDER}`);
  for (const scheme of ["secp256k1", "secp256k1eth"] as const) {
    const { open, verify } = MESSAGE_SIGNATURES[scheme];
    const signer = open(numberOf("abcdef", 0n));
    assert(signer !== null);
    for (let index = 0; index < 16; index++) {
      const message = Uint8Array.of(index);
      const signature: Uint8Array = signer.sign(message);
      assert.deepEqual(signer.sign(message), signature);
      const s = BigInt(`0x${hexOf(signature.subarray(32, 64))}`);
      assert.ok(s <= order / 2n);
      const high = signature.slice();
      high.set(numberOf((order - s).toString(16), 0n), 32);
      if (scheme === "secp256k1eth") high[64] = (high[64] ?? 0) ^ 1;
      assert.equal(verify(signer.publicKey, message, high), false);
      assert.equal(verify(signer.publicKey, message, signature), true);
    }
  }
});

test("secp256k1eth says in v which of two keys it was, and verify takes no other v", () => {
  const { open, verify } = MESSAGE_SIGNATURES.secp256k1eth;
  const signer = open(numberOf("1234", 0n));
  assert(signer !== null);
  const seen = new Set<number | undefined>();
  for (let index = 0; index < 16; index++) {
    const message = Uint8Array.of(index);
    const signature: Uint8Array = signer.sign(message);
    const v = signature[64];
    seen.add(v);
    assert(v === 0 || v === 1);
    for (const other of [0, 1, 2, 3, 27, 28, 255]) {
      const isSame: boolean = other === v;
      assert.equal(verify(signer.publicKey, message, signature.with(64, other)), isSame);
    }
  }
  assert.equal(seen.size, 2);
});

test("secp256k1eth takes no v for an x above the group order, as a node takes none", () => {
  const { verify } = MESSAGE_SIGNATURES.secp256k1eth;
  const digest = keccak_256(new Uint8Array(1));
  // Of x = order + r there is a point for about every other r.
  const found = Array.from({ length: 20 }, (_, index) => {
    const signature = new secp256k1.Signature(BigInt(index + 1), 1n, 2);
    try {
      return { signature, publicKey: signature.recoverPublicKey(digest).toBytes(true) };
    } catch {
      return null;
    }
  }).find((each) => each !== null);
  assert(found !== undefined && found !== null);
  const { signature, publicKey } = found;
  const form = { prehash: false, format: "recovered" } as const;
  assert.ok(secp256k1.verify(signature.toBytes("recovered"), digest, publicKey, form));
  const written = Uint8Array.of(...signature.toBytes("compact"), 2);
  assert.equal(verify(publicKey, new Uint8Array(1), written), false);
});

test("a public key or signature in another form than the scheme's is none", () => {
  for (const { scheme, publicKey, signatures } of COMETBFT_KEYS.slice(0, 4)) {
    const { verify } = MESSAGE_SIGNATURES[scheme];
    const key = bytesOfHex(publicKey);
    const { message, signature } = signatures[1] ?? { message: "", signature: "" };
    if (scheme === "secp256k1" || scheme === "secp256k1eth") {
      const other = uncompressPublicKey(key);
      assert.equal(verify(other, bytesOfHex(message), bytesOfHex(signature)), false);
    }
    if (scheme !== "bls12381-nul") continue;
    const { G1, G2 } = bls12_381;
    const compressed = G1.Point.fromBytes(key).toBytes(true);
    const long = G2.Point.fromBytes(bytesOfHex(signature)).toBytes(false);
    assert.equal(verify(compressed, bytesOfHex(message), bytesOfHex(signature)), false);
    assert.equal(verify(key, bytesOfHex(message), long), false);
  }
});

test("a seed of another length is a bug", () => {
  for (const length of [0, 31, 33, 64]) {
    const seed = new Uint8Array(length);
    assert.throws(() => MESSAGE_SIGNATURES.ed25519.open(seed), InvariantError);
  }
});

test("a public key is uncompressed as CometBFT v2 writes it", () => {
  const eth = COMETBFT_KEYS.find(({ scheme }) => scheme === "secp256k1eth");
  const uncompressed = uncompressPublicKey(bytesOfHex(eth?.publicKey ?? ""));
  assert.equal(Buffer.from(uncompressed).toString("base64"), V2_ETH_FILE.pub_key.value);
  assert.deepEqual(
    secp256k1.Point.fromBytes(uncompressed).toBytes(true),
    bytesOfHex(eth?.publicKey ?? ""),
  );
});

test("BLS verifies under no key outside the group, and under none at infinity", () => {
  const { verify, open } = MESSAGE_SIGNATURES["bls12381-nul"];
  const signature = open(numberOf("7", 0n))?.sign(new Uint8Array(1)) ?? new Uint8Array(0);
  const infinity = new Uint8Array(96);
  infinity[0] = 0x40;
  const infiniteSignature = new Uint8Array(96);
  infiniteSignature[0] = 0xc0;
  // On the curve, not in the group (cometbft, crypto/bls12381 "NotInG1").
  const { G1, fields } = bls12_381;
  const x = BigInt(`0x${"0123456789abcdef".repeat(6)}`);
  const y = fields.Fp.sqrt(fields.Fp.create(x ** 3n + 4n));
  const outside = bytesOfHex(x.toString(16).padStart(96, "0") + y.toString(16).padStart(96, "0"));
  assert.throws(() => G1.Point.fromBytes(outside));
  assert.equal(verify(outside, new Uint8Array(1), signature), false);
  assert.equal(verify(infinity, new Uint8Array(1), signature), false);
  assert.equal(verify(infinity, new Uint8Array(1), infiniteSignature), false);
});
