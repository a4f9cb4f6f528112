// What enclaves and operators sign besides attestations: hand-overs, retirements, override orders.
// One shape of encoding, so one test of it: exact bytes, every limit, and no second reading.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { encodeHandover, parseHandover } from "../../../shared/attestation/handover.ts";
import {
  encodeConsensusRetirement,
  encodeEthereumRetirement,
  parseConsensusRetirement,
  parseEthereumRetirement,
} from "../../../shared/attestation/retirement.ts";
import { type CborValue, encodeCbor } from "../../../shared/bytes/cbor.ts";
import { encodeHex } from "../../../shared/bytes/hex.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import {
  KEY_COUNT_MAX,
  OVERRIDE_ORDER_BYTES_MAX,
  USER_DATA_BYTES_MAX,
} from "../../../shared/limits.ts";
import {
  encodeConsensusOrder,
  encodeEthereumOrder,
  parseConsensusOrder,
  parseEthereumOrder,
} from "../../../shared/override-order.ts";

const U64_MAX = 2n ** 64n - 1n;
const SCOPE = new Uint8Array(32).fill(1);
const KEY = new Uint8Array(48).fill(2);
const LONG_KEY = new Uint8Array(200).fill(2);
const HEAD = new Uint8Array(32).fill(3);
const STATE = new Uint8Array(48).fill(4);
const BOOT = new Uint8Array(16).fill(5);
const LAST = [100n, 7, 3];
const CODED = { HANDOVER: "redoubt handover v1", RETIREMENT: "redoubt retirement v1" };
const CONSENSUS_RETIREMENT = "redoubt consensus retirement v1";
const ORDER_DOMAIN = "redoubt override v1";
const CONSENSUS_ORDER = "redoubt consensus override v1";
const HEIGHT_MAX = 2n ** 63n - 1n;
const ROUND_MAX = 2 ** 31 - 1;

type Form = {
  readonly name: string;
  readonly code: ErrorCode;
  readonly fields: readonly CborValue[];
  readonly hex: string;
  /** By index, other values that fit. */
  readonly good: readonly (readonly [number, CborValue])[];
  readonly bad: readonly (readonly [number, CborValue])[];
  /** The bytes that are made of what was read, or the code. */
  readonly again: (bytes: Uint8Array) => string;
};

function text(hex: string): string {
  const length = hex.length / 2;
  return (length < 24 ? (0x60 + length).toString(16) : `78${length.toString(16)}`) + hex;
}

/** Places that there are, and that there are not. */
const GOOD_LAST: readonly CborValue[] = [
  [1n, 0, 1],
  [HEIGHT_MAX, ROUND_MAX, 2],
];
const BAD_LAST: readonly CborValue[] = [
  [0n, 7, 3],
  [HEIGHT_MAX + 1n, 7, 3],
  [100n, ROUND_MAX + 1, 3],
  [100n, -1, 3],
  [100n, 7, 0],
  [100n, 7, 4],
  [100n, 7],
  [100n, 7, 3, null],
  [100n, null, 3],
  [100n, 7, [3]],
  100n,
];

const hexOf = (value: string): string => text(Buffer.from(value).toString("hex"));

