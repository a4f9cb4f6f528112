// One digest over the records of all keys, by which a successor checks that the store shows it what
// its predecessor left. It must never leave a key out: one without a record counts as such.

import { createHash } from "node:crypto";
import { compareBytes } from "../../shared/bytes/compare.ts";
import type { Rule } from "../core/rule.ts";
import type { Account } from "./account.ts";
import { encodeRecord } from "./record-codec.ts";

/**
 * SHA-384 over the keys in ascending order, each as length (1 byte), public key, length of the
 * record (2 bytes, 0 without one) and the record as it is stored.
 */
export function stateDigest<R, F>(
  rule: Pick<Rule<R, never, never>, "encode">,
  accounts: readonly Account<R, F>[],
): Uint8Array {
  const hash = createHash("sha384");
  const sorted = accounts.toSorted((a, b) => compareBytes(a.publicKey, b.publicKey));
  for (const account of sorted) {
    const { durable } = account.entry;
    const record = durable === null ? new Uint8Array(0) : encodeRecord(rule, account, durable);
    hash.update(Uint8Array.of(account.publicKey.length)).update(account.publicKey);
    hash.update(Uint8Array.of(record.length >> 8, record.length & 0xff)).update(record);
  }
  return hash.digest();
}
