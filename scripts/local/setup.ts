// The files of a local run: certificates, credentials, the KMS key with its policy, the manifest,
// keystores and their bundle, the parent's configuration. What is there already is kept, so that a
// second start goes on with the same keys and state.

import { createHash, randomBytes, X509Certificate } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import {
  type EthereumManifest,
  type Manifest,
  parseManifest,
} from "../../enclave/core/manifest.ts";
import { manifestPcr } from "../../shared/attestation/pcr.ts";
import { OPERATION_KINDS } from "../../shared/operation.ts";
import { buildKeyPolicy } from "../policy/key-policy.ts";
import { createLocalCa } from "./ca.ts";
import type { JsonObject } from "./json-fields.ts";
import { createFreshKeystores } from "./keystores.ts";
import { createLocalKmsKey, writePolicy } from "./kms-keys.ts";
import type { Layout } from "./layout.ts";
import { localNetwork } from "./network.ts";
import { openRoot } from "./nsm-pki.ts";
import { LOCAL_IMAGE, sampleMeasurements } from "./nsm-simulator.ts";
import type { StartOptions } from "./options.ts";

export const REGION = "eu-central-1";
export const ACCOUNT = "000000000000";
export const KMS_HOST = `kms.${REGION}.amazonaws.com:443`;
export const DYNAMO_HOST = `dynamodb.${REGION}.amazonaws.com:443`;
/** Cheap key derivation: these keystores' password lies beside them. */
const CHEAP_KDF = { n: 1024 };

export class SetupError extends Error {}

/** An enclave that KMS releases keys to: an image of the simulated NSM, with a manifest. */
export type AllowedEnclave = { readonly image: string; readonly manifest: Uint8Array };

/** What `redoubt policy` writes for these enclaves. */
export function localKeyPolicy(allowed: readonly AllowedEnclave[]): string {
  const images = allowed.map(({ image }) => sampleMeasurements(image));
  const digests = allowed.map(({ manifest }) => createHash("sha384").update(manifest).digest());
  const registers = [0, 1, 2].map(
    (index) => [index, images.flatMap((image) => image.get(index) ?? [])] as const,
  );
  const policy = buildKeyPolicy({
    roleArn: roleArn("local"),
    sealerArns: [roleArn("local-sealing")],
    adminArns: [roleArn("local-admin")],
    pcrs: new Map([...registers, [16, digests.map((digest) => manifestPcr(digest))]]),
  });
  return JSON.stringify(policy, null, 2);
}

function roleArn(name: string): string {
  return `arn:aws:iam::${ACCOUNT}:role/redoubt-${name}`;
}

/** Certificates and credentials. */
export function prepareIdentities(layout: Layout): void {
  const ca = createLocalCa(layout.caFolder);
  copyFileSync(ca.certificatePath, layout.caCertificate);
  ca.issueFiles(
    "server",
    {
      commonName: "redoubt",
      dnsNames: ["localhost"],
      ipAddresses: ["127.0.0.1"],
      usage: ["server"],
    },
    layout.caFolder,
  );
  ca.issueFiles("client", { commonName: "local validator", usage: ["client"] }, layout.folder);
  openRoot(layout.nsmPki);
  const callers = [
    openCredentials(layout.credentials, roleArn("local")),
    openCredentials(layout.sealingCredentials, roleArn("local-sealing")),
  ];
  writeFileSync(layout.callers, `[${callers.join(",")}]`, { mode: 0o600 });
}

/** The text of a file of credentials, made when there is none. */
function openCredentials(path: string, arn: string): string {
  if (existsSync(path)) return readFileSync(path, "utf8");
  const text = JSON.stringify({
    AccessKeyId: `AKIA${randomBytes(8).toString("hex").toUpperCase()}`,
    SecretAccessKey: randomBytes(24).toString("base64"),
    Arn: arn,
  });
  writeFileSync(path, text, { mode: 0o600 });
  return text;
}

/**
 * Ethereum's manifest, made on the first start. `state` is what it says of the state store, `more`
 * is what else it has.
 */
export function prepareManifest(
  layout: Layout,
  options: StartOptions,
  state: JsonObject = { kind: "parent" },
  more: JsonObject = {},
): EthereumManifest {
  const manifest = openManifest(layout, options, {
    state,
    ethereum: { network: options.network ?? localNetwork(Date.now()) },
    groups: [{ name: "local", keys: "others", allow: OPERATION_KINDS }],
    ...more,
  });
  refuseOtherNetwork(layout, options);
  if (manifest.family !== "ethereum") throw otherFamily(layout);
  return manifest;
}

export function otherFamily(layout: Layout): SetupError {
  return new SetupError(
    `${layout.folder} was set up for another family of chains; give another --dir`,
  );
}

