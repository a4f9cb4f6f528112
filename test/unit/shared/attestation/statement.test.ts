import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import {
  encodeStatement,
  keySetDigest,
  parseStatement,
  type Statement,
} from "../../../../shared/attestation/statement.ts";
import { type CborValue, encodeCbor } from "../../../../shared/bytes/cbor.ts";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import { KEY_COUNT_MAX } from "../../../../shared/limits.ts";

const STATEMENT: Statement = {
  bootId: new Uint8Array(16).fill(1),
  keySet: new Uint8Array(48).fill(2),
  keyCount: 1000,
  manifest: new Uint8Array(48).fill(3),
  software: "redoubt 0.1.0",
};

const ENTRIES: readonly (readonly [string, CborValue])[] = [
  ["bootId", STATEMENT.bootId],
  ["keySet", STATEMENT.keySet],
  ["version", 1],
  ["keyCount", 1000],
  ["manifest", STATEMENT.manifest],
  ["software", STATEMENT.software],
];

function codeOf(bytes: Uint8Array): string {
  const parsed = parseStatement(bytes);
  return parsed.ok ? "OK" : parsed.error.code;
}

function mapOf(entries: readonly (readonly [string, CborValue])[]): Uint8Array {
  return encodeCbor(new Map<CborValue, CborValue>(entries));
}

describe("a statement", () => {
  test("has exactly this encoding", () => {
    assert.equal(
      encodeHex(encodeStatement(STATEMENT)),
      [
        "a6",
        `66626f6f74496450${"01".repeat(16)}`,
        `666b65795365745830${"02".repeat(48)}`,
        "6776657273696f6e01",
        "686b6579436f756e741903e8",
        `686d616e69666573745830${"03".repeat(48)}`,
        "68736f6674776172656d7265646f75627420302e312e30",
      ].join(""),
    );
  });

  test("comes back as it was, at every limit", () => {
    for (const change of [
      {},
      { keyCount: 0 },
      { keyCount: KEY_COUNT_MAX },
      { software: "x" },
      { software: "x".repeat(64) },
    ]) {
      const statement = { ...STATEMENT, ...change };
      const parsed = parseStatement(encodeStatement(statement));
      assert.ok(parsed.ok);
      assert.deepEqual(parsed.value, statement);
    }
  });

  test("beyond its limits can't be encoded, and is not parsed", () => {
    const changes: readonly Partial<Statement>[] = [
      { bootId: new Uint8Array(15) },
      { keySet: new Uint8Array(47) },
      { manifest: new Uint8Array(49) },
      { keyCount: -1 },
      { keyCount: 0.5 },
      { keyCount: KEY_COUNT_MAX + 1 },
      { software: "" },
      { software: "x".repeat(65) },
      { software: "line\n" },
      { software: "é" },
    ];
    for (const change of changes) {
      assert.throws(() => encodeStatement({ ...STATEMENT, ...change }), InvariantError);
    }
    const parsedOnly: readonly (readonly [string, CborValue])[] = [
      ["bootId", new Uint8Array(17)],
      ["keySet", null],
      ["version", 2],
      ["version", true],
      ["keyCount", KEY_COUNT_MAX + 1],
      ["keyCount", -1],
      ["manifest", "x"],
      ["software", Uint8Array.of(1)],
      ["software", ""],
      ["software", "\u001b"],
    ];
    assert.equal(codeOf(mapOf(ENTRIES)), "OK");
    for (const [name, value] of parsedOnly) {
      const entries = ENTRIES.map((entry) =>
        entry[0] === name ? ([name, value] as const) : entry,
      );
      assert.equal(codeOf(mapOf(entries)), "ATTEST_USER_DATA", name);
    }
  });

  test("in any other encoding is refused", () => {
    const good = mapOf(ENTRIES);
    const other: readonly (readonly [string, Uint8Array])[] = [
      ["nothing", new Uint8Array()],
      ["another order", mapOf(ENTRIES.toReversed())],
      ["a missing key", mapOf(ENTRIES.slice(1))],
      ["an unknown key", mapOf([...ENTRIES, ["x", 1]])],
      ["trailing bytes", concatBytes(good, Uint8Array.of(0xf6))],
      [
        "an indefinite map",
        concatBytes(Uint8Array.of(0xbf), good.subarray(1), Uint8Array.of(0xff)),
      ],
      ["a longer head", concatBytes(Uint8Array.of(0xb8, 6), good.subarray(1))],
      ["an array", encodeCbor(ENTRIES.map(([, value]) => value))],
    ];
    for (const [name, bytes] of other) assert.equal(codeOf(bytes), "ATTEST_USER_DATA", name);
    for (let length = 0; length < good.length; length++) {
      assert.equal(codeOf(good.subarray(0, length)), "ATTEST_USER_DATA");
    }
  });
});

describe("keySetDigest", () => {
  const keys = [5, 1, 3].map(
    (first) => ({ scheme: "bls12381-pop", publicKey: new Uint8Array(48).fill(first) }) as const,
  );

  test("is SHA-384 over scheme, length and public key of each, sorted", () => {
    const hash = createHash("sha384");
    for (const first of [1, 3, 5]) {
      hash.update(Uint8Array.of(1, 48)).update(new Uint8Array(48).fill(first));
    }
    assert.equal(encodeHex(keySetDigest(keys)), hash.digest("hex"));
    assert.deepEqual(keySetDigest(keys.toReversed()), keySetDigest(keys));
  });

  test("of no keys is the digest of nothing, and a key more or less changes it", () => {
    assert.equal(encodeHex(keySetDigest([])), createHash("sha384").digest("hex"));
    assert.notDeepEqual(keySetDigest(keys.slice(1)), keySetDigest(keys));
    assert.notDeepEqual(keySetDigest([...keys, ...keys.slice(0, 1)]), keySetDigest(keys));
  });
});
