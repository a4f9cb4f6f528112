// The stand-in of DynamoDB in this process, under a CA of its own, with a client of the AWS SDK and
// a hook for faults. Each has a folder of its own, removed at the end of the test.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { createLocalCa } from "../../scripts/local/ca.ts";
import {
  type DynamoBackend,
  type DynamoFault,
  type DynamoServer,
  startDynamoServer,
} from "../../scripts/local/dynamo-server.ts";
import type { LocalCredentials } from "../../scripts/local/sigv4.ts";

export const REGION = "eu-central-1";
export const ACCOUNT_ID = "000000000000";
export const USER: LocalCredentials = {
  accessKeyId: "AKIASTORESTORESTORE1",
  secretAccessKey: "store/secret+access/key+of/forty+chars+00",
  sessionToken: null,
  arn: `arn:aws:iam::${ACCOUNT_ID}:user/redoubt-state`,
};

export class LocalDynamo {
  readonly folder = mkdtempSync(join(tmpdir(), "redoubt-dynamo-"));
  readonly ca = createLocalCa(join(this.folder, "ca"));
  readonly credentialsFile = join(this.folder, "credentials.json");
  fault: (operation: string, body: string) => DynamoFault | undefined = () => undefined;
  onDone: (operation: string, status: number) => void = () => {};
  #server: DynamoServer | null = null;
  readonly #clients: DynamoDBClient[] = [];

  readonly #backend: DynamoBackend;

  private constructor(backend: DynamoBackend | null) {
    this.#backend = backend ?? { kind: "dynalite", folder: join(this.folder, "tables") };
  }

  /** In front of dynalite, unless it is to be another program. */
  static async start(
    context: Pick<TestContext, "after">,
    backend: DynamoBackend | null = null,
  ): Promise<LocalDynamo> {
    const local = new LocalDynamo(backend);
    const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } = USER;
    writeFileSync(local.credentialsFile, JSON.stringify({ AccessKeyId, SecretAccessKey }));
    context.after(async () => {
      await local.stop();
      rmSync(local.folder, { recursive: true, force: true });
    });
    await local.start();
    return local;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  get endpoint(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  /** With the tables that are there already. */
  async start(): Promise<void> {
    this.#server = await startDynamoServer({
      listen: { kind: "tcp", host: "127.0.0.1", port: 0 },
      ...this.ca.issueCertificate({
        commonName: "dynamodb",
        dnsNames: [`dynamodb.${REGION}.amazonaws.com`],
        ipAddresses: ["127.0.0.1"],
        usage: ["server"],
      }),
      backend: this.#backend,
      region: REGION,
      accountId: ACCOUNT_ID,
      credentials: () => [USER],
      nowMs: Date.now,
      fault: (operation, body) => this.fault(operation, body),
      onDone: (operation, status) => this.onDone(operation, status),
    });
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.#server?.close();
    this.#server = null;
  }

  /** Asks once, so that a test sees what the server does. */
  client(change: Partial<Pick<LocalCredentials, "accessKeyId" | "secretAccessKey">> = {}) {
    const { accessKeyId, secretAccessKey } = { ...USER, ...change };
    const client = new DynamoDBClient({
      region: REGION,
      endpoint: this.endpoint,
      maxAttempts: 1,
      credentials: { accessKeyId, secretAccessKey },
      requestHandler: new NodeHttpHandler({
        httpsAgent: new Agent({ keepAlive: true, ca: this.ca.certificatePem }),
      }),
    });
    this.#clients.push(client);
    return client;
  }
}
