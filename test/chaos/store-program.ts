// The stand-in of DynamoDB as a program of its own that tests may kill: its tables lie in a folder,
// so that what it has answered is there again when it is started anew. It prints `{"port":N}` when
// it listens, and `refused` for each conditional write that it refused.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createLocalCa } from "../../scripts/local/ca.ts";
import { startDynamoServer } from "../../scripts/local/dynamo-server.ts";
import {
  LOCAL_ACCOUNT_ID,
  LOCAL_REGION,
  parseLocalCredentials,
} from "../../scripts/local/kms-program.ts";
import { Random } from "../simulation/random.ts";
import { drawFault, readStoreFaults } from "./store-faults.ts";

const text = { type: "string", default: "" } as const;
const { values } = parseArgs({
  strict: true,
  options: { dir: text, "ca-dir": text, credentials: text, faults: text, seed: text },
});
const random = new Random(Number(values.seed));
const tls = createLocalCa(values["ca-dir"]).issueFiles("dynamodb", {
  commonName: "DynamoDB of the tests",
  dnsNames: [`dynamodb.${LOCAL_REGION}.amazonaws.com`, "localhost"],
  ipAddresses: ["127.0.0.1"],
  usage: ["server"],
});
const server = await startDynamoServer({
  listen: { kind: "tcp", host: "127.0.0.1", port: 0 },
  certificatePem: tls.certificatePem,
  privateKeyPem: tls.privateKeyPem,
  backend: { kind: "dynalite", folder: values.dir },
  region: LOCAL_REGION,
  accountId: LOCAL_ACCOUNT_ID,
  credentials: () => parseLocalCredentials(readFileSync(values.credentials, "utf8")),
  nowMs: Date.now,
  fault: () => drawFault(random, readStoreFaults(values.faults)),
  onDone: (operation, status) => {
    if (operation === "PutItem") process.stdout.write(status === 200 ? "written\n" : "refused\n");
  },
});
process.stdout.write(`${JSON.stringify({ port: server.port })}\n`);
process.once("SIGTERM", () => void server.close());
