// How a command reaches AWS: endpoint, trust anchors, credentials. It must never print a secret.

import { readFile } from "node:fs/promises";
import { CREDENTIAL_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export type AwsCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
};

export type AwsOptions = {
  /** Another endpoint than the region's: a VPC endpoint, or a local KMS. */
  readonly endpoint: string | null;
  /** A PEM file with the only trust anchors of that endpoint. */
  readonly caFile: string | null;
  /** Null: what the SDK finds (environment, profile, instance role). */
  readonly credentials: AwsCredentials | null;
};

/**
 * The JSON that `aws` tools and IMDS write: AccessKeyId, SecretAccessKey, SessionToken or Token.
 */
export async function readCredentials(file: string): Promise<Result<AwsCredentials, string>> {
  const unreadable = err(`${file} does not hold AWS credentials as JSON`);
  try {
    const text = await readFile(file, "utf8");
    if (text.length > CREDENTIAL_BYTES_MAX * 2) return unreadable;
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return unreadable;
    const fields: Readonly<Record<string, unknown>> = { ...value };
    const accessKeyId = fields["AccessKeyId"];
    const secretAccessKey = fields["SecretAccessKey"];
    const sessionToken = fields["SessionToken"] ?? fields["Token"];
    if (typeof accessKeyId !== "string" || typeof secretAccessKey !== "string") return unreadable;
    if (sessionToken === undefined) return ok({ accessKeyId, secretAccessKey });
    if (typeof sessionToken !== "string") return unreadable;
    return ok({ accessKeyId, secretAccessKey, sessionToken });
  } catch {
    return unreadable;
  }
}
