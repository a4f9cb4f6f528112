// What a local run of a Tendermint chain needs beside the usual: a validator's key file as
// `cometbft init` writes it, and the identity that the parent shows its nodes. For local use: a key
// of a real validator is made offline.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { TendermintManifest } from "../../enclave/core/manifest.ts";
import {
  identityOfSeed,
  makeIdentity,
  type PrivvalIdentity,
  readIdentity,
} from "../../parent/privval/privval-identity.ts";
import { encodeHex, encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { validatorAddressOf } from "../cli/validator-address.ts";
import type { JsonObject } from "./json-fields.ts";
import type { Layout } from "./layout.ts";
import type { StartOptions } from "./options.ts";
import { openManifest, otherFamily } from "./setup.ts";

export const LOCAL_CHAIN_ID = "redoubt-local-1";

/** The public key of the validator's key file, which is made when there is none. */
export function prepareValidatorKey({ validatorKey }: Pick<Layout, "validatorKey">): Uint8Array {
  if (!existsSync(validatorKey)) {
    const text = JSON.stringify(keyFileOf(randomBytes(32)), null, 2);
    writeFileSync(validatorKey, `${text}\n`, { mode: 0o600 });
  }
  const file: unknown = JSON.parse(readFileSync(validatorKey, "utf8"));
  const stated: unknown = Reflect.get(Object(Reflect.get(Object(file), "pub_key")), "value");
  return new Uint8Array(Buffer.from(String(stated), "base64"));
}

function keyFileOf(seed: Buffer): JsonObject {
  const { publicKey } = identityOfSeed(seed);
  return {
    address: encodeHex(validatorAddressOf("ed25519", publicKey)).toUpperCase(),
    pub_key: { type: "tendermint/PubKeyEd25519", value: base64Of(publicKey) },
    priv_key: { type: "tendermint/PrivKeyEd25519", value: base64Of(seed, publicKey) },
  };
}

function base64Of(...parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString("base64");
}

/** tmkms's `kms-identity.key`, which is made when there is none. */
export async function prepareIdentityFile({
  identityFile,
}: Pick<Layout, "identityFile">): Promise<PrivvalIdentity> {
  const identity = await (existsSync(identityFile)
    ? readIdentity(identityFile)
    : makeIdentity(identityFile));
  if (!identity.ok) throw new Error(`${identityFile} can't be used`);
  return identity.value;
}

export function prepareConsensusManifest(
  layout: Layout,
  options: StartOptions,
  publicKey: Uint8Array,
  state: JsonObject | null,
  chain: JsonObject = {},
): TendermintManifest {
  const keys = [encodePrefixedHex(publicKey)];
  const chains = [{ chainId: LOCAL_CHAIN_ID, keys, ...chain }];
  const manifest = openManifest(layout, options, {
    state: state ?? { kind: "parent" },
    // With the parent's store somebody has to say that its host is trusted not to rewind it.
    tendermint: state === null ? { bootFloor: "off", chains } : { chains },
  });
  if (manifest.family !== "tendermint") throw otherFamily(layout);
  return manifest;
}
