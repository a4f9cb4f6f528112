// AWS Signature Version 4 in the Authorization header, for the one form of request that we make: to
// the path `/`, without a query. A function of its arguments alone: the time is the caller's, which
// is trusted time. It must never sign a header whose canonical form is not its own text, since what
// is sent would then differ from what is signed.

import { createHash, createHmac } from "node:crypto";
import { encodeUtc } from "../../shared/bytes/utc.ts";
import { invariant } from "../../shared/invariant.ts";
import type { AwsCredentials } from "./credentials.ts";

export type SignableRequest = {
  readonly method: "GET" | "POST";
  /** All of them are signed; `host` is one of them. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
};

export type SigningScope = {
  readonly credentials: Omit<AwsCredentials, "expirationMs">;
  readonly region: string;
  /** As the service's scope is named: `kms`, `dynamodb`. */
  readonly service: string;
  /** Unix time; AWS takes no request that is 5 minutes off. */
  readonly nowMs: number;
};

const ALGORITHM = "AWS4-HMAC-SHA256";
const HEADER_NAME = /^[a-z0-9-]+$/;
/** Printable, no space at either end and none beside another. */
const HEADER_VALUE = /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/;

/** The headers to send: the request's, the time, the session token and the signature. */
export function signRequest(
  request: SignableRequest,
  scope: SigningScope,
): Readonly<Record<string, string>> {
  const { accessKeyId, secretAccessKey, sessionToken } = scope.credentials;
  const time = encodeTime(scope.nowMs);
  const headers: Readonly<Record<string, string>> = {
    ...request.headers,
    "x-amz-date": time,
    ...(sessionToken === null ? {} : { "x-amz-security-token": sessionToken }),
  };
  const sorted = Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, value] of sorted) {
    invariant(HEADER_NAME.test(name) && HEADER_VALUE.test(value), "a header in canonical form");
  }
  const signedNames = sorted.map(([name]) => name).join(";");
  const canonicalRequest = [
    request.method,
    "/",
    "",
    ...sorted.map(([name, value]) => `${name}:${value}`),
    "",
    signedNames,
    sha256(request.body),
  ].join("\n");
  const day = time.slice(0, 8);
  const credentialScope = `${day}/${scope.region}/${scope.service}/aws4_request`;
  const toSign = [ALGORITHM, time, credentialScope, sha256(canonicalRequest)].join("\n");
  const key = deriveKey(secretAccessKey, [day, scope.region, scope.service, "aws4_request"]);
  const signature = hmac(key, toSign).toString("hex");
  key.fill(0);
  const credential = `Credential=${accessKeyId}/${credentialScope}`;
  const authorization = `${ALGORITHM} ${credential}, SignedHeaders=${signedNames}, Signature=${signature}`;
  return { ...headers, authorization };
}

/** `20150830T123600Z`. */
function encodeTime(ms: number): string {
  return `${encodeUtc(ms).slice(0, 19).replaceAll(/[:-]/g, "")}Z`;
}

/** The caller wipes it. The secret itself is text, and can't be. */
function deriveKey(secretAccessKey: string, parts: readonly string[]): Buffer {
  let key = Buffer.from(`AWS4${secretAccessKey}`);
  for (const part of parts) {
    const next = hmac(key, part);
    key.fill(0);
    key = next;
  }
  return key;
}

function hmac(key: Uint8Array, data: string): Buffer<ArrayBuffer> {
  return createHmac("sha256", key).update(data).digest();
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
