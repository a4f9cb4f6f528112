// `npm start` for Ethereum: keystores sealed, the signer brought up, its API shown and tried.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { slotAt } from "../../enclave/core/chains/ethereum/time-bound.ts";
import type { EthereumManifest } from "../../enclave/core/manifest.ts";
import {
  bringUpKms,
  bringUpSigner,
  bringUpTable,
  clientOf,
  fromHere,
  type LocalRun,
  print,
  type Stops,
  seal,
} from "./bring-up.ts";
import { sealStoreBundle } from "./dynamo-setup.ts";
import type { Layout } from "./layout.ts";
import type { StartOptions } from "./options.ts";
import { argumentsOf } from "./program.ts";
import { requestNetworkOf } from "./request-network.ts";
import { sampleRequests } from "./requests.ts";
import {
  prepareIdentities,
  prepareKeystores,
  prepareManifest,
  writeParentConfig,
} from "./setup.ts";
import { Tour } from "./tour.ts";

type Up = {
  readonly manifest: EthereumManifest;
  readonly url: string;
  readonly publicKey: string;
};

export async function runEthereum(
  layout: Layout,
  options: StartOptions,
  stops: Stops,
): Promise<LocalRun> {
  prepareIdentities(layout);
  const table = options.state === "dynamodb" ? await bringUpTable(layout, stops) : null;
  const manifest = prepareManifest(layout, options, table?.state);
  const keystores = await prepareKeystores(layout, options);
  const kmsPort = await bringUpKms(layout, stops);
  if (keystores !== null) {
    await seal(
      argumentsOf({
        keystores: keystores.folder,
        "password-file": keystores.passwordFile,
        "kms-key": manifest.kmsKeyArn,
        out: join(layout.bundleFolder, "keys.bundle"),
        "kms-endpoint": `https://127.0.0.1:${kmsPort}`,
        "kms-ca": layout.caCertificate,
        credentials: layout.sealingCredentials,
      }),
    );
  }
  if (table !== null) await sealStoreBundle(layout, manifest.kmsKeyArn, kmsPort);
  writeParentConfig(layout, options, kmsPort, table?.port ?? null);
  const { parent } = await bringUpSigner(layout, options.port, stops);
  const url = `https://127.0.0.1:${options.port}`;
  const client = clientOf(layout, url);
  const keys = await client.send("GET", "/api/v1/eth2/publicKeys");
  client.close();
  writeFileSync(layout.publicKeys, `${keys.text}\n`);
  const endpoint = { url, operations: `http://127.0.0.1:${options.port + 1}` };
  writeFileSync(layout.endpoint, `${JSON.stringify(endpoint)}\n`);
  const publicKeys = Array.isArray(keys.body) ? keys.body.map(String) : [];
  const [publicKey = ""] = publicKeys;
  writeExampleRequest(layout, manifest, publicKey);
  print(
    `ok   KMS released the bundle to the attested enclave: ${publicKeys.length} keys ready at ${url}`,
  );
  const up: Up = { manifest, url, publicKey };
  return { parent, tour: () => tour(layout, up), usage: () => usageOf(layout, up) };
}

/** A request that may be asked for again and again: the present epoch's RANDAO reveal. */
function writeExampleRequest(layout: Layout, manifest: EthereumManifest, publicKey: string): void {
  const { network } = manifest.ethereum;
  const slot = Math.max(0, Number(slotAt(network, Date.now())));
  const requests = sampleRequests(requestNetworkOf(network, slot), slot, publicKey);
  const reveal = requests.find(({ kind }) => kind === "RANDAO_REVEAL");
  writeFileSync(layout.exampleRequest, `${JSON.stringify(reveal?.body, null, 2)}\n`);
}

async function tour(layout: Layout, up: Up): Promise<boolean> {
  const client = clientOf(layout, up.url);
  const keys: unknown = JSON.parse(readFileSync(layout.publicKeys, "utf8"));
  const publicKeys = Array.isArray(keys) ? keys.map(String) : [];
  const isRight = await new Tour(layout, up.manifest, client, up.url, print).run(publicKeys);
  client.close();
  return isRight;
}

function usageOf(layout: Layout, { url, publicKey }: Up): string {
  const curl =
    `curl --cacert ${fromHere(layout.caCertificate)} --cert ${fromHere(layout.clientCertificate)}` +
    ` --key ${fromHere(layout.clientKey)}`;
  return `
The signer runs. Try, in another terminal:

  ${curl} ${url}/api/v1/eth2/publicKeys
  ${curl} '${url}/attestation?nonce=00112233'
  ${curl} -H 'Content-Type: application/json' -H 'Accept: application/json' \\
    -d @${fromHere(layout.exampleRequest)} ${url}/api/v1/eth2/sign/${publicKey}

  scripts/redoubt verify ${url} --root ${fromHere(layout.nsmRoot)} \\
    --cert ${fromHere(layout.clientCertificate)} --key ${fromHere(layout.clientKey)} --ca ${fromHere(layout.caCertificate)} \\
    --manifest ${fromHere(layout.manifest)} --keys ${fromHere(layout.publicKeys)}
  scripts/redoubt state show --admin unix://${layout.adminSocket}
  curl ${url.replace("https", "http").replace(/\d+$/, (port) => String(Number(port) + 1))}/readyz

Files are in ${fromHere(layout.folder)}, logs in ${fromHere(layout.logFolder)}. Ctrl-C stops everything.
`;
}
