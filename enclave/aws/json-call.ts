// One call of an AWS service over its JSON protocol: POST / with `X-Amz-Target`, signed. What is
// called, as whom and when is all in the arguments. It must never follow a redirect, try again, use
// a proxy, take anything from the environment, or hold more of an answer than its bound.

import type { IncomingMessage } from "node:http";
import { type RequestOptions, request } from "node:https";
import type { Refusal } from "../../shared/errors.ts";
import { HTTP_HEADER_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { SOFTWARE } from "../version.ts";
import { type AwsAnswer, parseAwsAnswer, type RawAnswer } from "./json-answer.ts";
import { ConnectionRefused, type RelayAgent } from "./relay-agent.ts";
import { type SigningScope, signRequest } from "./sigv4.ts";

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

export type AwsJsonCall = SigningScope & {
  readonly host: string;
  /** `TrentService.Decrypt`. */
  readonly target: string;
  readonly jsonVersion: "1.0" | "1.1";
  readonly body: { readonly [name: string]: JsonValue };
  /** From here to the whole answer, with connecting. */
  readonly deadlineMs: number;
  readonly answerBytesMax: number;
};

/**
 * Why there is no answer. `unavailable`: none came, or not whole, so that nobody knows what the
 * service did. `malformed`: something came that is not the protocol.
 */
export type AwsFailure =
  | { readonly kind: "relay"; readonly refusal: Refusal }
  | { readonly kind: "unavailable" }
  | { readonly kind: "malformed" };

const UNAVAILABLE: AwsFailure = { kind: "unavailable" };
const MALFORMED: AwsFailure = { kind: "malformed" };

/** The agent is that of `host`. Whoever made it destroys it, which ends what is under way. */
export async function callAwsJson(
  agent: RelayAgent,
  call: AwsJsonCall,
): Promise<Result<AwsAnswer, AwsFailure>> {
  const body = new TextEncoder().encode(JSON.stringify(call.body));
  const unsigned = {
    "content-length": String(body.length),
    "content-type": `application/x-amz-json-${call.jsonVersion}`,
    host: call.host,
    "x-amz-target": call.target,
  };
  const headers = signRequest({ method: "POST", headers: unsigned, body }, call);
  const options: RequestOptions = {
    agent,
    host: call.host,
    method: "POST",
    path: "/",
    headers: { ...headers, "user-agent": SOFTWARE },
    insecureHTTPParser: false,
    maxHeaderSize: HTTP_HEADER_BYTES_MAX,
  };
  const raw = await exchange(options, body, call);
  if (!raw.ok) return raw;
  const answer = parseAwsAnswer(raw.value);
  return answer.ok ? answer : err(MALFORMED);
}

/** Settles once, with the first of: the whole answer, an error, the deadline. */
function exchange(
  options: RequestOptions,
  body: Uint8Array,
  { deadlineMs, answerBytesMax }: AwsJsonCall,
): Promise<Result<RawAnswer, AwsFailure>> {
  const deadline = AbortSignal.timeout(deadlineMs);
  return new Promise((resolve) => {
    const outgoing = request(options);
    const settle = (result: Result<RawAnswer, AwsFailure>): void => {
      deadline.removeEventListener("abort", onDeadline);
      resolve(result);
      if (!result.ok) outgoing.destroy();
    };
    const onDeadline = (): void => settle(err(UNAVAILABLE));
    deadline.addEventListener("abort", onDeadline);
    outgoing.on("response", (response) => {
      void readAnswer(response, answerBytesMax).then(settle);
    });
    // We neither wait for leave to send (100) nor know another protocol (101).
    outgoing.on("information", () => settle(err(MALFORMED)));
    outgoing.on("upgrade", (_response, socket) => {
      // The agent has let go of it.
      socket.destroy();
      settle(err(MALFORMED));
    });
    outgoing.on("error", (error) => settle(err(failureOf(error))));
    outgoing.end(body);
  });
}

async function readAnswer(
  response: IncomingMessage,
  bytesMax: number,
): Promise<Result<RawAnswer, AwsFailure>> {
  const { statusCode: status = 0, headers } = response;
  const errorType = headers["x-amzn-errortype"];
  if (Array.isArray(errorType)) return err(MALFORMED);
  // An answer that ends where the connection does is as long as the relay wants it to be.
  const hasLength = "content-length" in headers || headers["transfer-encoding"] === "chunked";
  try {
    const body = hasLength ? await readBounded(response, bytesMax) : null;
    if (body === null) response.destroy();
    return ok({ status, errorType, body });
  } catch {
    return err(UNAVAILABLE);
  }
}

/** Null when there is more. Leaving the loop early destroys the stream. */
async function readBounded(
  stream: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  for await (const chunk of stream) {
    byteCount += chunk.length;
    if (byteCount > bytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function failureOf(error: Error): AwsFailure {
  if (error instanceof ConnectionRefused) {
    return error.refusal === null ? UNAVAILABLE : { kind: "relay", refusal: error.refusal };
  }
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  // The codes of Node's HTTP parser.
  return code.startsWith("HPE_") ? MALFORMED : UNAVAILABLE;
}
