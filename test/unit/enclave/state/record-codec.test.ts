import assert from "node:assert/strict";
import { createHmac, hash } from "node:crypto";
import { test } from "node:test";
import {
  type EthereumRecord,
  ethereumRule,
} from "../../../../enclave/core/chains/ethereum/slashing-rule.ts";
import {
  ACTS,
  encodeReceipt,
  encodeRecord,
  headAfter,
  NO_HEAD,
  openRecord,
} from "../../../../enclave/state/record-codec.ts";
import { parseCbor } from "../../../../shared/bytes/cbor.ts";
import {
  RECEIPT_BYTES_MAX,
  RECEIPT_SIGNED_COUNT_MAX,
  RECORD_BYTES_MAX,
} from "../../../../shared/limits.ts";
import { ownerOf, rootOf } from "../../../fakes/ledger-rig.ts";

const OWNER = ownerOf(1);
const RECORD: EthereumRecord = {
  block: { slot: 7n, root: new Uint8Array(rootOf("a")) },
  vote: { source: 1n, target: 2n, root: null },
};
const LINK = { record: RECORD, isRetired: false, seq: 5, head: new Uint8Array(rootOf("head")) };

/** What only the enclave can make: the bytes with the tag of the owner. */
function tagged(untagged: Uint8Array): Uint8Array {
  const tag = createHmac("sha256", OWNER.recordKey)
    .update("redoubt record v1\0")
    .update(OWNER.scope)
    .update(OWNER.publicKey)
    .update(untagged)
    .digest();
  return new Uint8Array([...untagged, ...tag]);
}

function codeOf(record: Uint8Array, seq = 5, owner = OWNER): string {
  const opened = openRecord(ethereumRule, owner, { seq, record });
  return opened.ok ? "ok" : opened.error;
}

test("a record opens for its owner as what it was made of", () => {
  const bytes = encodeRecord(ethereumRule, OWNER, LINK);
  assert(bytes.length <= RECORD_BYTES_MAX);
  const opened = openRecord(ethereumRule, OWNER, { seq: 5, record: bytes });
  assert(opened.ok);
  assert.deepEqual(opened.value, LINK);
});

// Stores hold records and receipts of earlier releases: their bytes are the same for ever.
for (const { title, isRetired, first } of [
  { title: "a live record", isRetired: false, first: 1 },
  { title: "a tombstone", isRetired: true, first: 2 },
]) {
  test(`${title} has the bytes of docs/records.md, and opens as what it was made of`, () => {
    const link = { ...LINK, isRetired };
    const bytes = encodeRecord(ethereumRule, OWNER, link);
    const body = ethereumRule.encode(RECORD);
    const seq = [0, 0, 0, 0, 0, 0, 0, 5];
    assert.deepEqual(bytes, tagged(new Uint8Array([first, ...seq, ...LINK.head, ...body])));
    const opened = openRecord(ethereumRule, OWNER, { seq: 5, record: bytes });
    assert.deepEqual(opened, { ok: true, value: link });
  });
}

test("an authentic record of another layout is refused", () => {
  const bytes = encodeRecord(ethereumRule, OWNER, LINK);
  const untagged = bytes.slice(0, -32);
  assert.equal(codeOf(tagged(untagged)), "ok");
  for (const version of [0, 3, 255]) {
    untagged[0] = version;
    assert.equal(codeOf(tagged(untagged)), "STATE_CORRUPT", `version ${version}`);
  }
});

test("a record without a body opens when the rule makes such", () => {
  const rule = { encode: () => new Uint8Array(0), parse: () => "nothing" };
  const link = { ...LINK, record: "nothing" };
  const bytes = encodeRecord(rule, OWNER, link);
  const opened = openRecord(rule, OWNER, { seq: 5, record: bytes });
  assert.deepEqual(opened, { ok: true, value: link });
});

test("what is opened does not change with the bytes that it was opened from", () => {
  const bytes = encodeRecord(ethereumRule, OWNER, LINK);
  const opened = openRecord(ethereumRule, OWNER, { seq: 5, record: bytes });
  bytes.fill(0xff);
  assert(opened.ok);
  assert.deepEqual(opened.value, LINK);
});

test("a record with any one bit changed is refused", () => {
  const bytes = encodeRecord(ethereumRule, OWNER, LINK);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const changed = bytes.slice();
    const at = bit >> 3;
    changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7));
    assert.equal(codeOf(changed), "STATE_CORRUPT", `bit ${bit}`);
  }
});

test("a record that is cut, longer, empty or of another version is refused", () => {
  const bytes = encodeRecord(ethereumRule, OWNER, LINK);
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(codeOf(bytes.subarray(0, length)), "STATE_CORRUPT", `${length} bytes`);
  }
  assert.equal(codeOf(new Uint8Array([...bytes, 0])), "STATE_CORRUPT");
  for (const version of [0, 2, 255]) {
    const changed = bytes.slice();
    changed[0] = version;
    assert.equal(codeOf(changed), "STATE_CORRUPT", `version ${version}`);
  }
});

