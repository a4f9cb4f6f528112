// The local stand-in of DynamoDB as one program. Tables lie in DIR, so that a second start finds
// its state. It prints one JSON line when it is ready. It must never be started where records of
// real keys are: it is neither durable nor replicated.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { parseAddress } from "../../shared/address.ts";
import { createLocalCa } from "./ca.ts";
import { type DynamoServer, startDynamoServer } from "./dynamo-server.ts";
import { LOCAL_ACCOUNT_ID, LOCAL_REGION, parseLocalCredentials } from "./kms-program.ts";
import { runStandIn } from "./stand-in.ts";

const USAGE = `usage: dynamo-program.ts --dir DIR --ca-dir DIR --credentials FILE
  [--listen tcp://127.0.0.1:0] [--account ${LOCAL_ACCOUNT_ID}] [--region ${LOCAL_REGION}]

  --dir DIR           the tables
  --ca-dir DIR        the local CA, made on first use; the listener's certificate is kept there
  --credentials FILE  JSON: {AccessKeyId, SecretAccessKey, Arn?}, or a list of them
  --listen ADDRESS    where to listen; port 0 lets the system choose
`;

function start(): Promise<DynamoServer> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    strict: true,
    options: {
      dir: text,
      "ca-dir": text,
      credentials: text,
      listen: { type: "string", default: "tcp://127.0.0.1:0" },
      account: { type: "string", default: LOCAL_ACCOUNT_ID },
      region: { type: "string", default: LOCAL_REGION },
    },
  });
  const { dir, "ca-dir": caDir, credentials, account: accountId, region } = values;
  const listen = parseAddress(values.listen);
  const isWhole = dir !== undefined && caDir !== undefined && credentials !== undefined;
  if (!isWhole || !listen.ok || listen.value.kind !== "tcp") {
    throw new RangeError("an option is missing or malformed");
  }
  const tls = createLocalCa(caDir).issueFiles("dynamodb", {
    commonName: "local DynamoDB",
    dnsNames: [`dynamodb.${region}.amazonaws.com`, "localhost"],
    ipAddresses: ["127.0.0.1"],
    usage: ["server"],
  });
  return startDynamoServer({
    listen: listen.value,
    certificatePem: tls.certificatePem,
    privateKeyPem: tls.privateKeyPem,
    backend: { kind: "dynalite", folder: dir },
    region,
    accountId,
    credentials: () => parseLocalCredentials(readFileSync(credentials, "utf8")),
    nowMs: Date.now,
  });
}

if (import.meta.main) await runStandIn(USAGE, start);
