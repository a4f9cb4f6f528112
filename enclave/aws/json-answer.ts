// What an AWS service answers over its JSON protocol: an object, or an error by its name. Answers
// are as untrusted as the service: they are parsed once, strictly. The text of an error is chosen
// by the other side and must never be passed on.

import { err, ok, type Result } from "../../shared/result.ts";
import { type JsonObject, member, parseJson, readObject } from "../core/json.ts";

export type AwsAnswer =
  | { readonly kind: "success"; readonly body: JsonObject }
  | {
      readonly kind: "error";
      readonly status: number;
      /** Without namespace: `AccessDeniedException`; null when there is none, or two. */
      readonly name: string | null;
      /** Null when it can't be read: a load balancer answers HTML. */
      readonly body: JsonObject | null;
    };

/** An HTTP answer, of which only this much counts. */
export type RawAnswer = {
  readonly status: number;
  /** `x-amzn-errortype`. */
  readonly errorType: string | undefined;
  /** Null when it was larger than its bound, or had no length. */
  readonly body: Uint8Array | null;
};

/** Items of DynamoDB lie deepest: a map of typed values, in a list of answers. */
const DEPTH_MAX = 16;

/** `com.amazonaws.kms#NotFoundException`, `NotFoundException:http://…`: the name between. */
const ERROR_TYPE = /^(?:[\w.-]{1,128}#)?([A-Za-z]\w{0,127})(?::[\x21-\x7e]{0,256})?$/;

/** Anything but 200 or an error's status is not the protocol: redirects are not followed. */
export function parseAwsAnswer(raw: RawAnswer): Result<AwsAnswer, "MALFORMED"> {
  const { status, errorType } = raw;
  const body = raw.body === null ? null : parseObject(raw.body);
  if (status === 200) return body === null ? err("MALFORMED") : ok({ kind: "success", body });
  if (status < 400 || status > 599) return err("MALFORMED");
  const inHeader = errorNameOf(errorType);
  const inBody = body === null ? null : errorNameOf(member(body, "__type"));
  const isTwo = inHeader !== null && inBody !== null && inHeader !== inBody;
  return ok({ kind: "error", status, name: isTwo ? null : (inHeader ?? inBody), body });
}

function parseObject(bytes: Uint8Array): JsonObject | null {
  const object = parseJson(bytes, DEPTH_MAX, (value) => readObject(value, ""));
  return object.ok ? object.value : null;
}

function errorNameOf(type: unknown): string | null {
  return typeof type === "string" ? (ERROR_TYPE.exec(type)?.[1] ?? null) : null;
}
