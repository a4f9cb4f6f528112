// `npm start -- --chain tendermint`: a validator's key sealed, the signer brought up, and two
// stand-ins for nodes of its chain, which the parent dials as it would dial sentries: one over
// SecretConnection, one over Noise.

import { peerIdOfEd25519 } from "../../parent/privval/peer-id.ts";
import { fromHere, type LocalRun, print, type Stops } from "./bring-up.ts";
import { bringUpConsensus } from "./consensus-bring-up.ts";
import { LOCAL_CHAIN_ID, prepareIdentityFile } from "./consensus-setup.ts";
import { ConsensusTour } from "./consensus-tour.ts";
import type { Layout } from "./layout.ts";
import type { StartOptions } from "./options.ts";
import { PrivvalNode } from "./privval-node.ts";

export async function runConsensus(
  layout: Layout,
  options: StartOptions,
  stops: Stops,
): Promise<LocalRun> {
  const nodes: { readonly node: PrivvalNode; readonly address: string }[] = [];
  const signerId = peerIdOfEd25519((await prepareIdentityFile(layout)).publicKey);
  for (const admitted of [null, signerId]) {
    const node = new PrivvalNode({ kind: "tcp", host: "127.0.0.1", port: 0 }, {}, admitted);
    nodes.push({ node, address: await node.start() });
    stops.push(() => node.stop());
  }
  const { publicKey, enclave, parent } = await bringUpConsensus(
    layout,
    options,
    nodes.map(({ address }) => address),
    stops,
  );
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
