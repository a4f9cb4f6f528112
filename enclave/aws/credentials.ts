// The AWS credentials that the parent pushes. They are routing data, not secrets from the parent:
// what protects a key is its key policy, which names the image and the manifest. Therefore they are
// only checked for their form (they go into HTTP headers), and must never be logged or answered.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { CREDENTIAL_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export type AwsCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
  /** Unix time; 0 when they don't expire. */
  readonly expirationMs: number;
};

/** The form that IAM documents: word characters. */
const ACCESS_KEY_ID = /^\w{16,128}$/;
const SECRET_ACCESS_KEY = /^[A-Za-z0-9/+=]{16,256}$/;
/** Anything that fits into a header and holds no separator. */
const SESSION_TOKEN = /^[\x21-\x7e]+$/;

export class PushedCredentials {
  #credentials: AwsCredentials | null = null;

  /** The newest replace the older ones; malformed ones leave them as they are. */
  put(credentials: AwsCredentials): Result<null, Refusal<"CREDENTIALS_MALFORMED">> {
    if (!isWellFormed(credentials)) return err(refusal("CREDENTIALS_MALFORMED"));
    this.#credentials = { ...credentials };
    return ok(null);
  }

  /** `nowMs` is trusted Unix time. */
  current(nowMs: number): Result<AwsCredentials, Refusal<"CREDENTIALS_MISSING">> {
    const credentials = this.#credentials;
    if (credentials === null || isExpired(credentials, nowMs)) {
      return err(refusal("CREDENTIALS_MISSING"));
    }
    return ok(credentials);
  }
}

function isExpired(credentials: AwsCredentials, nowMs: number): boolean {
  return credentials.expirationMs !== 0 && credentials.expirationMs <= nowMs;
}

function isWellFormed(credentials: AwsCredentials): boolean {
  const { accessKeyId, secretAccessKey, sessionToken, expirationMs } = credentials;
  return (
    ACCESS_KEY_ID.test(accessKeyId) &&
    SECRET_ACCESS_KEY.test(secretAccessKey) &&
    (sessionToken === null ||
      (sessionToken.length <= CREDENTIAL_BYTES_MAX && SESSION_TOKEN.test(sessionToken))) &&
    Number.isSafeInteger(expirationMs) &&
    expirationMs >= 0
  );
}
