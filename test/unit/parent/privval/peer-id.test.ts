// Names as go-libp2p 0.47.0 writes them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { base58btc } from "multiformats/bases/base58";
import { parsePeerId, peerIdOfEd25519 } from "../../../../parent/privval/peer-id.ts";
import { identityOfSeed } from "../../../../parent/privval/privval-identity.ts";

/** Of the key whose seed is 32 times 1, and of the scalar of 32 times 5. */
const ED25519_ID = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
const SECP256K1_ID = "16Uiu2HAmKJUfVbtUB1v3BMUivfcpN6smx5u6z2jqxjQYEwwuKH9Q";

function base58(...bytes: readonly number[]): string {
  return base58btc.baseEncode(Uint8Array.from(bytes));
}

test("peerIdOfEd25519 writes what go-libp2p does", () => {
  const { publicKey } = identityOfSeed(new Uint8Array(32).fill(1));
  assert.equal(peerIdOfEd25519(publicKey), ED25519_ID);
});

test("parsePeerId takes the names of both kinds of node keys", () => {
  for (const id of [ED25519_ID, SECP256K1_ID]) {
    assert.deepEqual(parsePeerId(id), { ok: true, value: id });
  }
});

test("parsePeerId refuses digests, other kinds, other spellings, and keys that can't be", () => {
  const key = Array.from({ length: 32 }, () => 7);
  const rows: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["less", ED25519_ID.slice(0, -1)],
    ["more", `${ED25519_ID}1`],
    ["a leading zero byte more", `1${ED25519_ID}`],
    ["a space before it", ` ${ED25519_ID}`],
    ["a space behind it", `${ED25519_ID} `],
    ["no base58", ED25519_ID.replace("K", "0")],
    ["a CID", "bafzaajaiaejcb4xk7zb7yivnjqvdvvg3hqxfrpkfvdvtnq2nqqz3xnpvvvvvvvvv"],
    ["a digest", base58(0x12, 32, ...key)],
    ["Ed25519, said to be secp256k1", base58(0, 36, 8, 2, 0x12, 32, ...key)],
    ["an RSA key", base58(0, 36, 8, 0, 0x12, 32, ...key)],
    ["another length", base58(0, 35, 8, 1, 0x12, 31, ...key.slice(1))],
    ["a length that is not true", base58(0, 36, 8, 1, 0x12, 31, ...key)],
    ["no point of secp256k1", base58(0, 37, 8, 2, 0x12, 33, 2, ...key.map(() => 0xff))],
    ["a node id of SecretConnection", "53ac1ab90ae04fe50c1ed6293c1fde802858bf87"],
  ];
  for (const [name, text] of rows) {
    assert.deepEqual(parsePeerId(text), { ok: false, error: "PEER_ID" }, name);
  }
});
