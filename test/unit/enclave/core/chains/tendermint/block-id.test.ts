import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeBlockId,
  parseBlockId,
} from "../../../../../../enclave/core/chains/tendermint/block-id.ts";
import {
  BLOCK,
  fromHex,
  HASH,
  hexOf,
  NIL_BLOCK,
  OTHER_HASH,
  type Wire,
  wire,
} from "../../../../../fakes/privval-node.ts";

const H = hexOf(HASH);

test("a block has both hashes and the number of its parts, in Go's bytes", () => {
  const bytes = fromHex(`0a20${H}122608c0843d1220${H}`);
  assert.equal(hexOf(bytes), hexOf(wire(BLOCK)));
  const blockId = parseBlockId(bytes);
  assert.deepEqual(blockId, {
    hash: HASH,
    partCount: 1_000_000,
    partsHash: HASH,
  });
  assert(blockId !== null && blockId !== undefined);
  assert.equal(hexOf(encodeBlockId(blockId)), hexOf(bytes));
});

test("nothing, an empty header of parts and explicit zeros are no block", () => {
  for (const hex of ["", "1200", "0a00", "0a001204 0800 1200"]) {
    assert.equal(parseBlockId(fromHex(hex)), null, hex);
  }
  assert.equal(hexOf(encodeBlockId(null)), hexOf(wire(NIL_BLOCK)));
});

test("what is neither complete nor empty is malformed", () => {
  const rows: readonly Wire[] = [
    { 1: HASH },
    { 2: { 1: 1, 2: HASH } },
    { 1: HASH, 2: {} },
    { 1: HASH, 2: { 1: 1 } },
    { 1: HASH, 2: { 2: HASH } },
    { 1: HASH, 2: { 1: 0, 2: HASH } },
    { 2: { 1: 1 } },
    { 2: { 2: HASH } },
    { 1: HASH.subarray(1), 2: { 1: 1, 2: HASH } },
    { 1: new Uint8Array(33), 2: { 1: 1, 2: HASH } },
    { 1: HASH, 2: { 1: 1, 2: HASH.subarray(1) } },
    { 1: HASH, 2: { 1: 1, 2: new Uint8Array(33) } },
    { 1: HASH, 2: { 1: 2 ** 32, 2: HASH } },
    { 1: HASH, 2: { 1: -1, 2: HASH } },
    { 1: HASH, 2: Uint8Array.of(0xff) },
    { 1: 5, 2: { 1: 1, 2: HASH } },
  ];
  for (const fields of rows) assert.equal(parseBlockId(wire(fields)), undefined);
  assert.equal(parseBlockId(fromHex("0a")), undefined);
  assert.equal(parseBlockId(fromHex("0a000a00")), undefined);
});

test("the number of parts has 32 bits, and one part is enough", () => {
  for (const count of [1, 2 ** 32 - 1]) {
    const blockId = parseBlockId(wire({ 1: HASH, 2: { 1: count, 2: OTHER_HASH } }));
    assert.equal(blockId?.partCount, count);
    assert.deepEqual(blockId?.partsHash, OTHER_HASH);
  }
});
