// `npm start -- --chain tendermint`: a validator's key sealed, the signer brought up, and two
// stand-ins for nodes of its chain, which the parent dials as it would dial sentries.

import { join } from "node:path";
import {
  bringUpKms,
  bringUpSigner,
  bringUpTable,
  fromHere,
  type LocalRun,
  print,
  type Stops,
  seal,
} from "./bring-up.ts";
import {
  LOCAL_CHAIN_ID,
  prepareConsensusManifest,
  prepareIdentityFile,
  prepareValidatorKey,
} from "./consensus-setup.ts";
import { ConsensusTour } from "./consensus-tour.ts";
import { sealStoreBundle } from "./dynamo-setup.ts";
import type { Layout } from "./layout.ts";
import type { StartOptions } from "./options.ts";
import { PrivvalNode } from "./privval-node.ts";
import { argumentsOf } from "./program.ts";
import { hasKeyBundle, prepareIdentities, writeParentConfig } from "./setup.ts";

const NODE_COUNT = 2;

export async function runConsensus(
  layout: Layout,
  options: StartOptions,
  stops: Stops,
): Promise<LocalRun> {
  prepareIdentities(layout);
  prepareIdentityFile(layout);
  const publicKey = prepareValidatorKey(layout);
  const table = options.state === "dynamodb" ? await bringUpTable(layout, stops) : null;
  const manifest = prepareConsensusManifest(layout, options, publicKey, table?.state ?? null);
  const kmsPort = await bringUpKms(layout, stops);
  if (!hasKeyBundle(layout)) {
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
  if (table !== null) await sealStoreBundle(layout, manifest.kmsKeyArn, kmsPort);
  const nodes: { readonly node: PrivvalNode; readonly address: string }[] = [];
  for (let count = 0; count < NODE_COUNT; count++) {
    const node = new PrivvalNode({ kind: "tcp", host: "127.0.0.1", port: 0 });
    nodes.push({ node, address: await node.start() });
    stops.push(() => node.stop());
  }
  writeParentConfig(layout, options, kmsPort, table?.port ?? null, {
    privval: {
      identityFile: layout.identityFile,
      nodes: nodes.map(({ address }) => ({ chain: LOCAL_CHAIN_ID, address })),
    },
  });
  const { enclave, parent } = await bringUpSigner(layout, options.port, stops);
  print(
    `ok   KMS released the bundle to the attested enclave; the parent dials ${nodes
      .map(({ address }) => address)
      .join(" and ")}`,
  );
  const tour = new ConsensusTour({
    layout,
    publicKey,
    nodes: nodes.map(({ node }) => node),
    url: `https://127.0.0.1:${options.port}`,
    enclavePid: () => enclave.pid,
  });
  return { parent, tour: () => tour.run(), usage: () => usageOf(layout, options.port) };
}

function usageOf(layout: Layout, port: number): string {
  return `
The signer runs, and two stand-ins for nodes of ${LOCAL_CHAIN_ID} are connected, which ask nothing by
themselves. Try, in another terminal:

  scripts/redoubt state show --admin unix://${layout.adminSocket}
  curl http://127.0.0.1:${port + 1}/readyz
  curl http://127.0.0.1:${port + 1}/metrics

A node of your own: put its address into \`privval.nodes\` of ${fromHere(layout.parentConfig)} as
docs/tendermint.md says. Files are in ${fromHere(layout.folder)}, logs in ${fromHere(layout.logFolder)}.
Ctrl-C stops everything.
`;
}
