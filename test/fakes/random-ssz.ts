// Random values of any SSZ type of @lodestar/types, from a seed, for comparing roots. Numbers stay
// within 2^53 where Lodestar holds them as JavaScript numbers.

import {
  BitArray,
  BitListType,
  BitVectorType,
  BooleanType,
  ByteListType,
  ByteVectorType,
  ContainerType,
  ListBasicType,
  ListCompositeType,
  ProgressiveBitListType,
  ProgressiveByteListType,
  ProgressiveContainerType,
  ProgressiveListBasicType,
  ProgressiveListCompositeType,
  type Type,
  UintBigintType,
  UintNumberType,
  VectorBasicType,
  VectorCompositeType,
} from "@chainsafe/ssz";

export type Random = {
  /** From 0 up to, not including, `bound`. */
  below(bound: number): number;
  bytes(count: number): Uint8Array;
};

/** mulberry32: small, and the same everywhere. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const below = (bound: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
  return { below, bytes: (count) => Uint8Array.from({ length: count }, () => below(256)) };
}

type AnyFields = Readonly<Record<string, Type<unknown>>>;
type FieldType = Type<unknown> & { readonly fields: AnyFields };
type ItemType = Type<unknown> & { readonly elementType: Type<unknown> };

function hasFields(type: Type<unknown>): type is FieldType {
  return type instanceof ContainerType || type instanceof ProgressiveContainerType;
}

function isVector(type: Type<unknown>): type is ItemType & { readonly length: number } {
  return type instanceof VectorBasicType || type instanceof VectorCompositeType;
}

function isList(type: Type<unknown>): type is ItemType & { readonly limit: number } {
  return (
    type instanceof ListBasicType ||
    type instanceof ListCompositeType ||
    type instanceof ProgressiveListBasicType ||
    type instanceof ProgressiveListCompositeType
  );
}

export function randomValue(type: Type<unknown>, random: Random): unknown {
  if (type instanceof BooleanType) return random.below(2) === 1;
  if (type instanceof UintNumberType) {
    return type.byteLength === 8 ? random.below(2 ** 52) : random.below(256 ** type.byteLength);
  }
  if (type instanceof UintBigintType) {
    return BigInt(`0x${Buffer.from(random.bytes(type.byteLength)).toString("hex")}`);
  }
  if (type instanceof ByteVectorType) return random.bytes(type.lengthBytes);
  if (type instanceof ByteListType || type instanceof ProgressiveByteListType) {
    return random.bytes(random.below(Math.min(type.maxSize, 80) + 1));
  }
  if (type instanceof BitVectorType) return randomBits(type.lengthBits, random);
  if (type instanceof BitListType || type instanceof ProgressiveBitListType) {
    return randomBits(random.below(Math.min(type.limitBits, 1100) + 1), random);
  }
  if (hasFields(type)) {
    const entries = Object.entries(type.fields);
    return Object.fromEntries(entries.map(([name, field]) => [name, randomValue(field, random)]));
  }
  if (isVector(type)) {
    return Array.from({ length: type.length }, () => randomValue(type.elementType, random));
  }
  if (isList(type)) {
    const count = random.below(Math.min(type.limit, 4) + 1);
    return Array.from({ length: count }, () => randomValue(type.elementType, random));
  }
  throw new Error(`no random value for ${type.typeName}`);
}

function randomBits(count: number, random: Random): BitArray {
  return BitArray.fromBoolArray(Array.from({ length: count }, () => random.below(2) === 1));
}
