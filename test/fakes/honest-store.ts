// A state store in memory that keeps every promise of the port: the one that tests use when the
// store is not what they are about.

import type { CommitOutcome, StateStore, StoredRecord } from "../../enclave/core/ports.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { ok } from "../../shared/result.ts";

export class HonestStore implements StateStore {
  readonly pacing: StateStore["pacing"] = "group";
  readonly #records = new Map<string, StoredRecord>();
  readonly receipts: Uint8Array[] = [];

  verify: StateStore["verify"] = () => Promise.resolve(ok(null));

  read: StateStore["read"] = (scope, keys) =>
    Promise.resolve(ok(keys.map((key) => this.#records.get(nameOf(scope, key)) ?? null)));

  commit: StateStore["commit"] = (scope, writes) =>
    Promise.resolve(
      writes.map(({ key, seq, record, receipt }): CommitOutcome => {
        const name = nameOf(scope, key);
        const stored = this.#records.get(name) ?? null;
        if ((stored?.seq ?? 0) !== seq - 1) return { kind: "conflict", stored };
        this.#records.set(name, { seq, record: record.slice() });
        this.receipts.push(receipt.slice());
        return { kind: "committed" };
      }),
    );
}

function nameOf(scope: Uint8Array, key: Uint8Array): string {
  return `${encodeHex(scope)}/${encodeHex(key)}`;
}
