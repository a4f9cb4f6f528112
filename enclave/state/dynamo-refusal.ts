// What an error of a DynamoDB call means for us: one table from the names that DynamoDB documents
// to our codes. It must never pass on the text of an error, which the other side chooses.

import type { ErrorCode } from "../../shared/errors.ts";

export type DynamoCode = Extract<
  ErrorCode,
  "STORE_DENIED" | "STORE_IDENTITY" | "STORE_MALFORMED" | "STORE_THROTTLED" | "STORE_UNAVAILABLE"
>;

const CODE_OF_NAME: ReadonlyMap<string, DynamoCode> = new Map([
  ...each("STORE_DENIED", [
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
  ]),
  ...each("STORE_THROTTLED", [
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TooManyRequestsException",
  ]),
  ...each("STORE_IDENTITY", ["ResourceNotFoundException", "TableNotFoundException"]),
  ...each("STORE_MALFORMED", [
    "SerializationException",
    "UnknownOperationException",
    "ValidationError",
    "ValidationException",
  ]),
  ...each("STORE_UNAVAILABLE", [
    "InternalFailure",
    "InternalServerError",
    "ReplicatedWriteConflictException",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionConflictException",
  ]),
]);

function each(code: DynamoCode, names: readonly string[]): readonly [string, DynamoCode][] {
  return names.map((name) => [name, code]);
}

/**
 * An error answer of DynamoDB. A name that is not in the table counts by its status alone, and says
 * nothing of what was done.
 */
export function decideDynamoCode(status: number, name: string | null): DynamoCode {
  const code = name === null ? undefined : CODE_OF_NAME.get(name);
  // A name that goes with a client's fault means nothing on a server's fault.
  if (code !== undefined && (status < 500 || code === "STORE_THROTTLED")) return code;
  return status === 429 ? "STORE_THROTTLED" : "STORE_UNAVAILABLE";
}
