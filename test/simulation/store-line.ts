// What the hostile store of a siege holds, and what enclaves were told is stored: by that it is
// judged whether the next boot is shown something older.

import {
  maximumOf,
  parseTendermintRecord,
  type TendermintRecord,
} from "../../enclave/core/chains/tendermint/consensus-record.ts";
import { comparePositions, type Position } from "../../enclave/core/chains/tendermint/position.ts";
import type { RecordWrite, StoredRecord } from "../../enclave/core/ports.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { invariant } from "../../shared/invariant.ts";

/** Of a record's bytes: what is before and behind the chain's own part. */
const PREFIX_BYTES = 41;
const TAG_BYTES = 32;

/** What one side of a fork holds; without a fork there is one. */
export class StoreLine {
  readonly current = new Map<string, StoredRecord>();
  /** The furthest that an enclave was told is stored. */
  readonly told = new Map<string, StoredRecord>();

  copy(): StoreLine {
    const line = new StoreLine();
    for (const [name, record] of this.current) line.current.set(name, record);
    for (const [name, record] of this.told) line.told.set(name, record);
    return line;
  }

  tell(name: string, record: StoredRecord): void {
    const before = this.told.get(name);
    if (before !== undefined && compareRecords(record, before) <= 0) return;
    this.told.set(name, record);
    this.current.set(name, record);
  }

  /** What a boot is shown. */
  newest(name: string): StoredRecord | null {
    const told = this.told.get(name);
    const current = this.current.get(name);
    if (told === undefined || current === undefined) return told ?? current ?? null;
    return compareRecords(current, told) > 0 ? current : told;
  }

  compareAndSwap({ key, seq, record }: RecordWrite): StoredRecord | null | "done" {
    const name = encodeHex(key);
    const stored = this.current.get(name) ?? null;
    if ((stored?.seq ?? 0) !== seq - 1) return stored;
    this.current.set(name, { seq, record });
    return "done";
  }
}

/** By how far they are; whoever has the second in its memory takes the first when it is further. */
function compareRecords(first: StoredRecord, second: StoredRecord): number {
  const [a, b] = [parsedOf(first), parsedOf(second)];
  const order = comparePlaces(maximumOf(a), maximumOf(b));
  return order === 0 ? comparePlaces(a.last, b.last) : order;
}

function comparePlaces(first: Position | null, second: Position | null): number {
  if (first === null || second === null) return Number(first !== null) - Number(second !== null);
  return comparePositions(first, second);
}

function parsedOf({ record }: StoredRecord): TendermintRecord {
  const parsed = parseTendermintRecord(record.subarray(PREFIX_BYTES, record.length - TAG_BYTES));
  invariant(parsed !== undefined, "an enclave writes records");
  return parsed;
}
