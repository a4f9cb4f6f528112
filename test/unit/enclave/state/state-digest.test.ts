import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Account } from "../../../../enclave/state/account.ts";
import { encodeRecord, NO_HEAD } from "../../../../enclave/state/record-codec.ts";
import { stateDigest } from "../../../../enclave/state/state-digest.ts";
import { ownerOf } from "../../../fakes/ledger-rig.ts";

/** Records of any length: each byte of a length is seen. */
const rule = { encode: (record: Uint8Array) => record };

/** With a record of `bytes`; null: without one. */
function accountOf(number: number, bytes: number | null): Account<Uint8Array, never> {
  const account = new Account<Uint8Array, never>(ownerOf(number));
  const record = new Uint8Array(bytes ?? 0).fill(number);
  const durable = { record, isRetired: false, seq: number, head: NO_HEAD };
  account.entry.durable = bytes === null ? null : durable;
  return account;
}

function recordOf(account: Account<Uint8Array, never>): Uint8Array {
  const { durable } = account.entry;
  assert(durable !== null);
  return encodeRecord(rule, account, durable);
}

function sha384(...parts: readonly (Uint8Array | readonly number[])[]): string {
  const hash = createHash("sha384");
  for (const part of parts) hash.update(Uint8Array.from(part));
  return hash.digest("hex");
}

function digestOf(...accounts: readonly Account<Uint8Array, never>[]): string {
  return Buffer.from(stateDigest(rule, accounts)).toString("hex");
}

test("a state's digest is over each key and its record, with their lengths, in ascending order", () => {
  const [short, none, long] = [accountOf(1, 0), accountOf(2, null), accountOf(3, 602)];
  const parts = [
    [[48], short.publicKey, [0, 73], recordOf(short)],
    [[48], none.publicKey, [0, 0]],
    // 675 bytes.
    [[48], long.publicKey, [2, 163], recordOf(long)],
  ];
  const wanted = sha384(...parts.flat());
  assert.equal(digestOf(short, none, long), wanted);
  assert.equal(digestOf(long, none, short), wanted);
});

test("a state's digest is another one without a key, and of no keys that of nothing", () => {
  assert.notEqual(digestOf(accountOf(1, 0), accountOf(2, null)), digestOf(accountOf(1, 0)));
  assert.equal(digestOf(), sha384());
});
