// A signer for a Tendermint chain on this machine: a validator's key sealed under the local KMS,
// then enclave and parent, which dials the nodes it is given. For local use and tests only: the key
// lies in the clear beside its bundle.

import { join } from "node:path";
import type { TendermintManifest } from "../../enclave/core/manifest.ts";
import { bringUpKms, bringUpSigner, bringUpTable, type Stops, seal } from "./bring-up.ts";
import {
  LOCAL_CHAIN_ID,
  prepareConsensusManifest,
  prepareIdentityFile,
  prepareValidatorKey,
} from "./consensus-setup.ts";
import { sealStoreBundle } from "./dynamo-setup.ts";
import type { JsonObject } from "./json-fields.ts";
import type { Layout } from "./layout.ts";
import type { StartOptions } from "./options.ts";
import { argumentsOf, type Program } from "./program.ts";
import { hasKeyBundle, prepareIdentities, writeParentConfig } from "./setup.ts";
import type { Enclave } from "./stack.ts";

export type ConsensusSigner = {
  readonly publicKey: Uint8Array;
  readonly enclave: Enclave;
  readonly parent: Program;
};

export type ConsensusWish = {
  /** What the chain's manifest has besides. */
  readonly chain?: JsonObject;
  /** Starts another table than the stand-in of DynamoDB. */
  readonly bringTable?: typeof bringUpTable;
};

/** `addresses` are of nodes of the local chain, as tmkms writes them. */
export async function bringUpConsensus(
  layout: Layout,
  options: StartOptions,
  addresses: readonly string[],
  stops: Stops,
  { chain = {}, bringTable = bringUpTable }: ConsensusWish = {},
): Promise<ConsensusSigner> {
  prepareIdentities(layout);
  await prepareIdentityFile(layout);
  const publicKey = prepareValidatorKey(layout);
  const table = options.state === "dynamodb" ? await bringTable(layout, stops) : null;
  const state = table?.state ?? null;
  const manifest = prepareConsensusManifest(layout, options, publicKey, state, chain);
  const kmsPort = await bringUpKms(layout, stops);
  await sealOnce(layout, manifest, kmsPort);
  if (table !== null) await sealStoreBundle(layout, manifest.kmsKeyArn, kmsPort);
  writeParentConfig(layout, options, kmsPort, table?.port ?? null, {
    privval: {
      identityFile: layout.identityFile,
      nodes: addresses.map((address) => ({ chain: LOCAL_CHAIN_ID, address })),
    },
  });
  const { enclave, parent } = await bringUpSigner(layout, options.port, stops);
  return { publicKey, enclave, parent };
}

async function sealOnce(layout: Layout, manifest: TendermintManifest, kmsPort: number) {
  if (hasKeyBundle(layout)) return;
  await seal(
    argumentsOf({
      "validator-keys": layout.validatorKey,
      "kms-key": manifest.kmsKeyArn,
      out: join(layout.bundleFolder, "keys.bundle"),
      "kms-endpoint": `https://127.0.0.1:${kmsPort}`,
      "kms-ca": layout.caCertificate,
      credentials: layout.sealingCredentials,
    }),
  );
}
