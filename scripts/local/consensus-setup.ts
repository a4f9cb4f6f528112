// What a local run of a Tendermint chain needs beside the usual: a validator's key file as
// `cometbft init` writes it, and the identity that the parent shows its nodes. For local use: a key
// of a real validator is made offline.

import { createHash, createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { TendermintManifest } from "../../enclave/core/manifest.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { JsonObject } from "./json-fields.ts";
import type { Layout } from "./layout.ts";
import type { StartOptions } from "./options.ts";
import { openManifest, otherFamily } from "./setup.ts";

export const LOCAL_CHAIN_ID = "redoubt-local-1";
/** PKCS#8 of an Ed25519 key up to the seed itself (RFC 8410 §7). */
const ED25519_PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

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
  const key = Buffer.concat([ED25519_PKCS8, seed]);
  const secret = createPrivateKey({ key, format: "der", type: "pkcs8" });
  const spki = createPublicKey(secret).export({ format: "der", type: "spki" });
  const publicKey = spki.subarray(-32);
  const address = createHash("sha256").update(publicKey).digest("hex").slice(0, 40);
  const value = Buffer.concat([seed, publicKey]).toString("base64");
  return {
    address: address.toUpperCase(),
    pub_key: { type: "tendermint/PubKeyEd25519", value: publicKey.toString("base64") },
    priv_key: { type: "tendermint/PrivKeyEd25519", value },
  };
}

/** tmkms's `kms-identity.key`. */
export function prepareIdentityFile({ identityFile }: Pick<Layout, "identityFile">): void {
  if (existsSync(identityFile)) return;
  writeFileSync(identityFile, `${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
}

export function prepareConsensusManifest(
  layout: Layout,
  options: StartOptions,
  publicKey: Uint8Array,
  state: JsonObject | null,
): TendermintManifest {
  const chains = [{ chainId: LOCAL_CHAIN_ID, keys: [encodePrefixedHex(publicKey)] }];
  const manifest = openManifest(layout, options, {
    state: state ?? { kind: "parent" },
    // With the parent's store somebody has to say that its host is trusted not to rewind it.
    tendermint: state === null ? { bootFloor: "off", chains } : { chains },
  });
  if (manifest.family !== "tendermint") throw otherFamily(layout);
  return manifest;
}
