// Refusals as HTTP: which status each code has, and the body that tells it. It must never put
// anything into a body but the code, its fixed text and the details that DETAIL_NAMES names.

import {
  DETAIL_NAMES,
  describeValue,
  ERRORS,
  type ErrorCode,
  type Refusal,
} from "../../shared/errors.ts";

export type RefusalStatus = 400 | 403 | 404 | 405 | 409 | 412 | 413 | 429 | 500 | 503;

/** Web3Signer's statuses where it has one (ethereum.md §1.3), but 400 for a wrong signing root. */
export const HTTP_STATUS: Readonly<Record<ErrorCode, RefusalStatus>> = {
  FRAME_OVERSIZE: 500,
  FRAME_MALFORMED: 500,
  METHOD_UNKNOWN: 500,
  PARAMS_MALFORMED: 500,
  LINK_BUSY: 503,
  LINK_DOWN: 503,
  LINK_TIMEOUT: 503,
  PHASE_REFUSED: 503,
  DRAINING: 503,
  MANIFEST_MALFORMED: 500,
  MANIFEST_ALREADY_MEASURED: 500,
  POLICY_KIND_DENIED: 403,
  POLICY_FEE_RECIPIENT: 403,
  ACL_KIND_DENIED: 403,
  ACL_KEY_DENIED: 403,
  ACL_CLIENT_UNKNOWN: 403,
  ACL_SOURCE_DENIED: 403,
  NSM_UNAVAILABLE: 500,
  NSM_REFUSED: 500,
  NSM_MALFORMED: 500,
  NSM_PCR_UNEXPECTED: 500,
  TIME_STALE: 503,
  ATTEST_SIZE: 500,
  ATTEST_COSE: 500,
  ATTEST_ALGORITHM: 500,
  ATTEST_PAYLOAD: 500,
  ATTEST_CERTIFICATE: 500,
  ATTEST_ROOT: 500,
  ATTEST_CHAIN: 500,
  ATTEST_CHAIN_EXPIRED: 500,
  ATTEST_CHAIN_USAGE: 500,
  ATTEST_SIGNATURE: 500,
  ATTEST_DIGEST: 500,
  ATTEST_DEBUG: 500,
  ATTEST_PCR: 500,
  ATTEST_NONCE: 500,
  ATTEST_TIME: 500,
  ATTEST_USER_DATA: 500,
  KMS_UNAVAILABLE: 500,
  KMS_DENIED: 500,
  KMS_MALFORMED: 500,
  KMS_THROTTLED: 500,
  KMS_KEY_MISMATCH: 500,
  KMS_INVALID: 500,
  CMS_MALFORMED: 500,
  CREDENTIALS_MISSING: 500,
  CREDENTIALS_MALFORMED: 500,
  BUNDLE_MALFORMED: 500,
  BUNDLE_KEY_ARN: 500,
  BUNDLE_SEAL: 500,
  BUNDLE_PUBLIC_KEY: 500,
  BUNDLE_INCOMPLETE: 500,
  BUNDLE_LIMIT: 500,
  BUNDLE_SOURCE: 500,
  KEY_UNKNOWN: 404,
  KEY_DUPLICATE: 500,
  SIGN_SELF_TEST: 500,
  REQUEST_MALFORMED: 400,
  REQUEST_KIND_UNKNOWN: 400,
  REQUEST_BLIND: 400,
  ROOT_MISMATCH: 400,
  NETWORK_MISMATCH: 412,
  FORK_MISMATCH: 412,
  FUTURE: 412,
  HIGH_WATERMARK: 412,
  GUARD_BLOCK_DOUBLE: 412,
  GUARD_BLOCK_BELOW: 412,
  GUARD_VOTE_DOUBLE: 412,
  GUARD_VOTE_TARGET_BELOW: 412,
  GUARD_VOTE_SOURCE_BELOW: 412,
  GUARD_VOTE_ORDER: 412,
  GUARD_BOOT_FLOOR: 412,
  STATE_MISSING: 412,
  STATE_CORRUPT: 412,
  STATE_ROLLED_BACK: 412,
  STATE_UNKNOWN: 503,
  STATE_CONFLICT: 503,
  STORE_UNAVAILABLE: 503,
  STORE_FULL: 503,
  STORE_LOCKED: 503,
  STORE_CORRUPT: 503,
  INTERCHANGE_MALFORMED: 500,
  INTERCHANGE_NETWORK: 500,
  HTTP_MALFORMED: 400,
  HTTP_NOT_FOUND: 404,
  HTTP_METHOD: 405,
  BODY_OVERSIZE: 413,
  RATE_LIMITED: 429,
  QUEUE_FULL: 503,
  DEADLINE: 503,
  NOT_READY: 503,
  RELOAD_RUNNING: 409,
  RELAY_HOST_DENIED: 500,
  RELAY_UNREACHABLE: 500,
  HTTP_INTERNAL: 500,
  TLS_MATERIAL: 500,
  TLS_CLIENT_REFUSED: 500,
  LISTEN_FAILED: 500,
  CONFIG_UNREADABLE: 500,
  CONFIG_MALFORMED: 500,
};

const RETRY_AFTER_SECONDS = 1;

/** Seconds for `Retry-After`, null where trying again does not help. */
export function retryAfterOf(code: ErrorCode): number | null {
  const status = HTTP_STATUS[code];
  return status === 503 || status === 429 ? RETRY_AFTER_SECONDS : null;
}

/** `error` repeats the message: Nimbus and EIP-3030 clients read that field. */
export function encodeRefusal(cause: Refusal): string {
  const { text } = ERRORS[cause.code];
  const body: Record<string, string> = { code: cause.code, message: text, error: text };
  const names = DETAIL_NAMES[cause.code] ?? [];
  names.forEach((name, index) => {
    const detail = cause.detail?.[index];
    if (detail !== undefined) body[name] = describeValue(detail);
  });
  return JSON.stringify(body);
}
