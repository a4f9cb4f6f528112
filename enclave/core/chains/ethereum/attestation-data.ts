// AttestationData, the one message that every validator signs in every epoch: read and hashed by
// hand. From Electra on (EIP-7549) all validators of a network sign the same data in a slot, so the
// last result is kept and compared by text. It must never answer for data that differs in a digit.

import { type JsonObject, member, readHex, readObject, readU64 } from "../../json.ts";
import { CHUNK_BYTES, hashPairInto, writeU64, ZERO_CHUNK, ZERO_PAIR } from "./merkle.ts";
import { ROOT_BYTES } from "./network.ts";

export type AttestationData = {
  readonly slot: bigint;
  readonly source: bigint;
  readonly target: bigint;
  readonly root: Uint8Array;
};

/** The seven values as they are in the JSON, each a string once they have been read. */
type Texts = readonly [unknown, unknown, unknown, unknown, unknown, unknown, unknown];

let lastTexts: Texts | null = null;
let lastData: AttestationData | null = null;

// Scratch space: the core is synchronous, so that nobody else runs between two of these lines.
const left = new Uint8Array(CHUNK_BYTES);
const right = new Uint8Array(CHUNK_BYTES);
const slotAndIndex = new Uint8Array(CHUNK_BYTES);
const sourceRoot = new Uint8Array(CHUNK_BYTES);
const targetRoot = new Uint8Array(CHUNK_BYTES);

export function readAttestationData(value: unknown, at: string): AttestationData {
  const object = readObject(value, at);
  const source = readObject(member(object, "source"), `${at}.source`);
  const target = readObject(member(object, "target"), `${at}.target`);
  const texts = textsOf(object, source, target);
  if (lastTexts !== null && lastData !== null && isSame(texts, lastTexts)) return lastData;
  const data = readTexts(texts, at);
  lastTexts = texts;
  lastData = data;
  return data;
}

function textsOf(object: JsonObject, source: JsonObject, target: JsonObject): Texts {
  return [
    member(object, "slot"),
    member(object, "index"),
    member(object, "beacon_block_root"),
    member(source, "epoch"),
    member(source, "root"),
    member(target, "epoch"),
    member(target, "root"),
  ];
}

/** Strings are compared by content; everything else is different, and refused when it is read. */
function isSame(a: Texts, b: Texts): boolean {
  return a.every((text, index) => text === b[index]);
}

function readTexts(texts: Texts, at: string): AttestationData {
  const slot = readU64(texts[0], `${at}.slot`);
  const index = readU64(texts[1], `${at}.index`);
  const blockRoot = readHex(texts[2], `${at}.beacon_block_root`, ROOT_BYTES);
  const source = readU64(texts[3], `${at}.source.epoch`);
  hashCheckpoint(source, readHex(texts[4], `${at}.source.root`, ROOT_BYTES), sourceRoot);
  const target = readU64(texts[5], `${at}.target.epoch`);
  hashCheckpoint(target, readHex(texts[6], `${at}.target.root`, ROOT_BYTES), targetRoot);

  // Five fields under a tree of eight leaves:
  // ((slot, index), (beacon_block_root, source)), ((target, 0), (0, 0))
  writeU64(left.fill(0), slot);
  writeU64(right.fill(0), index);
  hashPairInto(left, right, slotAndIndex);
  hashPairInto(blockRoot, sourceRoot, right);
  hashPairInto(slotAndIndex, right, left);
  hashPairInto(targetRoot, ZERO_CHUNK, right);
  hashPairInto(right, ZERO_PAIR, right);
  const root = new Uint8Array(CHUNK_BYTES);
  hashPairInto(left, right, root);
  return { slot, source, target, root };
}

function hashCheckpoint(epoch: bigint, root: Uint8Array, checkpointRoot: Uint8Array): void {
  writeU64(left.fill(0), epoch);
  hashPairInto(left, root, checkpointRoot);
}
