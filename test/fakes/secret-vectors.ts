// The two sides of the published SecretConnection vector (tendermint.md §2.3).

import { createPrivateKey, createPublicKey } from "node:crypto";
import {
  identityOfSeed,
  type PrivvalIdentity,
  rawPublicKey,
} from "../../parent/privval/privval-identity.ts";
import type { EphemeralKey } from "../../parent/privval/secret-handshake.ts";
import { pkcs8Head } from "../../shared/bytes/key-head.ts";

export type SecretSide = {
  readonly identity: PrivvalIdentity;
  readonly ephemeral: EphemeralKey;
};

function sideOf(seedHex: string, ephemeralHex: string): SecretSide {
  const key = Buffer.concat([pkcs8Head("x25519"), Buffer.from(ephemeralHex, "hex")]);
  const privateKey = createPrivateKey({ key, format: "der", type: "pkcs8" });
  return {
    identity: identityOfSeed(Buffer.from(seedHex, "hex")),
    ephemeral: { privateKey, publicKey: rawPublicKey(createPublicKey(privateKey)) },
  };
}

export const SIDE_A = sideOf(
  "a0d068d7c44e951610d54a7eb90279e8a31b61128d44d2dd92311763c468185c",
  "a14d1fe92419d4e23b4007079439b497ae77494ccda0195ac1c70680bb460908",
);

export const SIDE_B = sideOf(
  "b07e65300419ce0b5d7274bcbc67fcfd3fb68272de9aa52a452a6889c7d33fd5",
  "b19aff79f5b8cd2f37d46b19e294364d843b1d820b0ac55ec72e9d4e7e04f041",
);

export const CHALLENGE = Buffer.from(
  "70b010a2046dfb82686c3d99653b929c9b3f82dee346434b0265841916fe24c8",
  "hex",
);
