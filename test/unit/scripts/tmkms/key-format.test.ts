import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeBech32 } from "../../../../scripts/tmkms/bech32.ts";
import { formatConsensusKey } from "../../../../scripts/tmkms/key-format.ts";

/** From the tests of tendermint-rs (tendermint/src/public_key.rs), made there by the Cosmos SDK. */
const KEY = Buffer.from("4a25c6640a1f72b9c975338294ef51b6d1c33158bb6ecba69fbc3fb5a33c9dce", "hex");
const SHOWN = "cosmosvalconspub1zcjduepqfgjuveq2raetnjt4xwpffm63kmguxv2chdhvhf5lhslmtgeunh8qmf7exk";

/** BIP-173's valid checksums, and a key. */
const BECH32: readonly (readonly [prefix: string, hex: string, text: string])[] = [
  ["a", "", "a12uel5l"],
  [
    "abcdef",
    "00443214c74254b635cf84653a56d7c675be77df",
    "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
  ],
  // As a node of wasmd printed it.
  [
    "cosmosvalconspub",
    "1624de6420e58b0a9ca13feaf23005c8dfe5a642b0775b72ae0dee2d535ef162d84b6dce2b",
    "cosmosvalconspub1zcjduepquk9s489p8l40yvq9er07tfjzkpm4ku4wphhz6567793dsjmdec4suucg87",
  ],
];

for (const [prefix, hex, text] of BECH32) {
  test(`encodeBech32 writes ${text}`, () => {
    assert.equal(encodeBech32(prefix, Buffer.from(hex, "hex")), text);
  });
}

test("formatConsensusKey writes a key as each key_format of tmkms does", () => {
  const bech32 = {
    type: "bech32",
    account_key_prefix: "cosmospub",
    consensus_key_prefix: "cosmosvalconspub",
  } as const;
  assert.equal(formatConsensusKey(bech32, KEY), SHOWN);
  assert.equal(formatConsensusKey({ type: "hex" }, KEY), KEY.toString("hex").toUpperCase());
  assert.equal(
    formatConsensusKey({ type: "cosmos-json" }, KEY),
    `{"@type":"/cosmos.crypto.ed25519.PubKey","key":"${KEY.toString("base64")}"}`,
  );
});
