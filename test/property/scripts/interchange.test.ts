// Laws of reading EIP-3076: what is written reads back; the order of a history does not matter; no
// input makes it throw.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import {
  encodeInterchange,
  type KeyMaxima,
  parseInterchange,
} from "../../../scripts/cli/interchange.ts";

const NETWORK = new Uint8Array(32).fill(0x4b);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const root = fc.option(bytes(32), { nil: null });

const maxima: fc.Arbitrary<KeyMaxima> = fc
  .record({
    key: bytes(48),
    block: fc.option(fc.record({ slot: u64, root }), { nil: null }),
    vote: fc.option(fc.record({ source: u64, target: u64, root }), { nil: null }),
  })
  .map(({ key, block, vote }) => ({
    key,
    blockSlot: block?.slot ?? null,
    blockRoot: block?.root ?? null,
    source: vote?.source ?? null,
    target: vote?.target ?? null,
    attestationRoot: vote?.root ?? null,
  }));

function parse(text: string) {
  return parseInterchange(new TextEncoder().encode(text));
}

/** One key's history, with few heights and roots, so that they meet. */
const history = fc.array(
  fc.record({ height: fc.nat(3), source: fc.nat(3), digit: fc.constantFrom("", "1", "2") }),
  { maxLength: 8 },
);

type Signature = { readonly height: number; readonly source: number; readonly digit: string };

function rootOf(digit: string) {
  return digit === "" ? {} : { signing_root: `0x${digit.repeat(64)}` };
}

function entryOf(signatures: readonly Signature[]) {
  return {
    pubkey: `0x${"a9".repeat(48)}`,
    signed_blocks: signatures.map(({ height, digit }) => ({ slot: `${height}`, ...rootOf(digit) })),
    signed_attestations: signatures.map(({ height, source, digit }) => ({
      source_epoch: `${source}`,
      target_epoch: `${height}`,
      ...rootOf(digit),
    })),
  };
}

function fileOf(...entries: readonly unknown[]): string {
  const metadata = {
    interchange_format_version: "5",
    genesis_validators_root: `0x${"4b".repeat(32)}`,
  };
  return JSON.stringify({ metadata, data: entries });
}

describe("parseInterchange", () => {
  it("reads back what encodeInterchange writes", () => {
    const lists = fc.uniqueArray(maxima, {
      selector: ({ key }) => Buffer.from(key).toString("hex"),
      maxLength: 5,
    });
    fc.assert(
      fc.property(lists, (keys) => {
        const text = encodeInterchange({ genesisValidatorsRoot: NETWORK, keys });
        const parsed = parse(text);
        assert.ok(parsed.ok);
        assert.equal(parsed.value.keys.length, keys.length);
        assert.equal(encodeInterchange(parsed.value), text);
      }),
    );
  });

  it("finds the same maxima in any order, and in one entry or two", () => {
    fc.assert(
      fc.property(history, fc.nat(8), (signatures, cut) => {
        const whole = parse(fileOf(entryOf(signatures)));
        const turned = parse(fileOf(entryOf(signatures.toReversed())));
        const split = parse(
          fileOf(entryOf(signatures.slice(cut)), entryOf(signatures.slice(0, cut))),
        );
        assert.ok(whole.ok);
        assert.deepEqual(turned, whole);
        assert.deepEqual(split, whole);
        const heights = signatures.map(({ height }) => BigInt(height));
        const greatest = heights.reduce<bigint | null>(
          (most, height) => (most === null || height > most ? height : most),
          null,
        );
        assert.equal(whole.value.keys[0]?.blockSlot, greatest);
        assert.equal(whole.value.keys[0]?.target, greatest);
      }),
    );
  });

  it("refuses or reads any bytes, and never throws", () => {
    const good = fileOf(entryOf([{ height: 3, source: 1, digit: "1" }]));
    const damaged = fc
      .tuple(fc.nat(good.length), fc.nat(4), fc.string({ maxLength: 4 }))
      .map(([at, count, text]) => good.slice(0, at) + text + good.slice(at + count));
    fc.assert(
      fc.property(fc.oneof(damaged, fc.string(), fc.json()), (text) => {
        const parsed = parse(text);
        // What it accepts, a plain JSON reader accepts too.
        if (parsed.ok) JSON.parse(text);
        else assert.equal(parsed.error.code, "INTERCHANGE_MALFORMED");
      }),
    );
  });
});
