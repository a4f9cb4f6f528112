import assert from "node:assert/strict";
import { test } from "node:test";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { validatorAddressOf } from "../../../../scripts/cli/validator-address.ts";
import { bytesOfHex, COMETBFT_KEYS } from "../../../fakes/cometbft-keys.ts";

test("an address is the one that CometBFT computes of the public key", () => {
  for (const { scheme, publicKey, address } of COMETBFT_KEYS) {
    const computed = validatorAddressOf(scheme, bytesOfHex(publicKey));
    assert.equal(Buffer.from(computed).toString("hex").toUpperCase(), address, scheme);
  }
});

test("an address of secp256k1eth is Ethereum's of the same key", () => {
  // Account 0 of Hardhat and Anvil.
  const secret = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
  const publicKey = secp256k1.getPublicKey(bytesOfHex(secret), true);
  const address = validatorAddressOf("secp256k1eth", publicKey);
  assert.equal(Buffer.from(address).toString("hex"), "f39fd6e51aad88f6f4ce6ab8827279cfffb92266");
});
