// What a local run with the shared state store needs beside the rest: credentials that only the
// stand-in of DynamoDB knows, a table, and the bundle that brings the credentials into the enclave.
// It must never give them to the parent, which reads the bundle folder and its own credentials.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { command as sealCommand } from "../cli/seal.ts";
import { runTable } from "../cli/table.ts";
import { isJsonObject, type JsonObject, requiredText } from "./json-fields.ts";
import type { Layout } from "./layout.ts";
import { argumentsOf } from "./program.ts";
import { ACCOUNT, REGION, SetupError } from "./setup.ts";

const TABLE = "redoubt-local";

/** Made on the first start. */
export function prepareStoreCredentials(layout: Layout): void {
  if (existsSync(layout.storeCredentials)) return;
  const credentials = {
    AccessKeyId: `AKIA${randomBytes(8).toString("hex").toUpperCase()}`,
    SecretAccessKey: randomBytes(30).toString("base64"),
    Arn: `arn:aws:iam::${ACCOUNT}:user/redoubt-local-state`,
  };
  writeFileSync(layout.storeCredentials, JSON.stringify(credentials), { mode: 0o600 });
}

/** What the manifest says of its state. The table is made once; its id is kept beside. */
export async function prepareTable(layout: Layout, dynamoPort: number): Promise<JsonObject> {
  if (!existsSync(layout.tableState)) {
    const made = await runTable([
      "create",
      "--json",
      // The stand-in has no backups.
      "--without-recovery",
      ...argumentsOf({
        region: REGION,
        name: TABLE,
        endpoint: `https://127.0.0.1:${dynamoPort}`,
        ca: layout.caCertificate,
        credentials: layout.storeCredentials,
      }),
    ]);
    if (made.exitCode !== 0) throw new SetupError(`no table: ${made.stderr}`);
    const document: unknown = JSON.parse(made.stdout);
    const state = isJsonObject(document) ? document["state"] : undefined;
    writeFileSync(layout.tableState, JSON.stringify(state));
  }
  const state: unknown = JSON.parse(readFileSync(layout.tableState, "utf8"));
  if (!isJsonObject(state)) throw new SetupError(`${layout.tableState} is not a state`);
  return state;
}

export async function sealStoreBundle(
  layout: Layout,
  keyArn: string,
  kmsPort: number,
): Promise<void> {
  if (existsSync(layout.storeBundle)) return;
  const stored: unknown = JSON.parse(readFileSync(layout.storeCredentials, "utf8"));
  if (!isJsonObject(stored)) throw new SetupError(`${layout.storeCredentials} is not credentials`);
  const credentials = {
    accessKeyId: requiredText(stored, "AccessKeyId"),
    secretAccessKey: requiredText(stored, "SecretAccessKey"),
  };
  const file = `${layout.storeCredentials}.seal`;
  writeFileSync(file, JSON.stringify(credentials), { mode: 0o600 });
  try {
    const exitCode = await sealCommand.run(
      argumentsOf({
        "store-credentials": file,
        "kms-key": keyArn,
        out: layout.storeBundle,
        "kms-endpoint": `https://127.0.0.1:${kmsPort}`,
        "kms-ca": layout.caCertificate,
        credentials: layout.sealingCredentials,
      }),
    );
    if (exitCode !== 0) throw new SetupError("`redoubt seal --store-credentials` failed");
  } finally {
    rmSync(file, { force: true });
  }
}
