import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeRefusal, HTTP_STATUS, retryAfterOf } from "../../../../parent/api/status.ts";
import {
  ERRORS,
  type ErrorCode,
  isErrorCode,
  type Refusal,
  refusal,
} from "../../../../shared/errors.ts";

function bodyOf(cause: Refusal): Readonly<Record<string, unknown>> {
  const body: unknown = JSON.parse(encodeRefusal(cause));
  assert.ok(typeof body === "object" && body !== null);
  return { ...body };
}

const CODES = Object.keys(ERRORS).filter(isErrorCode);

const GROUPS: readonly (readonly [pattern: RegExp, status: number])[] = [
  [/^REQUEST_|^ROOT_MISMATCH$|^HTTP_MALFORMED$/, 400],
  [/^ACL_|^POLICY_/, 403],
  [/^KEY_UNKNOWN$|^HTTP_NOT_FOUND$/, 404],
  [/^HTTP_METHOD$/, 405],
  [/^RELOAD_RUNNING$/, 409],
  [/^GUARD_|^(NETWORK|FORK)_MISMATCH$|^FUTURE$|^HIGH_WATERMARK$|^MAX_HEIGHT$/, 412],
  [/^STATE_(MISSING|CORRUPT|ROLLED_BACK)$|^KEY_RETIRED$/, 412],
  [/^BODY_OVERSIZE$/, 413],
  [/^RATE_LIMITED$/, 429],
  [/^LINK_|^STORE_|^STATE_(UNKNOWN|CONFLICT)$|^TIME_STALE$|^PHASE_REFUSED$|^DRAINING$/, 503],
  [/^NOT_READY$|^QUEUE_FULL$|^DEADLINE$|^ENCLAVE_|^NITRO_CLI_/, 503],
];

function expectedStatus(code: ErrorCode): number {
  return GROUPS.find(([pattern]) => pattern.test(code))?.[1] ?? 500;
}

for (const code of CODES) {
  test(`HTTP_STATUS answers ${expectedStatus(code)} for ${code}`, () => {
    assert.equal(HTTP_STATUS[code], expectedStatus(code));
    assert.equal(retryAfterOf(code) !== null, [503, 429].includes(HTTP_STATUS[code]));
  });
}

test("encodeRefusal names details, bytes as hex and numbers as decimal text", () => {
  const root = new Uint8Array(32).fill(0xab);
  const other = new Uint8Array(32).fill(0x01);
  assert.deepEqual(bodyOf(refusal("ROOT_MISMATCH", root, other)), {
    code: "ROOT_MISMATCH",
    message: ERRORS.ROOT_MISMATCH.text,
    error: ERRORS.ROOT_MISMATCH.text,
    computed: `0x${"ab".repeat(32)}`,
    supplied: `0x${"01".repeat(32)}`,
  });
  const boot = bodyOf(refusal("GUARD_BOOT_FLOOR", 2n ** 64n - 1n, 7, 8n));
  assert.deepEqual(
    [boot["slotFrom"], boot["sourceFrom"], boot["targetFrom"]],
    ["18446744073709551615", "7", "8"],
  );
});

test("encodeRefusal drops details that the code does not have", () => {
  assert.deepEqual(Object.keys(bodyOf(refusal("KEY_UNKNOWN", "secret"))), [
    "code",
    "message",
    "error",
  ]);
});

test("encodeRefusal leaves out details that did not come", () => {
  const body = bodyOf(refusal("GUARD_BLOCK_BELOW", 5n));
  assert.deepEqual([body["slot"], body["signedSlot"]], ["5", undefined]);
});