const FORMS: readonly Form[] = [
  {
    name: "a hand-over",
    code: "ATTEST_USER_DATA",
    fields: [CODED.HANDOVER, SCOPE, 7, STATE, BOOT, 1000],
    hex: `86${hexOf(CODED.HANDOVER)}5820${"01".repeat(32)}075830${"04".repeat(48)}50${"05".repeat(16)}1903e8`,
    good: [
      [2, 0],
      [2, KEY_COUNT_MAX],
      [5, Number.MAX_SAFE_INTEGER],
    ],
    bad: [
      [0, CODED.RETIREMENT],
      [1, SCOPE.subarray(1)],
      [2, KEY_COUNT_MAX + 1],
      [2, -1],
      [2, null],
      [3, SCOPE],
      [4, STATE],
      [4, "0505050505050505"],
      [5, -1],
      [5, null],
    ],
    again: (bytes) => {
      const read = parseHandover(bytes);
      return read.ok ? encodeHex(encodeHandover(read.value)) : read.error.code;
    },
  },
  {
    name: "a retirement",
    code: "ATTEST_USER_DATA",
    fields: [CODED.RETIREMENT, SCOPE, KEY, 9, HEAD, 100, 11, 12, BOOT],
    hex:
      `89${hexOf(CODED.RETIREMENT)}5820${"01".repeat(32)}5830${"02".repeat(48)}09` +
      `5820${"03".repeat(32)}18640b0c50${"05".repeat(16)}`,
    good: [
      [2, LONG_KEY],
      [5, null],
      [5, U64_MAX],
      [6, null],
      [7, 0],
      [3, Number.MAX_SAFE_INTEGER],
    ],
    bad: [
      [0, CODED.HANDOVER],
      [1, STATE],
      [2, new Uint8Array(0)],
      [2, new Uint8Array(201)],
      [3, -1],
      [4, STATE],
      [5, "100"],
      [6, -1],
      [7, SCOPE],
      [8, HEAD],
    ],
    again: (bytes) => {
      const read = parseEthereumRetirement(bytes);
      return read.ok ? encodeHex(encodeEthereumRetirement(read.value)) : read.error.code;
    },
  },
  {
    name: "a retirement of a Tendermint chain's key",
    code: "ATTEST_USER_DATA",
    fields: [CONSENSUS_RETIREMENT, SCOPE, KEY, 9, HEAD, LAST, BOOT],
    hex:
      `87${hexOf(CONSENSUS_RETIREMENT)}5820${"01".repeat(32)}5830${"02".repeat(48)}09` +
      `5820${"03".repeat(32)}8318640703` +
      `50${"05".repeat(16)}`,
    good: [
      [2, LONG_KEY],
      [3, Number.MAX_SAFE_INTEGER],
      [5, null],
      ...GOOD_LAST.map((last) => [5, last] as const),
    ],
    bad: [
      [0, CODED.RETIREMENT],
      [0, CONSENSUS_ORDER],
      [1, STATE],
      [2, new Uint8Array(0)],
      [2, new Uint8Array(201)],
      [3, -1],
      [4, STATE],
      [6, HEAD],
      ...BAD_LAST.map((last) => [5, last] as const),
    ],
    again: (bytes) => {
      const read = parseConsensusRetirement(bytes);
      return read.ok ? encodeHex(encodeConsensusRetirement(read.value)) : read.error.code;
    },
  },
  {
    name: "an override order",
    code: "OVERRIDE_MALFORMED",
    fields: [ORDER_DOMAIN, SCOPE, KEY, 9, 100, 11, 12, BOOT, 1000],
    hex:
      `89${hexOf(ORDER_DOMAIN)}5820${"01".repeat(32)}5830${"02".repeat(48)}0918640b0c` +
      `50${"05".repeat(16)}1903e8`,
    good: [
      [2, LONG_KEY],
      [4, null],
      [4, U64_MAX],
      [3, 0],
      [8, Number.MAX_SAFE_INTEGER],
    ],
    bad: [
      [0, CODED.HANDOVER],
      [1, BOOT],
      [2, new Uint8Array(0)],
      [2, new Uint8Array(201)],
      [3, null],
      [4, -1],
      // Half of a vote.
      [5, null],
      [6, null],
      [7, BOOT.subarray(1)],
      [7, SCOPE],
      [7, null],
      [8, null],
      [8, "tomorrow"],
    ],
    again: (bytes) => {
      const read = parseEthereumOrder(bytes);
      return read.ok ? encodeHex(encodeEthereumOrder(read.value)) : read.error.code;
    },
  },
  {
    name: "an override order for a Tendermint chain's key",
    code: "OVERRIDE_MALFORMED",
    fields: [CONSENSUS_ORDER, SCOPE, KEY, 9, LAST, BOOT, 1000],
    hex:
      `87${hexOf(CONSENSUS_ORDER)}5820${"01".repeat(32)}5830${"02".repeat(48)}098318640703` +
      `50${"05".repeat(16)}1903e8`,
    good: [
      [2, LONG_KEY],
      [3, 0],
      [6, Number.MAX_SAFE_INTEGER],
      ...GOOD_LAST.map((last) => [4, last] as const),
    ],
    bad: [
      [0, ORDER_DOMAIN],
      [0, CONSENSUS_RETIREMENT],
      [1, BOOT],
      [2, new Uint8Array(0)],
      [2, new Uint8Array(201)],
      [3, null],
      // No order says that nothing was signed.
      [4, null],
      [5, BOOT.subarray(1)],
      [5, null],
      [6, null],
      [6, "tomorrow"],
      ...BAD_LAST.map((last) => [4, last] as const),
    ],
    again: (bytes) => {
      const read = parseConsensusOrder(bytes);
      return read.ok ? encodeHex(encodeConsensusOrder(read.value)) : read.error.code;
    },
  },
];

