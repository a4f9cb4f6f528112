// Secrets Manager as far as bundles need it: names by prefix, and one secret's bytes. It reads
// with the credentials that the parent has for the enclave, and never with what the environment
// offers.

import { Agent } from "node:https";
import {
  GetSecretValueCommand,
  ListSecretsCommand,
  ResourceNotFoundException,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { BUNDLE_CHUNK_COUNT_MAX } from "../../shared/bundle/chunks.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { BUNDLE_COUNT_MAX, KMS_DEADLINE_MS, SECRET_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Credentials } from "../ports.ts";

export type SecretRefusal = Refusal<"BUNDLE_SOURCE" | "BUNDLE_INCOMPLETE" | "BUNDLE_LIMIT">;

export interface SecretReader {
  /** Names that begin with the prefix, sorted. */
  list(prefix: string): Promise<Result<readonly string[], SecretRefusal>>;
  /** BUNDLE_INCOMPLETE when there is no such secret. */
  read(name: string): Promise<Result<Uint8Array, SecretRefusal>>;
  close(): void;
}

export type SecretReaderOptions = {
  readonly region: string;
  readonly endpoint?: string | undefined;
  /** PEM, in place of the system's trust anchors. */
  readonly caPem?: string | undefined;
  readonly credentials: Credentials;
};

const NAME_COUNT_MAX = BUNDLE_COUNT_MAX * BUNDLE_CHUNK_COUNT_MAX;
const PAGE_COUNT = 100;
const ATTEMPT_COUNT_MAX = 3;

export function createSecretReader(options: SecretReaderOptions): SecretReader {
  const client = createClient(options);
  return {
    list: (prefix) => listNames(client, prefix),
    read: (name) => readSecret(client, name),
    close: () => client.destroy(),
  };
}

function createClient(options: SecretReaderOptions): SecretsManagerClient {
  const { accessKeyId, secretAccessKey, sessionToken } = options.credentials;
  const agent = new Agent({
    keepAlive: true,
    ...(options.caPem === undefined ? {} : { ca: options.caPem }),
  });
  return new SecretsManagerClient({
    region: options.region,
    maxAttempts: ATTEMPT_COUNT_MAX,
    credentials: {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === null ? {} : { sessionToken }),
    },
    requestHandler: new NodeHttpHandler({
      requestTimeout: KMS_DEADLINE_MS,
      connectionTimeout: KMS_DEADLINE_MS,
      httpsAgent: agent,
    }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
  });
}

async function listNames(
  client: SecretsManagerClient,
  prefix: string,
): Promise<Result<readonly string[], SecretRefusal>> {
  const names: string[] = [];
  let token: string | undefined;
  try {
    do {
      const page = await client.send(
        new ListSecretsCommand({
          Filters: [{ Key: "name", Values: [prefix] }],
          MaxResults: PAGE_COUNT,
          NextToken: token,
        }),
      );
      for (const { Name } of page.SecretList ?? []) {
        // The filter of the service ignores case.
        if (Name?.startsWith(prefix) === true) names.push(Name);
      }
      if (names.length > NAME_COUNT_MAX) return err(refusal("BUNDLE_LIMIT"));
      token = page.NextToken;
    } while (token !== undefined);
  } catch {
    return err(refusal("BUNDLE_SOURCE"));
  }
  return ok(names.sort((a, b) => (a < b ? -1 : 1)));
}

async function readSecret(
  client: SecretsManagerClient,
  name: string,
): Promise<Result<Uint8Array, SecretRefusal>> {
  try {
    const { SecretBinary } = await client.send(new GetSecretValueCommand({ SecretId: name }));
    if (SecretBinary === undefined || SecretBinary.length > SECRET_BYTES_MAX) {
      return err(refusal("BUNDLE_SOURCE"));
    }
    return ok(SecretBinary);
  } catch (error) {
    const isMissing = error instanceof ResourceNotFoundException;
    return err(refusal(isMissing ? "BUNDLE_INCOMPLETE" : "BUNDLE_SOURCE"));
  }
}