test("a record of another key, network or secret is refused", () => {
  const bytes = encodeRecord(ethereumRule, OWNER, LINK);
  const other = ownerOf(2);
  for (const owner of [
    other,
    { ...OWNER, publicKey: other.publicKey },
    { ...OWNER, recordKey: other.recordKey },
    { ...OWNER, scope: new Uint8Array(32) },
  ]) {
    assert.equal(codeOf(bytes, 5, owner), "STATE_CORRUPT");
  }
  assert.equal(codeOf(bytes), "ok");
});

test("a record under another version than the store states is refused", () => {
  const bytes = encodeRecord(ethereumRule, OWNER, LINK);
  for (const seq of [0, 4, 6, Number.MAX_SAFE_INTEGER]) {
    assert.equal(codeOf(bytes, seq), "STATE_CORRUPT", `seq ${seq}`);
  }
});

test("an authentic record that the rule did not make is refused", () => {
  const parseNothing = { parse: () => undefined };
  const bytes = encodeRecord(ethereumRule, OWNER, LINK);
  assert.deepEqual(openRecord(parseNothing, OWNER, { seq: 5, record: bytes }), {
    ok: false,
    error: "STATE_CORRUPT",
  });
});

test("a receipt is one CBOR list of its fields, and names the head before it", () => {
  const heights = [2n ** 64n - 2n, 2n ** 64n - 1n];
  const signingRoot = new Uint8Array(rootOf("a"));
  const receipt = { kind: "ATTESTATION", heights, signingRoot, timeMs: 1_700_000_000_000 };
  const bytes = encodeReceipt(receipt, 6, NO_HEAD);
  assert(bytes.length <= RECEIPT_BYTES_MAX);
  const parsed = parseCbor(bytes, { depthMax: 3, itemCountMax: 16 });
  assert(parsed.ok);
  assert.deepEqual(parsed.value, [
    1,
    6,
    NO_HEAD,
    "ATTESTATION",
    heights,
    signingRoot,
    1_700_000_000_000,
  ]);
});

test("a receipt of reserved heights has the lines of what was signed, within the protocol's bounds", () => {
  const heights = [2n ** 63n - 1n, 2n ** 31n - 1n];
  const signingRoot = new Uint8Array(rootOf("a"));
  const timeMs = 1_700_000_000_000;
  const line = { kind: "PRECOMMIT", heights, signingRoot, timeMs };
  const signed = Array.from({ length: RECEIPT_SIGNED_COUNT_MAX }, () => line);
  const bytes = encodeReceipt({ kind: "giveback", signed, timeMs }, 6, NO_HEAD);
  assert(bytes.length <= RECEIPT_BYTES_MAX);
  const parsed = parseCbor(bytes, { depthMax: 4, itemCountMax: 400 });
  assert(parsed.ok);
  assert.deepEqual(parsed.value, [
    2,
    6,
    NO_HEAD,
    "giveback",
    signed.map(() => ["PRECOMMIT", [2n ** 63n - 1n, 2 ** 31 - 1], signingRoot, timeMs]),
    timeMs,
  ]);
});

test("a head is the hash of its domain, the owner and the receipt", () => {
  const receipt = encodeReceipt(
    { kind: "init", heights: [], signingRoot: null, timeMs: 1 },
    1,
    NO_HEAD,
  );
  const bytes = [
    Buffer.from("redoubt receipt v1\0"),
    OWNER.scope,
    OWNER.publicKey,
    receipt,
  ] as const;
  const head = Buffer.from(headAfter(OWNER, receipt)).toString("hex");
  assert.equal(head, hash("sha256", Buffer.concat(bytes)));
});

test("acts have the names that stand in the histories of all keys", () => {
  assert.deepEqual(ACTS, [
    "init",
    "import",
    "floor",
    "handover",
    "retire",
    "override",
    "reserve",
    "giveback",
  ]);
});

test("heads differ by receipt, order and owner", () => {
  const receipt = { kind: "init", heights: [], signingRoot: null, timeMs: 1 };
  const first = encodeReceipt(receipt, 1, NO_HEAD);
  const head = headAfter(OWNER, first);
  const heads = [
    head,
    headAfter(ownerOf(2), first),
    headAfter({ ...OWNER, scope: new Uint8Array(32) }, first),
    headAfter(OWNER, encodeReceipt(receipt, 2, NO_HEAD)),
    headAfter(OWNER, encodeReceipt(receipt, 1, head)),
    headAfter(OWNER, encodeReceipt({ ...receipt, kind: "import" }, 1, NO_HEAD)),
  ];
  assert.equal(new Set(heads.map((one) => Buffer.from(one).toString("hex"))).size, heads.length);
});
