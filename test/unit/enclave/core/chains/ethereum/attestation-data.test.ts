import assert from "node:assert/strict";
import { test } from "node:test";
import { readAttestationData } from "../../../../../../enclave/core/chains/ethereum/attestation-data.ts";
import { ATTESTATION_DATA } from "../../../../../../enclave/core/chains/ethereum/block-shape.ts";
import { rootOf } from "../../../../../../enclave/core/chains/ethereum/shape.ts";
import { JsonMismatch } from "../../../../../../enclave/core/json.ts";
import { encodePrefixedHex } from "../../../../../../shared/bytes/hex.ts";
import { randomOf } from "../../../../../fakes/random-ssz.ts";

const random = randomOf(7);

function randomU64(): string {
  const wide = BigInt(encodePrefixedHex(random.bytes(8)));
  return (wide >> BigInt(random.below(64))).toString();
}

function randomRoot(): string {
  return encodePrefixedHex(random.bytes(32));
}

function randomData() {
  return {
    slot: randomU64(),
    index: randomU64(),
    beacon_block_root: randomRoot(),
    source: { epoch: randomU64(), root: randomRoot() },
    target: { epoch: randomU64(), root: randomRoot() },
  };
}

test("the root by hand is the one of the SSZ type, up to 2^64 - 1", () => {
  const largest = "18446744073709551615";
  const edge = { ...randomData(), slot: largest, index: largest };
  for (const data of [edge, ...Array.from({ length: 200 }, randomData)]) {
    const read = readAttestationData(data, "a");
    assert.deepEqual(read, {
      slot: BigInt(data.slot),
      source: BigInt(data.source.epoch),
      target: BigInt(data.target.epoch),
      root: rootOf(ATTESTATION_DATA, data, "a"),
    });
  }
});

test("data that differs from the last one in any value is read anew", () => {
  const first = randomData();
  const second = randomData();
  const variants = [
    { ...first, slot: second.slot },
    { ...first, index: second.index },
    { ...first, beacon_block_root: second.beacon_block_root },
    { ...first, source: { ...first.source, epoch: second.source.epoch } },
    { ...first, source: { ...first.source, root: second.source.root } },
    { ...first, target: { ...first.target, epoch: second.target.epoch } },
    { ...first, target: { ...first.target, root: second.target.root } },
    { ...first, source: first.target, target: first.source },
  ];
  for (const variant of variants) {
    const before = readAttestationData(first, "a").root;
    assert.equal(readAttestationData(structuredClone(first), "a").root, before);
    const { root } = readAttestationData(variant, "a");
    assert.deepEqual(root, rootOf(ATTESTATION_DATA, variant, "a"));
    assert.notDeepEqual(root, before);
  }
});

test("data that is malformed in one value is refused, also right after it was well-formed", () => {
  const good = randomData();
  const rows: readonly (readonly [string, unknown])[] = [
    ["a", null],
    ["a.slot", { ...good, slot: Number(good.slot) }],
    ["a.slot", { ...good, slot: [good.slot] }],
    ["a.index", { ...good, index: "-1" }],
    ["a.beacon_block_root", { ...good, beacon_block_root: good.beacon_block_root.slice(2) }],
    ["a.source", { ...good, source: [good.source] }],
    ["a.source.epoch", { ...good, source: { root: good.source.root } }],
    ["a.source.root", { ...good, source: { ...good.source, root: `${good.source.root}00` } }],
    ["a.target", { ...good, target: null }],
    ["a.target.epoch", { ...good, target: { ...good.target, epoch: " 1" } }],
    ["a.target.root", { ...good, target: { ...good.target, root: `0x${"zz".repeat(32)}` } }],
  ];
  for (const [field, data] of rows) {
    readAttestationData(good, "a");
    assert.throws(
      () => readAttestationData(data, "a"),
      (thrown) => thrown instanceof JsonMismatch && thrown.field === field,
    );
    assert.deepEqual(readAttestationData(good, "a").root, rootOf(ATTESTATION_DATA, good, "a"));
  }
});
