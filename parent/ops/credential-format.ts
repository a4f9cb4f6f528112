// AWS credentials as JSON, as IMDS and the AWS tools write them.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { CREDENTIAL_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Credentials } from "../ports.ts";

export type CredentialRefusal = Refusal<"CREDENTIALS_MISSING" | "CREDENTIALS_MALFORMED">;

/** AccessKeyId, SecretAccessKey, Token or SessionToken, Expiration; other fields are ignored. */
export function parseCredentials(
  text: string,
): Result<Credentials, Refusal<"CREDENTIALS_MALFORMED">> {
  const malformed = err(refusal("CREDENTIALS_MALFORMED"));
  const fields = jsonFields(text);
  const { AccessKeyId, SecretAccessKey, Token, SessionToken, Expiration } = fields;
  const sessionToken = Token ?? SessionToken ?? null;
  const expirationMs = Expiration === undefined ? 0 : timeOf(Expiration);
  if (typeof AccessKeyId !== "string" || typeof SecretAccessKey !== "string") return malformed;
  if (sessionToken !== null && typeof sessionToken !== "string") return malformed;
  if (!Number.isSafeInteger(expirationMs) || expirationMs < 0) return malformed;
  const byteCount = AccessKeyId.length + SecretAccessKey.length + (sessionToken ?? "").length;
  if (byteCount > CREDENTIAL_BYTES_MAX) return malformed;
  return ok({
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken,
    expirationMs,
  });
}

type CredentialFields = {
  readonly AccessKeyId?: unknown;
  readonly SecretAccessKey?: unknown;
  readonly Token?: unknown;
  readonly SessionToken?: unknown;
  readonly Expiration?: unknown;
};

function jsonFields(text: string): CredentialFields {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** ISO 8601 in UTC, as AWS writes it. NaN for anything else. */
function timeOf(value: unknown): number {
  const isUtc =
    typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value);
  return isUtc ? Date.parse(value) : Number.NaN;
}
