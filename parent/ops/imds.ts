// The instance metadata service, version 2 (nitro-kms.md §4): a token by PUT, then the name of the
// role, then its credentials. Version 1 is never tried: it answers whoever can make us send a GET.

import { type IncomingMessage, request } from "node:http";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { CREDENTIAL_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { readBoundedStream } from "../platform/bounded-reader.ts";
import type { Credentials } from "../ports.ts";
import { type CredentialRefusal, parseCredentials } from "./credential-format.ts";

const TOKEN_PATH = "/latest/api/token";
const ROLE_PATH = "/latest/meta-data/iam/security-credentials/";
const TOKEN_TTL_SECONDS = "60";
const DEADLINE_MS = 2000;
const ANSWER_BYTES_MAX = 2 * CREDENTIAL_BYTES_MAX;
/** What a header or a path may take unescaped. */
const TOKEN = /^[\x21-\x7e]{1,1024}$/;
const ROLE = /^[\w+=,.@-]{1,128}$/;

export async function readInstanceCredentials(
  baseUrl: string,
): Promise<Result<Credentials, CredentialRefusal>> {
  const ttl = { "x-aws-ec2-metadata-token-ttl-seconds": TOKEN_TTL_SECONDS };
  const token = await ask(new URL(TOKEN_PATH, baseUrl), "PUT", ttl, TOKEN);
  if (!token.ok) return token;
  const headers = { "x-aws-ec2-metadata-token": token.value };
  const role = await ask(new URL(ROLE_PATH, baseUrl), "GET", headers, ROLE);
  if (!role.ok) return role;
  const answer = await ask(new URL(`${ROLE_PATH}${role.value}`, baseUrl), "GET", headers, /^/);
  return answer.ok ? parseCredentials(answer.value) : answer;
}

/** The body of a 200, without its line end, when it has the form. */
function ask(
  url: URL,
  method: "GET" | "PUT",
  headers: Readonly<Record<string, string>>,
  form: RegExp,
): Promise<Result<string, Refusal<"CREDENTIALS_MISSING" | "CREDENTIALS_MALFORMED">>> {
  return new Promise((settle) => {
    const missing = (): void => settle(err(refusal("CREDENTIALS_MISSING")));
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const asking = request(url, { method, headers: { ...headers }, agent: false, signal });
    asking.once("error", missing);
    asking.once("response", (response) => {
      if (response.statusCode !== 200) {
        response.destroy();
        return missing();
      }
      void readText(response).then((text) => {
        if (text === null) return missing();
        settle(form.test(text) ? ok(text) : err(refusal("CREDENTIALS_MALFORMED")));
      });
    });
    asking.end();
  });
}

/** Null when it is too large or cut off. */
async function readText(response: IncomingMessage): Promise<string | null> {
  const bytes = await readBoundedStream(response, ANSWER_BYTES_MAX);
  return bytes === null ? null : bytes.toString("utf8").trim();
}
