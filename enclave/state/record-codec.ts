// Records and receipts as bytes. A record carries a tag that only an enclave with the key can make:
// HMAC-SHA256 under a key that is derived from the signing key itself, over the network and the
// public key, so that a record can't be forged, nor moved to another key or network. It can be
// replayed: that is what versions, and the boot floor, are for (docs/safety.md).

import { createHmac, hash, timingSafeEqual } from "node:crypto";
import { encodeCbor } from "../../shared/bytes/cbor.ts";
import { concatBytes } from "../../shared/bytes/compare.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { ChainedRecord } from "../core/guard.ts";
import type { StoredRecord } from "../core/ports.ts";
import type { Rule } from "../core/rule.ts";

/** The first byte says the layout, and whether the record is a tombstone. */
const LIVE = 1;
const RETIRED = 2;
const HEAD_BYTES = 32;
const TAG_BYTES = 32;
const PREFIX_BYTES = 1 + 8 + HEAD_BYTES;
const RECORD_DOMAIN = new TextEncoder().encode("redoubt record v1\0");
const RECEIPT_DOMAIN = new TextEncoder().encode("redoubt receipt v1\0");

/** The head of a key that has no receipt yet. */
export const NO_HEAD: Uint8Array = new Uint8Array(HEAD_BYTES);

/** Whose record: the network's scope, the public key, and the key of its tag. */
export type RecordOwner = {
  readonly scope: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly recordKey: Uint8Array;
};

/** 1 (live) or 2 (retired) as u8, seq u64, head 32, the rule's record, tag 32. */
export function encodeRecord<R>(
  rule: Pick<Rule<R, never, never>, "encode">,
  owner: RecordOwner,
  chained: ChainedRecord<R>,
): Uint8Array {
  const body = rule.encode(chained.record);
  const bytes = new Uint8Array(PREFIX_BYTES + body.length + TAG_BYTES);
  bytes[0] = chained.isRetired ? RETIRED : LIVE;
  new DataView(bytes.buffer).setBigUint64(1, BigInt(chained.seq));
  bytes.set(chained.head, 9);
  bytes.set(body, PREFIX_BYTES);
  const untagged = bytes.subarray(0, bytes.length - TAG_BYTES);
  bytes.set(tagOf(owner, untagged), untagged.length);
  return bytes;
}

/** Refuses anything but a record of this very owner, with the version that the store states. */
export function openRecord<R>(
  rule: Pick<Rule<R, never, never>, "parse">,
  owner: RecordOwner,
  stored: StoredRecord,
): Result<ChainedRecord<R>, "STATE_CORRUPT"> {
  const bytes = stored.record;
  const isRetired = bytes[0] === RETIRED;
  if (bytes.length < PREFIX_BYTES + TAG_BYTES || !(isRetired || bytes[0] === LIVE)) {
    return err("STATE_CORRUPT");
  }
  const untagged = bytes.subarray(0, bytes.length - TAG_BYTES);
  const tag = bytes.subarray(untagged.length);
  if (!timingSafeEqual(tagOf(owner, untagged), tag)) return err("STATE_CORRUPT");
  const seq = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(1);
  if (seq !== BigInt(stored.seq)) return err("STATE_CORRUPT");
  const record = rule.parse(untagged.subarray(PREFIX_BYTES));
  if (record === undefined) return err("STATE_CORRUPT");
  return ok({ record, seq: stored.seq, head: bytes.slice(9, PREFIX_BYTES), isRetired });
}

function tagOf(owner: RecordOwner, untagged: Uint8Array): Uint8Array {
  return createHmac("sha256", owner.recordKey)
    .update(RECORD_DOMAIN)
    .update(owner.scope)
    .update(owner.publicKey)
    .update(untagged)
    .digest();
}

/**
 * What changes a record beside signing: the first record; floors raised by a file, by hand, or for
 * a hand-over; the tombstone; a floor lowered by order of the operators; heights reserved, and what
 * was left of them given back.
 */
export const ACTS = [
  "init",
  "import",
  "floor",
  "handover",
  "retire",
  "override",
  "reserve",
  "giveback",
] as const;
export type Act = (typeof ACTS)[number];

/** One line of a key's history: why its record changed, and what was to be signed. */
export type Receipt = {
  /** An operation kind, or an operator's act: one of ACTS. */
  readonly kind: string;
  /** The claim's heights (a block's slot; a vote's source and target). */
  readonly heights: readonly bigint[];
  readonly signingRoot: Uint8Array | null;
  /** Trusted time of the decision. */
  readonly timeMs: number;
};

/** One receipt for all that was signed from memory since the write before. */
export type HeldReceipt = {
  readonly kind: Act;
  readonly signed: readonly Receipt[];
  readonly timeMs: number;
};

/**
 * CBOR `[1, seq, previous head, kind, heights, signing root, time]`; of what was signed from memory
 * `[2, seq, previous head, kind, [[kind, heights, signing root, time], ...], time]`.
 */
export function encodeReceipt(
  receipt: Receipt | HeldReceipt,
  seq: number,
  previous: Uint8Array,
): Uint8Array {
  const { kind, timeMs } = receipt;
  if ("signed" in receipt) {
    const lines = receipt.signed.map((line) => [
      line.kind,
      line.heights,
      line.signingRoot,
      line.timeMs,
    ]);
    return encodeCbor([2, seq, previous, kind, lines, timeMs]);
  }
  return encodeCbor([1, seq, previous, kind, receipt.heights, receipt.signingRoot, timeMs]);
}

/** The head after a receipt: SHA-256 over the domain, the owner and the receipt's bytes. */
export function headAfter(
  owner: Pick<RecordOwner, "scope" | "publicKey">,
  receipt: Uint8Array,
): Uint8Array {
  const bytes = concatBytes(RECEIPT_DOMAIN, owner.scope, owner.publicKey, receipt);
  return hash("sha256", bytes, "buffer");
}
