// The pure part of the handshake against the published vector, and against every byte out of place.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeIdOf } from "../../../../parent/privval/privval-identity.ts";
import {
  deriveSecrets,
  encodeAuth,
  encodeEphemeral,
  makeEphemeral,
  parseEphemeral,
  verifyAuth,
} from "../../../../parent/privval/secret-handshake.ts";
import { CHALLENGE, SIDE_A, SIDE_B } from "../../../fakes/secret-vectors.ts";

const A_PK = "8f5a716b651b628b3e6fffd28f8b1fafc765fcfca53f7cad89f4680585c76680";
const B_PK = "1ac739117419d70a79bc031b74a7dbcf3e1d6f82342693078d526ddbd41984c2";
const A_EPHEMERAL = "2faa1fdf0320284c3f8aae4f30c89f02bffac563155ddd572e887214464f5463";
const B_EPHEMERAL = "b129035e9bfe7416c0288b0f0914faee07392ed5ce9073ee0d13ae6f7654f07a";
const FIRST = "0763a27fc021bc40ef098f0e7e56892a26a68cd8e14116793d7abef93dc9a25f";
const SECOND = "a34390198e6cd8ca13d3de08622412e789a8996785e3860953c4e7cd16959950";
const A_SIGNATURE =
  "2735eb20c3f2b8d6643d761be7d873427ccbb83fd6f64d04e5cbf8a1fa523422" +
  "dcbc17fe2fb831fcb378cf17136f19e67defaebbcbc06135df8a7471734e9406";
const B_SIGNATURE =
  "fc9ecf23994aef6a1eae80ebb2fe10ac8784b9ec08cf1d17a19a5d87c1217e11" +
  "430f955c7f6c213a7f00a9cecd181214c3ffc62b352417c775dec6c93b3d7f0a";

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

function codeOf(result: { ok: true } | { ok: false; error: { code: string } }): string {
  return result.ok ? "ok" : result.error.code;
}

test("both sides derive the vector's keys and challenge", () => {
  const a = deriveSecrets(SIDE_A.ephemeral, bytes(B_EPHEMERAL));
  const b = deriveSecrets(SIDE_B.ephemeral, bytes(A_EPHEMERAL));
  assert(a.ok && b.ok);
  assert.deepEqual(
    [hex(a.value.receiveKey), hex(a.value.sendKey), hex(a.value.challenge)],
    [FIRST, SECOND, hex(CHALLENGE)],
  );
  assert.deepEqual(
    [hex(b.value.receiveKey), hex(b.value.sendKey), hex(b.value.challenge)],
    [SECOND, FIRST, hex(CHALLENGE)],
  );
});

test("messages of both sides are the vector's, and are read back", () => {
  for (const [side, ephemeral, publicKey, signature] of [
    [SIDE_A, A_EPHEMERAL, A_PK, A_SIGNATURE],
    [SIDE_B, B_EPHEMERAL, B_PK, B_SIGNATURE],
  ] as const) {
    const first = encodeEphemeral(side.ephemeral);
    assert.equal(hex(first), `220a20${ephemeral}`);
    const parsed = parseEphemeral(first);
    assert(parsed.ok);
    assert.equal(hex(parsed.value), ephemeral);
    const auth = encodeAuth(side.identity, CHALLENGE);
    assert.equal(hex(auth), `660a220a20${publicKey}1240${signature}`);
    const verified = verifyAuth(auth, CHALLENGE);
    assert(verified.ok);
    assert.equal(hex(verified.value), publicKey);
  }
  assert.equal(nodeIdOf(bytes(A_PK)), "53ac1ab90ae04fe50c1ed6293c1fde802858bf87");
});

test("parseEphemeral refuses every other length and head", () => {
  const message = encodeEphemeral(SIDE_A.ephemeral);
  const wrong = [
    new Uint8Array(0),
    message.subarray(0, 34),
    Buffer.concat([message, Uint8Array.of(0)]),
    bytes(`21${hex(message).slice(2)}`),
    bytes(`2212${hex(message).slice(4)}`),
    bytes(`220a1f${hex(message).slice(6)}`),
  ];
  for (const each of wrong) assert.equal(codeOf(parseEphemeral(each)), "PRIVVAL_HANDSHAKE");
});

test("deriveSecrets refuses our own key and every key of low order", () => {
  const local = makeEphemeral();
  assert.equal(codeOf(deriveSecrets(local, local.publicKey)), "PRIVVAL_HANDSHAKE");
  assert.equal(codeOf(deriveSecrets(local, makeEphemeral().publicKey)), "ok");
  const middle = "ff".repeat(30);
  for (const low of [
    "00".repeat(32),
    `01${"00".repeat(31)}`,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    `ec${middle}7f`,
    `ed${middle}7f`,
    `ee${middle}7f`,
  ]) {
    assert.equal(codeOf(deriveSecrets(local, bytes(low))), "PRIVVAL_HANDSHAKE", low);
  }
});

test("verifyAuth refuses every flipped bit, other lengths, and another challenge", () => {
  const auth = encodeAuth(SIDE_B.identity, CHALLENGE);
  for (let at = 0; at < auth.length; at++) {
    const flipped = auth.slice();
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    assert.equal(codeOf(verifyAuth(flipped, CHALLENGE)), "PRIVVAL_HANDSHAKE", `byte ${at}`);
  }
  const wrong = [auth.subarray(0, -1), Buffer.concat([auth, Uint8Array.of(0)]), new Uint8Array(0)];
  for (const each of wrong) {
    assert.equal(codeOf(verifyAuth(each, CHALLENGE)), "PRIVVAL_HANDSHAKE");
  }
  assert.equal(codeOf(verifyAuth(auth, new Uint8Array(32))), "PRIVVAL_HANDSHAKE");
});
