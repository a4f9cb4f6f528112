// Messages inside frames, as CBOR arrays: a request is `[id, method, params]`, an answer is
// `[id, 0, value]` or `[id, error number, details]`. Every request gets exactly one answer, in any
// order. Parsing is total; what does not fit is refused without a guess at its meaning.

import { type CborValue, isArray, parseCbor } from "../bytes/cbor.ts";
import { type Detail, ERRORS, errorCodeOfNumber, type Refusal } from "../errors.ts";
import { DETAIL_BYTES_MAX, DETAIL_COUNT_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";

export type WireRequest = {
  readonly id: number;
  readonly method: string;
  readonly params: readonly CborValue[];
};

export type WireAnswer = { readonly id: number; readonly outcome: Result<CborValue, Refusal> };

const ID_MAX = 0xffff_ffff;
const METHOD_LENGTH_MAX = 32;

export function parseRequest(bytes: Uint8Array): Result<WireRequest, "FRAME_MALFORMED"> {
  const message = parseCbor(bytes);
  if (!message.ok || !isArray(message.value)) return err("FRAME_MALFORMED");
  const [id, method, params, ...rest] = message.value;
  if (!isId(id) || typeof method !== "string" || method.length > METHOD_LENGTH_MAX) {
    return err("FRAME_MALFORMED");
  }
  if (params === undefined || !isArray(params) || rest.length > 0) return err("FRAME_MALFORMED");
  return ok({ id, method, params });
}

/** A request as the item that its frame holds. */
export function requestItem(request: WireRequest): CborValue {
  return [request.id, request.method, request.params];
}

export function parseAnswer(bytes: Uint8Array): Result<WireAnswer, "FRAME_MALFORMED"> {
  const message = parseCbor(bytes);
  if (!message.ok || !isArray(message.value)) return err("FRAME_MALFORMED");
  const [id, status, value, ...rest] = message.value;
  if (!isId(id) || typeof status !== "number" || value === undefined || rest.length > 0) {
    return err("FRAME_MALFORMED");
  }
  if (status === 0) return ok({ id, outcome: ok(value) });
  const code = errorCodeOfNumber(status);
  const detail = parseDetail(value);
  if (code === undefined || !detail.ok) return err("FRAME_MALFORMED");
  const error = detail.value.length === 0 ? { code } : { code, detail: detail.value };
  return ok({ id, outcome: err(error) });
}

/** An answer as the item that its frame holds. */
export function answerItem(answer: WireAnswer): CborValue {
  const { id, outcome } = answer;
  if (outcome.ok) return [id, 0, outcome.value];
  return [id, ERRORS[outcome.error.code].number, outcome.error.detail ?? []];
}

function parseDetail(value: CborValue): Result<readonly Detail[], "FRAME_MALFORMED"> {
  if (!isArray(value) || value.length > DETAIL_COUNT_MAX) return err("FRAME_MALFORMED");
  const detail: Detail[] = [];
  for (const item of value) {
    if (typeof item === "number" || typeof item === "bigint") detail.push(item);
    else if (typeof item === "string" || item instanceof Uint8Array) {
      if (item.length > DETAIL_BYTES_MAX) return err("FRAME_MALFORMED");
      detail.push(item);
    } else return err("FRAME_MALFORMED");
  }
  return ok(detail);
}

function isId(value: CborValue | undefined): value is number {
  return typeof value === "number" && value >= 0 && value <= ID_MAX;
}
