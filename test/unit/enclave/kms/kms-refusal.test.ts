import assert from "node:assert/strict";
import { test } from "node:test";
import { decideReleaseRefusal } from "../../../../enclave/kms/kms-refusal.ts";

/** The names of the KMS API reference's Decrypt and its common errors. */
const CODES: Readonly<Record<string, string>> = {
  AccessDeniedException: "KMS_DENIED",
  DisabledException: "KMS_DENIED",
  ExpiredTokenException: "KMS_DENIED",
  IncompleteSignature: "KMS_DENIED",
  InvalidClientTokenId: "KMS_DENIED",
  InvalidSignatureException: "KMS_DENIED",
  KMSInvalidStateException: "KMS_DENIED",
  MissingAuthenticationToken: "KMS_DENIED",
  NotAuthorized: "KMS_DENIED",
  NotFoundException: "KMS_DENIED",
  OptInRequired: "KMS_DENIED",
  UnrecognizedClientException: "KMS_DENIED",
  LimitExceededException: "KMS_THROTTLED",
  ThrottlingException: "KMS_THROTTLED",
  IncorrectKeyException: "KMS_INVALID",
  InvalidCiphertextException: "KMS_INVALID",
  InvalidKeyUsageException: "KMS_INVALID",
  ValidationError: "KMS_INVALID",
  ValidationException: "KMS_INVALID",
  DependencyTimeoutException: "KMS_UNAVAILABLE",
  InternalFailure: "KMS_UNAVAILABLE",
  KMSInternalException: "KMS_UNAVAILABLE",
  KeyUnavailableException: "KMS_UNAVAILABLE",
  RequestAbortedException: "KMS_UNAVAILABLE",
  RequestExpired: "KMS_UNAVAILABLE",
  RequestTimeoutException: "KMS_UNAVAILABLE",
  ServiceUnavailable: "KMS_UNAVAILABLE",
};

test("an error that KMS documents has its code, whatever its status", () => {
  for (const [name, code] of Object.entries(CODES)) {
    for (const status of [400, 403, 429, 500]) {
      assert.equal(decideReleaseRefusal(status, name), code, name);
    }
  }
});

test("an error without a known name counts by its status alone", () => {
  const names = [null, "", "NewException", "accessdeniedexception", "__proto__", "constructor"];
  for (const name of names) {
    assert.equal(decideReleaseRefusal(400, name), "KMS_MALFORMED");
    assert.equal(decideReleaseRefusal(428, name), "KMS_MALFORMED");
    assert.equal(decideReleaseRefusal(429, name), "KMS_THROTTLED");
    assert.equal(decideReleaseRefusal(430, name), "KMS_MALFORMED");
    assert.equal(decideReleaseRefusal(499, name), "KMS_MALFORMED");
    assert.equal(decideReleaseRefusal(500, name), "KMS_UNAVAILABLE");
    assert.equal(decideReleaseRefusal(599, name), "KMS_UNAVAILABLE");
  }
});
