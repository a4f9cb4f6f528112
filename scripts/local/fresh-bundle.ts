// A bundle of fresh keys for local runs, sealed as `redoubt seal` does it, without the keystores.

import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SecretKey } from "@chainsafe/blst";
import { type BundleKey, compareKeys } from "../../shared/bundle/keys.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { parseKeyArn } from "../../shared/key-arn.ts";
import { readCredentials } from "../cli/aws-options.ts";
import { sealBundle } from "../cli/bundle-sealer.ts";
import { createDataKeyGenerator } from "../cli/data-key.ts";
import type { Layout } from "./layout.ts";

export type FreshBundleWish = {
  readonly kmsKeyArn: string;
  readonly kmsPort: number;
  readonly keyCount: number;
};

/** Answers the public keys, as `0x…`. */
export async function sealFreshKeys(
  layout: Layout,
  { kmsKeyArn, kmsPort, keyCount }: FreshBundleWish,
): Promise<readonly string[]> {
  const arn = parseKeyArn(kmsKeyArn);
  const credentials = await readCredentials(layout.sealingCredentials);
  if (!arn.ok || !credentials.ok) throw new Error("the local setup is not sound");
  const keys = Array.from({ length: keyCount }, freshKey).toSorted(compareKeys);
  const generate = await createDataKeyGenerator(arn.value, {
    endpoint: `https://127.0.0.1:${kmsPort}`,
    caFile: layout.caCertificate,
    credentials: credentials.value,
  });
  const sealed = await sealBundle(keys, kmsKeyArn, Date.now(), generate);
  if (!sealed.ok) throw new Error(sealed.error);
  writeFileSync(join(layout.bundleFolder, "keys.bundle"), sealed.value.bytes);
  return keys.map((key) => encodePrefixedHex(key.publicKey));
}

function freshKey(): BundleKey {
  const secretKey = SecretKey.fromKeygen(randomBytes(32));
  const publicKey = secretKey.toPublicKey().toBytes();
  return { scheme: "bls12381-pop", publicKey, secret: secretKey.toBytes() };
}