/** The manifest that is there; else one with these members, its KMS key and that key's policy. */
export function openManifest(layout: Layout, options: StartOptions, members: JsonObject): Manifest {
  if (!existsSync(layout.manifest)) {
    const folder = join(layout.kmsFolder, "keys");
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const spec = { region: REGION, accountId: ACCOUNT, policy: "{}" };
    const keyArn = createLocalKmsKey(folder, spec);
    const manifest = {
      redoubt: 1,
      kms: { keyArn },
      ...members,
    };
    const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
    writePolicy(folder, keyArn, localKeyPolicy([{ image: LOCAL_IMAGE, manifest: bytes }]));
    writeFileSync(layout.manifest, bytes);
  }
  const bytes = readFileSync(layout.manifest);
  const manifest = parseManifest(bytes);
  if (!manifest.ok) throw new SetupError(`${layout.manifest}: ${String(manifest.error.detail)}`);
  if (manifest.value.state.kind !== options.state) {
    const kind = manifest.value.state.kind;
    throw new SetupError(
      `${layout.folder} was set up with --state ${kind}; give that, or another --dir`,
    );
  }
  return manifest.value;
}

function refuseOtherNetwork(layout: Layout, options: StartOptions): void {
  if (options.network === null) return;
  const there: unknown = JSON.parse(readFileSync(layout.manifest, "utf8"));
  const wanted = JSON.stringify(options.network);
  const isSame =
    JSON.stringify(Reflect.get(Object(Reflect.get(Object(there), "ethereum")), "network")) ===
    wanted;
  if (!isSame) {
    throw new SetupError(`${layout.folder} was set up for another network; give another --dir`);
  }
}

/** Whether keys were sealed already. */
export function hasKeyBundle(layout: Layout): boolean {
  return readdirSync(layout.bundleFolder).some(
    (name) => name.endsWith(".bundle") && name !== basename(layout.storeBundle),
  );
}

/** Where the keystores are that are to be sealed; null when a bundle is there already. */
export async function prepareKeystores(
  layout: Layout,
  options: StartOptions,
): Promise<{ readonly folder: string; readonly passwordFile: string } | null> {
  if (hasKeyBundle(layout)) {
    if (options.keystores === null) return null;
    throw new SetupError(
      `${layout.folder} holds keys already: start without --keystores, or give another --dir`,
    );
  }
  if (options.keystores !== null) return options.keystores;
  if (!existsSync(layout.keystorePassword)) {
    // All or nothing: a run that is interrupted here starts anew the next time.
    rmSync(layout.keystoreFolder, { recursive: true, force: true });
    const unfinished = `${layout.keystoreFolder}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true, mode: 0o700 });
    const password = randomBytes(16).toString("hex");
    await createFreshKeystores(unfinished, options.freshKeyCount, password, CHEAP_KDF);
    writeFileSync(join(unfinished, "password.txt"), password, { mode: 0o600 });
    renameSync(unfinished, layout.keystoreFolder);
  }
  return { folder: layout.keystoreFolder, passwordFile: layout.keystorePassword };
}

/** Written at each start: the ports of the stand-ins are new. */
export function writeParentConfig(
  layout: Layout,
  options: StartOptions,
  kmsPort: number,
  dynamoPort: number | null = null,
  more: JsonObject = {},
): void {
  const ports = new Map([[KMS_HOST, kmsPort]]);
  if (dynamoPort !== null) ports.set(DYNAMO_HOST, dynamoPort);
  const hosts = [...ports].map(([host, port]) => [host, `127.0.0.1:${port}`] as const);
  const client = new X509Certificate(readFileSync(layout.clientCertificate));
  const config = {
    enclave: { address: `unix://${layout.enclaveSocket}` },
    manifest: layout.manifest,
    bundles: [{ kind: "directory", path: layout.bundleFolder }],
    credentials: { kind: "file", path: layout.credentials },
    store: { listen: `unix://${layout.storeSocket}`, path: layout.stateFile },
    relay: {
      listen: `unix://${layout.relaySocket}`,
      allow: [...ports.keys()],
      hosts: Object.fromEntries(hosts),
    },
    api: {
      listen: `tcp://127.0.0.1:${options.port}`,
      tls: {
        certFile: join(layout.caFolder, "server.crt"),
        keyFile: join(layout.caFolder, "server.key"),
        clientCaFile: layout.caCertificate,
      },
      clients: [
        {
          name: "local-validator",
          fingerprint: client.fingerprint256,
          keys: "all",
          operations: OPERATION_KINDS,
        },
      ],
    },
    ops: { listen: `tcp://127.0.0.1:${options.port + 1}` },
    admin: { listen: `unix://${layout.adminSocket}` },
    log: { level: "info" },
    ...more,
  };
  writeFileSync(layout.parentConfig, `${JSON.stringify(config, null, 2)}\n`);
}
