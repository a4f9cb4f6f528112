import assert from "node:assert/strict";
import { test } from "node:test";
import { type DynamoCode, decideDynamoCode } from "../../../../enclave/state/dynamo-refusal.ts";

const NAMES: Readonly<Record<DynamoCode, readonly string[]>> = {
  STORE_DENIED: [
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
  ],
  STORE_THROTTLED: [
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TooManyRequestsException",
  ],
  STORE_IDENTITY: ["ResourceNotFoundException", "TableNotFoundException"],
  STORE_MALFORMED: [
    "SerializationException",
    "UnknownOperationException",
    "ValidationError",
    "ValidationException",
  ],
  STORE_UNAVAILABLE: [
    "InternalFailure",
    "InternalServerError",
    "ReplicatedWriteConflictException",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionConflictException",
  ],
};

test("each name that DynamoDB documents has its code, whatever the status of a client's fault", () => {
  for (const [code, names] of Object.entries(NAMES)) {
    for (const name of names) {
      for (const status of [400, 429, 499]) {
        assert.equal(decideDynamoCode(status, name), code, `${status} ${name}`);
      }
    }
  }
});

test("on a server's fault only throttling keeps its name: the rest says nothing of what was done", () => {
  for (const [code, names] of Object.entries(NAMES)) {
    const expected = code === "STORE_THROTTLED" ? code : "STORE_UNAVAILABLE";
    for (const name of names) {
      for (const status of [500, 503]) {
        assert.equal(decideDynamoCode(status, name), expected, `${status} ${name}`);
      }
    }
  }
});

test("a name that is not known counts by its status", () => {
  for (const name of [null, "", "Throttling", "constructor"]) {
    assert.equal(decideDynamoCode(429, name), "STORE_THROTTLED");
    for (const status of [400, 428, 430, 500]) {
      assert.equal(decideDynamoCode(status, name), "STORE_UNAVAILABLE");
    }
  }
});
