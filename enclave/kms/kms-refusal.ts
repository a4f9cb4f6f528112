// What an error of a KMS call means for us: one table from the names that KMS documents to our
// codes. It must never pass on the text of an error, which the other side chooses.

import type { ReleaseRefusal } from "../core/ports.ts";

type KmsCode = Extract<
  ReleaseRefusal["code"],
  "KMS_DENIED" | "KMS_THROTTLED" | "KMS_INVALID" | "KMS_UNAVAILABLE" | "KMS_MALFORMED"
>;

const NAMES: Readonly<Record<Exclude<KmsCode, "KMS_MALFORMED">, readonly string[]>> = {
  // A key policy that does not match the document looks like any other denial (nitro-kms.md §4).
  KMS_DENIED: [
    "AccessDeniedException",
    "DisabledException",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "KMSInvalidStateException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "NotFoundException",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
  ],
  KMS_THROTTLED: [
    "LimitExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TooManyRequestsException",
  ],
  KMS_INVALID: [
    "IncorrectKeyException",
    "InvalidArnException",
    "InvalidCiphertextException",
    "InvalidKeyUsageException",
    "ValidationError",
    "ValidationException",
  ],
  KMS_UNAVAILABLE: [
    "DependencyTimeoutException",
    "InternalFailure",
    "KMSInternalException",
    "KeyUnavailableException",
    "RequestAbortedException",
    "RequestExpired",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
  ],
};

function buildCodeOfName(): ReadonlyMap<string, KmsCode> {
  const codes = new Map<string, KmsCode>();
  for (const name of NAMES.KMS_DENIED) codes.set(name, "KMS_DENIED");
  for (const name of NAMES.KMS_THROTTLED) codes.set(name, "KMS_THROTTLED");
  for (const name of NAMES.KMS_INVALID) codes.set(name, "KMS_INVALID");
  for (const name of NAMES.KMS_UNAVAILABLE) codes.set(name, "KMS_UNAVAILABLE");
  return codes;
}

const CODE_OF_NAME = buildCodeOfName();

/** An error answer of KMS. A name that is not in the table counts by its status alone. */
export function decideReleaseRefusal(status: number, name: string | null): KmsCode {
  const code = name === null ? undefined : CODE_OF_NAME.get(name);
  if (code !== undefined) return code;
  if (status === 429) return "KMS_THROTTLED";
  return status >= 500 ? "KMS_UNAVAILABLE" : "KMS_MALFORMED";
}
