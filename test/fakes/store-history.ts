// The history that a store holds, read from its file after the parent has stopped: every receipt of
// every key, with its chain checked from the first receipt to the record.

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { headAfter, NO_HEAD } from "../../enclave/state/record-codec.ts";
import { type CborValue, isArray, parseCbor } from "../../shared/bytes/cbor.ts";
import { encodeHex, encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { u64Field } from "../../shared/wire/field.ts";
import type { Release } from "./hostile-load.ts";
import { describeSigned, isSlashablePair, type Signed } from "./slashable-pair.ts";

/** What was written for each key, by `0x…`, oldest first; without first records and imports. */
export type StoreHistory = ReadonlyMap<string, readonly Signed[]>;

const HEAD_AT = 9;
const HEAD_BYTES = 32;

export function readStoreHistory(path: string): StoreHistory {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const history = new Map<string, Signed[]>();
    const select = database.prepare(
      "SELECT seq, receipt FROM receipts WHERE scope = ? AND key = ? ORDER BY id",
    );
    for (const row of database.prepare("SELECT scope, key, seq, record FROM records").all()) {
      const { scope, key, seq, record } = row;
      assert(scope instanceof Uint8Array && key instanceof Uint8Array);
      assert(record instanceof Uint8Array);
      const owner = { scope, publicKey: key, recordKey: new Uint8Array(0) };
      const signed: Signed[] = [];
      let head = NO_HEAD;
      let last = 0;
      for (const { seq: at, receipt } of select.all(scope, key)) {
        assert(receipt instanceof Uint8Array);
        assert.equal(at, last + 1, "receipts follow each other without a gap");
        last += 1;
        const line = parseReceipt(receipt);
        assert.equal(line.seq, last);
        assert.deepEqual(line.previous, encodeHex(head), "each names the one before it");
        head = headAfter(owner, receipt);
        if (line.signed !== null) signed.push(line.signed);
      }
      assert.equal(seq, last, "the record is as old as the last receipt");
      const recorded = record.subarray(HEAD_AT, HEAD_AT + HEAD_BYTES);
      assert.equal(encodeHex(recorded), encodeHex(head), "and names it");
      history.set(encodePrefixedHex(key), signed);
    }
    return history;
  } finally {
    database.close();
  }
}

/** Pairs of what was written, released or not, that would be slashable. */
export function slashablePairs(history: StoreHistory): readonly string[] {
  return [...history].flatMap(([key, signed]) =>
    signed.flatMap((one, index) =>
      signed
        .slice(index + 1)
        .filter((other) => isSlashablePair(one, other))
        .map((other) => `${key.slice(0, 10)} ${describeSigned(one)}, ${describeSigned(other)}`),
    ),
  );
}

/** Releases that the history has no receipt of. */
export function unwritten(history: StoreHistory, releases: readonly Release[]): readonly string[] {
  const written = new Set(
    [...history].flatMap(([key, signed]) => signed.map(({ root }) => `${key} ${root}`)),
  );
  return releases.flatMap(({ key, claim, signingRoot }) => {
    const root = encodeHex(signingRoot);
    if (written.has(`${key} ${root}`)) return [];
    return [`${key.slice(0, 10)} ${describeSigned({ claim, root })}`];
  });
}

function parseReceipt(bytes: Uint8Array) {
  const parsed = parseCbor(bytes);
  assert(parsed.ok && isArray(parsed.value), "a receipt is an array");
  const [version, seq, previous, kind, heights, root] = parsed.value;
  assert.equal(version, 1);
  assert(typeof seq === "number" && previous instanceof Uint8Array && typeof kind === "string");
  return { seq, previous: encodeHex(previous), signed: signedOf(heights, root) };
}

function signedOf(heights: CborValue | undefined, root: CborValue | undefined): Signed | null {
  if (!(root instanceof Uint8Array) || !isArray(heights)) return null;
  const [first, second] = heights.map((height) => u64Field.parse(height));
  assert(first !== undefined);
  const claim =
    second === undefined
      ? ({ kind: "block", slot: first } as const)
      : ({ kind: "attestation", source: first, target: second } as const);
  return { claim, root: encodeHex(root) };
}
