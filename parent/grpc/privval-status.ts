// Refusals as gRPC statuses, as Tendermint's own signer gives them (tendermint.md §3): a node asks
// again, for a while, when the status is UNAVAILABLE, and gives up at any other. It must never say
// UNAVAILABLE of what asking again can't change, or the node would lose its round over it.

import { status } from "@grpc/grpc-js";
import type { ErrorCode, Refusal } from "../../shared/errors.ts";
import { HTTP_STATUS } from "../api/status.ts";
import { refusalText } from "../privval/refusal-text.ts";
import type { PrivvalMethod } from "./privval-call.ts";

const LATE: ReadonlySet<ErrorCode> = new Set(["LINK_TIMEOUT", "DEADLINE", "PRIVVAL_LATE"]);
const DENIED: ReadonlySet<ErrorCode> = new Set(["ACL_CLIENT_UNKNOWN"]);

const INTAKE: Readonly<Partial<Record<ErrorCode, status>>> = {
  LINK_BUSY: status.RESOURCE_EXHAUSTED,
  PRIVVAL_LATE: status.DEADLINE_EXCEEDED,
  REQUEST_MALFORMED: status.INVALID_ARGUMENT,
};

export type PrivvalStatus = { readonly code: status; readonly details: string };

export function statusOf(method: PrivvalMethod, cause: Refusal): PrivvalStatus {
  return { code: numberOf(method, cause.code), details: refusalText(cause) };
}

/** Of a call that no method has seen. */
export function intakeStatusOf(cause: Refusal): PrivvalStatus {
  return { code: INTAKE[cause.code] ?? status.INTERNAL, details: refusalText(cause) };
}

function numberOf({ arm }: PrivvalMethod, code: ErrorCode): status {
  if (LATE.has(code)) return status.DEADLINE_EXCEEDED;
  if (DENIED.has(code)) return status.PERMISSION_DENIED;
  // The API's table knows what passes by itself, and what is no fault of the caller.
  const http = HTTP_STATUS[code];
  if (http === 503) return status.UNAVAILABLE;
  if (http === 500) return status.INTERNAL;
  return arm === "pubKey" ? status.NOT_FOUND : status.INVALID_ARGUMENT;
}
