// Checks AWS Signature Version 4 on requests to the stand-ins, by computing it again from the
// secret. Written apart from the SDK that signs, so that one can't hide the other's mistake.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { AwsError } from "./aws-error.ts";

export type LocalCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
  /** The principal that key policies name. */
  readonly arn: string;
};

export type SignedRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
};

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/(\d{8})\/([a-z0-9-]+)\/([a-z]+)\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/;
const AGE_MS_MAX = 15 * 60_000;
const MANDATORY_HEADERS = ["host", "x-amz-date", "x-amz-target"];

/** Who signed the request, for this service. Throws what AWS answers otherwise. */
export function verifySignature(
  request: SignedRequest,
  service: string,
  known: readonly LocalCredentials[],
  nowMs: number,
): LocalCredentials {
  const { headers } = request;
  const authorization = headers["authorization"];
  if (authorization === undefined) {
    throw new AwsError("MissingAuthenticationTokenException", "Missing Authentication Token");
  }
  const [, keyId, day = "", region = "", scope, signedNames = "", signature = ""] =
    AUTHORIZATION.exec(authorization) ?? [];
  const names = signedNames.split(";");
  if (scope !== service || MANDATORY_HEADERS.some((name) => !names.includes(name))) {
    throw new AwsError("IncompleteSignature", "the Authorization header is not complete");
  }
  const caller = known.find((credentials) => credentials.accessKeyId === keyId);
  if (
    caller === undefined ||
    (caller.sessionToken ?? undefined) !== headers["x-amz-security-token"]
  ) {
    throw unrecognized();
  }
  const date = headers["x-amz-date"] ?? "";
  checkDate(date, day, nowMs);
  const canonical = canonicalRequest(request, names);
  const toSign = `AWS4-HMAC-SHA256\n${date}\n${day}/${region}/${service}/aws4_request\n${sha256(canonical)}`;
  const key = [day, region, service, "aws4_request"].reduce<Uint8Array | string>(
    hmac,
    `AWS4${caller.secretAccessKey}`,
  );
  if (!timingSafeEqual(hmac(key, toSign), Buffer.from(signature, "hex"))) {
    throw new AwsError("InvalidSignatureException", "The request signature does not match");
  }
  return caller;
}

function unrecognized(): AwsError {
  const text = "The security token included in the request is invalid.";
  return new AwsError("UnrecognizedClientException", text);
}

function checkDate(date: string, day: string, nowMs: number): void {
  const [, ymd = "", time = ""] = /^(\d{8})T(\d{6})Z$/.exec(date) ?? [];
  const iso = `${ymd.slice(0, 4)}-${ymd.slice(4, 6)}-${ymd.slice(6)}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}Z`;
  const signedMs = Date.parse(iso);
  if (ymd !== day || !(Math.abs(nowMs - signedMs) <= AGE_MS_MAX)) {
    throw new AwsError("InvalidSignatureException", "Signature expired or not yet current");
  }
}

function canonicalRequest(request: SignedRequest, names: readonly string[]): string {
  const lines = names.map(
    (name) => `${name}:${(request.headers[name] ?? "").trim().replace(/\s+/g, " ")}\n`,
  );
  // Our clients post to `/` without a query.
  return [
    request.method,
    request.path,
    "",
    lines.join(""),
    names.join(";"),
    sha256(request.body),
  ].join("\n");
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: Uint8Array | string, data: string): Uint8Array {
  return createHmac("sha256", key).update(data).digest();
}
