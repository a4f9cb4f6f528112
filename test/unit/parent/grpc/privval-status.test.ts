import assert from "node:assert/strict";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { PRIVVAL_METHODS } from "../../../../parent/grpc/privval-call.ts";
import { statusOf } from "../../../../parent/grpc/privval-status.ts";
import { ERRORS, type ErrorCode, isErrorCode, refusal } from "../../../../shared/errors.ts";

const { GetPubKey, SignVote, SignProposal } = PRIVVAL_METHODS;

test("each code has its status, and the public key another one where it is about the key", () => {
  const rows: readonly (readonly [ErrorCode, sign: status, key: status])[] = [
    ["LINK_DOWN", status.UNAVAILABLE, status.UNAVAILABLE],
    ["LINK_BUSY", status.UNAVAILABLE, status.UNAVAILABLE],
    ["PHASE_REFUSED", status.UNAVAILABLE, status.UNAVAILABLE],
    ["STORE_UNAVAILABLE", status.UNAVAILABLE, status.UNAVAILABLE],
    ["TIME_STALE", status.UNAVAILABLE, status.UNAVAILABLE],
    ["LINK_TIMEOUT", status.DEADLINE_EXCEEDED, status.DEADLINE_EXCEEDED],
    ["PRIVVAL_LATE", status.DEADLINE_EXCEEDED, status.DEADLINE_EXCEEDED],
    ["PRIVVAL_ANSWER", status.INTERNAL, status.INTERNAL],
    ["SIGN_FAULT", status.INTERNAL, status.INTERNAL],
    ["ACL_CLIENT_UNKNOWN", status.PERMISSION_DENIED, status.PERMISSION_DENIED],
    ["KEY_UNKNOWN", status.INVALID_ARGUMENT, status.NOT_FOUND],
    ["KEY_AMBIGUOUS", status.INTERNAL, status.INTERNAL],
    ["REQUEST_CHAIN", status.INVALID_ARGUMENT, status.NOT_FOUND],
    ["GUARD_HEIGHT_BELOW", status.INVALID_ARGUMENT, status.NOT_FOUND],
    ["STATE_MISSING", status.INVALID_ARGUMENT, status.NOT_FOUND],
  ];
  for (const [code, sign, key] of rows) {
    const cause = refusal(code);
    assert.equal(statusOf(SignVote, cause).code, sign, code);
    assert.equal(statusOf(SignProposal, cause).code, sign, code);
    assert.equal(statusOf(GetPubKey, cause).code, key, code);
  }
});

test("no code is OK, and each is told by its name", () => {
  for (const code of Object.keys(ERRORS).filter(isErrorCode)) {
    const { code: number, details } = statusOf(SignVote, refusal(code));
    assert.notEqual(number, status.OK, code);
    assert.ok(details.startsWith(`${code}: `), details);
  }
});
