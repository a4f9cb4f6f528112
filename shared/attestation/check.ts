// One named check of a verification, as auditors read it.

import type { ErrorCode } from "../errors.ts";

export type Check = {
  readonly name: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly actual: string;
  /** Why it failed; null when it did not. */
  readonly code: ErrorCode | null;
};

/** `code` is what a failure would mean. */
export function checkOf<Code extends ErrorCode>(
  name: string,
  isOk: boolean,
  code: Code,
  expected: string,
  actual: string,
): Check & { readonly code: Code | null } {
  return { name, ok: isOk, expected, actual, code: isOk ? null : code };
}
