// `kms:GenerateDataKey` for sealing, over the AWS SDK. It must never accept an answer for another
// key than the one asked, and never print what the SDK says of a request (it may hold credentials).

import { readFile } from "node:fs/promises";
import { Agent } from "node:https";
import { GenerateDataKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { allocateSecret, wipe } from "../../enclave/keys/secret.ts";
import { BUNDLE_DATA_KEY_BYTES } from "../../shared/bundle/format.ts";
import type { KeyArn } from "../../shared/key-arn.ts";
import { KMS_DEADLINE_MS, WRAPPED_KEY_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { AwsOptions } from "./aws-options.ts";
import type { DataKey, GenerateDataKey } from "./bundle-sealer.ts";

/** What every client of the SDK is made with here. */
export async function awsClientConfig(region: string, options: AwsOptions) {
  const ca = options.caFile === null ? null : await readFile(options.caFile);
  return {
    region,
    maxAttempts: 3,
    requestHandler: new NodeHttpHandler({
      requestTimeout: KMS_DEADLINE_MS,
      connectionTimeout: KMS_DEADLINE_MS,
      httpsAgent: new Agent(ca === null ? { keepAlive: true } : { keepAlive: true, ca }),
    }),
    ...(options.endpoint === null ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === null ? {} : { credentials: options.credentials }),
  };
}

export async function createDataKeyGenerator(
  keyArn: KeyArn,
  options: AwsOptions,
): Promise<GenerateDataKey> {
  const client = new KMSClient(await awsClientConfig(keyArn.region, options));
  return async (arn, encryptionContext) => {
    try {
      const answer = await client.send(
        new GenerateDataKeyCommand({
          KeyId: arn,
          KeySpec: "AES_256",
          EncryptionContext: { ...encryptionContext },
        }),
      );
      return takeDataKey(arn, answer.KeyId, answer.Plaintext, answer.CiphertextBlob);
    } catch (error) {
      return err(`KMS GenerateDataKey failed: ${reasonOf(error)}`);
    }
  };
}

function takeDataKey(
  arn: string,
  keyId: string | undefined,
  plaintext: Uint8Array | undefined,
  wrapped: Uint8Array | undefined,
): Result<DataKey, string> {
  if (plaintext === undefined || wrapped === undefined) return err("KMS answered without a key");
  const key = allocateSecret(plaintext.length);
  key.set(plaintext);
  wipe(plaintext);
  const isSound =
    keyId === arn &&
    key.length === BUNDLE_DATA_KEY_BYTES &&
    wrapped.length > 0 &&
    wrapped.length <= WRAPPED_KEY_BYTES_MAX;
  if (isSound) return ok({ plaintext: key, wrapped });
  wipe(key);
  return err("KMS answered for another key, or with one of another size");
}

/** The name of the SDK's error, which is what AWS documents; its text only for refusals. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  const code = "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
  return `${error.name}${code}: ${error.message.slice(0, 300)}`;
}
