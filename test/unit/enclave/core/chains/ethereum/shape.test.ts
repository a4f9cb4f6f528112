import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BitArray,
  BitListType,
  ByteVectorType,
  ContainerType,
  UintBigintType,
} from "@chainsafe/ssz";
import { BLOCK_HEADER } from "../../../../../../enclave/core/chains/ethereum/block-shape.ts";
import {
  BOOLEAN,
  bitList,
  bitVector,
  byteList,
  container,
  list,
  progressiveBitList,
  progressiveList,
  ROOT,
  rootOf,
  type Shape,
  U64,
  vector,
} from "../../../../../../enclave/core/chains/ethereum/shape.ts";
import { JsonMismatch } from "../../../../../../enclave/core/json.ts";

function fieldOf(shape: Shape, value: unknown): string | undefined {
  try {
    shape.read(value, "f");
    return undefined;
  } catch (thrown) {
    assert(thrown instanceof JsonMismatch);
    return thrown.field;
  }
}

test("a bit vector has exactly its bytes and no bit beyond its count", () => {
  assert.equal(fieldOf(bitVector(4), "0x0f"), undefined);
  assert.equal(fieldOf(bitVector(4), "0x10"), "f");
  assert.equal(fieldOf(bitVector(4), "0x80"), "f");
  assert.equal(fieldOf(bitVector(8), "0xff"), undefined);
  assert.equal(fieldOf(bitVector(9), "0xff01"), undefined);
  assert.equal(fieldOf(bitVector(9), "0xff02"), "f");
  for (const bad of ["0x", "0xff", "0xffffff", "ff01"])
    assert.equal(fieldOf(bitVector(9), bad), "f");
});

test("a bit list ends in its sentinel and holds at most its limit", () => {
  for (const make of [bitList, progressiveBitList]) {
    for (const good of ["0x01", "0x80", "0xff01", "0xff03", "0x0002"]) {
      assert.equal(fieldOf(make(9), good), undefined, good);
    }
    // Without a sentinel; one bit too many; a byte too many.
    for (const bad of ["0x", "0x00", "0xff00", "0xff04", "0xff80", "0x000001", "0x0101000000"]) {
      assert.equal(fieldOf(make(9), bad), "f", bad);
    }
    assert.equal(fieldOf(make(8), "0xff01"), undefined);
    assert.equal(fieldOf(make(8), "0xff02"), "f");
  }
});

test("a bit list has the root of its bits without the sentinel, at every length", () => {
  const type = new BitListType(600);
  for (let count = 0; count <= 600; count += 7) {
    const bits = BitArray.fromBoolArray(Array.from({ length: count }, (_, bit) => bit % 3 === 0));
    const json = type.toJson(bits);
    assert.deepEqual(rootOf(bitList(600), json, "f"), type.hashTreeRoot(bits));
  }
});

test("lists and vectors hold as many items as they may", () => {
  assert.equal(fieldOf(list(ROOT, 1), [`0x${"00".repeat(32)}`]), undefined);
  const two = [`0x${"00".repeat(32)}`, `0x${"00".repeat(32)}`];
  assert.equal(fieldOf(list(ROOT, 1), two), "f");
  assert.equal(fieldOf(progressiveList(ROOT, 1), two), "f");
  assert.equal(fieldOf(vector(ROOT, 2), two), undefined);
  assert.equal(fieldOf(vector(ROOT, 3), two), "f");
  assert.equal(fieldOf(vector(ROOT, 1), two), "f");
  assert.equal(fieldOf(list(ROOT, 2), [two[0], "0x00"]), "f[1]");
  assert.equal(fieldOf(byteList(2), "0x010203"), "f");
  assert.equal(fieldOf(BOOLEAN, "true"), "f");
});

test("a container finds its fields in the object itself", () => {
  const shape = container({ constructor: U64 });
  assert.equal(fieldOf(shape, {}), "f.constructor");
  assert.equal(fieldOf(shape, { constructor: "1" }), undefined);
});

test("numbers above 2^53 keep all their digits", () => {
  const u64 = new UintBigintType(8);
  const bytes = new ByteVectorType(32);
  const type = new ContainerType({ a: u64, b: u64, c: bytes, d: bytes, e: bytes });
  const root = `0x${"11".repeat(32)}`;
  for (const wide of [2n ** 53n + 1n, 4_666_673_844_721_362_956n, 2n ** 64n - 1n]) {
    const header = {
      slot: wide.toString(),
      proposer_index: (wide - 1n).toString(),
      parent_root: root,
      state_root: root,
      body_root: root,
    };
    const eleven = new Uint8Array(32).fill(0x11);
    const value = { a: wide, b: wide - 1n, c: eleven, d: eleven, e: eleven };
    assert.deepEqual(rootOf(BLOCK_HEADER, header, "f"), type.hashTreeRoot(value));
  }
});
