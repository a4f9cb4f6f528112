// Where the files of a local run lie. One folder holds all of it, so that a second start finds its
// keys and state again, and removing the folder forgets everything.

import { mkdirSync } from "node:fs";
import { join } from "node:path";

export type Layout = ReturnType<typeof layoutOf>;

export function layoutOf(folder: string) {
  const at = (...parts: string[]) => join(folder, ...parts);
  return {
    folder,
    caFolder: at("ca"),
    /** The files that the design names. */
    caCertificate: at("ca.crt"),
    clientCertificate: at("client.crt"),
    clientKey: at("client.key"),
    publicKeys: at("pubkeys.json"),
    endpoint: at("endpoint.json"),
    exampleRequest: at("example-request.json"),

    manifest: at("manifest.json"),
    parentConfig: at("parent.json"),
    credentials: at("credentials.json"),
    sealingCredentials: at("sealing-credentials.json"),
    /** All that the local KMS knows. */
    callers: at("kms", "callers.json"),
    kmsFolder: at("kms"),
    nsmPki: at("nsm"),
    nsmRoot: at("nsm", "nsm-root.pem"),
    keystoreFolder: at("keystores"),
    keystorePassword: at("keystores", "password.txt"),
    /** Of a Tendermint chain: what tmkms calls its identity, and a validator's key file. */
    identityFile: at("kms-identity.key"),
    validatorKey: at("priv_validator_key.json"),
    bundleFolder: at("bundles"),
    storeBundle: at("bundles", "store.bundle"),
    dynamoFolder: at("dynamodb"),
    dynamoTables: at("dynamodb", "tables"),
    /** All that the local DynamoDB knows, and the parent doesn't. */
    storeCredentials: at("dynamodb", "credentials.json"),
    tableState: at("dynamodb", "state.json"),
    stateFile: at("state.sqlite"),
    logFolder: at("logs"),
    lock: at("run.lock"),

    enclaveSocket: at("enclave.sock"),
    nsmSocket: at("nsm.sock"),
    storeSocket: at("store.sock"),
    relaySocket: at("relay.sock"),
    adminSocket: at("admin.sock"),
  } as const;
}

export function makeFolders(layout: Layout): void {
  const { folder, kmsFolder, nsmPki, bundleFolder, dynamoFolder, logFolder } = layout;
  for (const path of [folder, kmsFolder, nsmPki, bundleFolder, dynamoFolder, logFolder]) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }
}