test("no statement is read as one of another kind, or of another family of chains", () => {
  for (const { name, fields } of FORMS) {
    const readers = FORMS.filter(({ again, code }) => again(encodeCbor([...fields])) !== code);
    assert.deepEqual(
      readers.map((reader) => reader.name),
      [name],
    );
  }
});

for (const { name, code, fields, hex, good, bad, again } of FORMS) {
  const bytes = encodeCbor([...fields]);

  test(`${name} has exactly this encoding, and comes back as it was, at every limit`, () => {
    assert.equal(encodeHex(bytes), hex);
    assert.equal(again(bytes), hex);
    for (const [index, value] of good) {
      const changed = encodeCbor(fields.with(index, value));
      assert.equal(again(changed), encodeHex(changed), `field ${index}: ${inspect(value)}`);
    }
  });

  test(`${name} with a field that is missing, beyond its limit or of another kind is refused`, () => {
    for (const [index, value] of bad) {
      assert.equal(
        again(encodeCbor(fields.with(index, value))),
        code,
        `field ${index}: ${inspect(value)}`,
      );
    }
    assert.equal(again(encodeCbor(fields.slice(0, -1))), code);
    assert.equal(again(encodeCbor([...fields, null])), code);
    assert.equal(again(encodeCbor(new Map(fields.map((field, index) => [index, field])))), code);
    for (let length = 0; length < bytes.length; length += 1) {
      assert.equal(again(bytes.subarray(0, length)), code);
    }
  });

  test(`${name} in another encoding of the same values is refused`, () => {
    assert.equal(again(Uint8Array.of(...bytes, 0)), code);
    // An array of indefinite length, and a length in more bytes than it needs.
    assert.equal(again(Uint8Array.of(0x9f, ...bytes.subarray(1), 0xff)), code);
    assert.equal(again(Uint8Array.of(0x98, fields.length, ...bytes.subarray(1))), code);
    const padded = Buffer.from(hex.replace(/5820(01)/, "590020$1"), "hex");
    assert.equal(again(padded), code);
  });
}

test("the largest retirement fits into a document's user_data, the largest order into its limit", () => {
  const largest = { scope: SCOPE, blockSlot: U64_MAX, source: U64_MAX, target: U64_MAX };
  const highest = { scope: SCOPE, last: { height: HEIGHT_MAX, round: ROUND_MAX, step: 3 } };
  const seq = Number.MAX_SAFE_INTEGER;
  const ofKey = { publicKey: LONG_KEY, seq, head: HEAD, bootId: BOOT };
  const retirements = [
    encodeEthereumRetirement({ ...largest, ...ofKey }),
    encodeConsensusRetirement({ ...highest, ...ofKey }),
  ];
  for (const bytes of retirements) assert.ok(bytes.length <= USER_DATA_BYTES_MAX);
  const ofBoot = { key: LONG_KEY, seq, bootId: BOOT, expiresMs: seq };
  const orders = [
    encodeEthereumOrder({ ...largest, ...ofBoot }),
    encodeConsensusOrder({ ...highest, ...ofBoot }),
  ];
  for (const bytes of orders) assert.ok(bytes.length <= OVERRIDE_ORDER_BYTES_MAX);
});
