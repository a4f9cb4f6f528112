// Secrets Manager as far as writing bundles needs it, over the AWS SDK. It must never list: lists
// of Secrets Manager may be minutes old, and a secret that is overlooked would stay.

import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { err, ok, type Result } from "../../shared/result.ts";
import type { AwsOptions } from "./aws-options.ts";
import { awsClientConfig, reasonOf } from "./data-key.ts";
import type { SecretClient } from "./secret-writer.ts";

export async function createSecretClient(
  region: string,
  options: AwsOptions,
): Promise<SecretClient> {
  const client = new SecretsManagerClient(await awsClientConfig(region, options));
  return {
    put: async (name, bytes) => {
      const command = new PutSecretValueCommand({ SecretId: name, SecretBinary: bytes });
      return presenceOf("PutSecretValue", name, () => client.send(command));
    },
    create: async (name, bytes) => {
      const command = new CreateSecretCommand({
        Name: name,
        SecretBinary: bytes,
        Description: "A chunk of a sealed Redoubt bundle: ciphertext",
      });
      const created = await attempt("CreateSecret", name, () => client.send(command));
      return created.ok ? ok(null) : err(created.error.text);
    },
    isPresent: async (name) => {
      const command = new DescribeSecretCommand({ SecretId: name });
      return presenceOf("DescribeSecret", name, () => client.send(command));
    },
    remove: async (name) => {
      const command = new DeleteSecretCommand({
        SecretId: name,
        ForceDeleteWithoutRecovery: true,
      });
      const removed = await attempt("DeleteSecret", name, () => client.send(command));
      return removed.ok ? ok(null) : err(removed.error.text);
    },
    close: () => client.destroy(),
  };
}

type Failure = { readonly isMissing: boolean; readonly text: string };

async function attempt(
  operation: string,
  name: string,
  send: () => Promise<unknown>,
): Promise<Result<null, Failure>> {
  try {
    await send();
    return ok(null);
  } catch (error) {
    const isMissing = error instanceof ResourceNotFoundException;
    return err({ isMissing, text: `${operation} of ${name} failed: ${reasonOf(error)}` });
  }
}

/** False when there is no such secret. */
async function presenceOf(
  operation: string,
  name: string,
  send: () => Promise<unknown>,
): Promise<Result<boolean, string>> {
  const outcome = await attempt(operation, name, send);
  if (outcome.ok) return ok(true);
  return outcome.error.isMissing ? ok(false) : err(outcome.error.text);
}
