// Shapes: an SSZ type together with the strict reader of its JSON form, so that a field can't be
// hashed without having been read strictly. @chainsafe/ssz computes the roots; its own `fromJson`
// is never used, since it takes "-1", "0x10" and bad hex digits for numbers and bytes. All uint64
// are bigints: a validator index above 2^53 must not be rounded.

import { setHasher } from "@chainsafe/persistent-merkle-tree";
import { hasher } from "@chainsafe/persistent-merkle-tree/hasher/as-sha256";
import {
  BitArray,
  BitListType,
  BitVectorType,
  BooleanType,
  ByteListType,
  ByteVectorType,
  type CompositeTypeAny,
  ContainerType,
  isCompositeType,
  ListBasicType,
  ListCompositeType,
  ProgressiveBitListType,
  ProgressiveByteListType,
  ProgressiveContainerType,
  ProgressiveListCompositeType,
  type Type,
  UintBigintType,
  VectorCompositeType,
} from "@chainsafe/ssz";
import { invariant } from "../../../../shared/invariant.ts";
import {
  JsonMismatch,
  member,
  readArray,
  readBoolean,
  readHex,
  readHexUpTo,
  readObject,
  readU64,
  readU256,
} from "../../json.ts";
import { PRESET_NAMES, PRESETS, type Preset, type PresetName } from "./preset.ts";

// The same SHA-256 as in `merkle.ts`; an aggregate takes half the time that it takes by default.
setHasher(hasher);

export type Shape = {
  readonly type: Type<unknown>;
  readonly read: (value: unknown, at: string) => unknown;
};

export type Fields = Readonly<Record<string, Shape>>;

/** The hash tree root of a JSON value. */
export function rootOf(shape: Shape, value: unknown, at: string): Uint8Array {
  return shape.type.hashTreeRoot(shape.read(value, at));
}

const U64_TYPE = new UintBigintType(8);

export const U64: Shape = { type: U64_TYPE, read: readU64 };
export const U256: Shape = { type: new UintBigintType(32), read: readU256 };
export const BOOLEAN: Shape = { type: new BooleanType(), read: readBoolean };

export function byteVector(byteCount: number): Shape {
  return {
    type: new ByteVectorType(byteCount),
    read: (value, at) => readHex(value, at, byteCount),
  };
}

export const ADDRESS = byteVector(20);
export const ROOT = byteVector(32);
export const PUBLIC_KEY = byteVector(48);
export const SIGNATURE = byteVector(96);
export const KZG_COMMITMENT = PUBLIC_KEY;

export function byteList(byteCountMax: number): Shape {
  return {
    type: new ByteListType(byteCountMax),
    read: (value, at) => readHexUpTo(value, at, byteCountMax),
  };
}

export function progressiveByteList(byteCountMax: number): Shape {
  return {
    type: new ProgressiveByteListType({ limit: byteCountMax }),
    read: (value, at) => readHexUpTo(value, at, byteCountMax),
  };
}

/** Exactly `bitCount` bits; the bits that fill up the last byte are zero. */
export function bitVector(bitCount: number): Shape {
  const byteCount = Math.ceil(bitCount / 8);
  const fillBits = byteCount * 8 - bitCount;
  return {
    type: new BitVectorType(bitCount),
    read: (value, at) => {
      const bytes = readHex(value, at, byteCount);
      if ((bytes[byteCount - 1] ?? 0) >> (8 - fillBits) !== 0) throw new JsonMismatch(at);
      return new BitArray(bytes, bitCount);
    },
  };
}

/**
 * A sentinel bit follows the last bit (simple-serialize.md, Bitlist); it is not one of the list.
 */
function readBitList(value: unknown, at: string, bitCountMax: number): BitArray {
  const bytes = readHexUpTo(value, at, Math.floor(bitCountMax / 8) + 1);
  const last = bytes.at(-1) ?? 0;
  if (last === 0) throw new JsonMismatch(at);
  const bitsOfLast = 31 - Math.clz32(last);
  const bitCount = (bytes.length - 1) * 8 + bitsOfLast;
  if (bitCount > bitCountMax) throw new JsonMismatch(at);
  bytes[bytes.length - 1] = last ^ (1 << bitsOfLast);
  return new BitArray(bitsOfLast === 0 ? bytes.subarray(0, -1) : bytes, bitCount);
}

export function bitList(bitCountMax: number): Shape {
  return {
    type: new BitListType(bitCountMax),
    read: (value, at) => readBitList(value, at, bitCountMax),
  };
}

export function progressiveBitList(bitCountMax: number): Shape {
  return {
    type: new ProgressiveBitListType({ limit: bitCountMax }),
    read: (value, at) => readBitList(value, at, bitCountMax),
  };
}

function readerOfItems(shape: Shape, countMax: number): Shape["read"] {
  return (value, at) =>
    readArray(value, at, countMax).map((item, index) => shape.read(item, `${at}[${index}]`));
}

function compositeTypeOf(shape: Shape): CompositeTypeAny {
  const { type } = shape;
  invariant(isCompositeType(type), "the items of this list are composite");
  return type;
}

export function u64List(countMax: number): Shape {
  return { type: new ListBasicType(U64_TYPE, countMax), read: readerOfItems(U64, countMax) };
}

export function list(item: Shape, countMax: number): Shape {
  return {
    type: new ListCompositeType(compositeTypeOf(item), countMax),
    read: readerOfItems(item, countMax),
  };
}

export function progressiveList(item: Shape, countMax: number): Shape {
  return {
    type: new ProgressiveListCompositeType(compositeTypeOf(item), { limit: countMax }),
    read: readerOfItems(item, countMax),
  };
}

export function vector(item: Shape, count: number): Shape {
  const readItems = readerOfItems(item, count);
  return {
    type: new VectorCompositeType(compositeTypeOf(item), count),
    read: (value, at) => {
      if (readArray(value, at, count).length !== count) throw new JsonMismatch(at);
      return readItems(value, at);
    },
  };
}

function typesOf(fields: Fields): Record<string, Type<unknown>> {
  return Object.fromEntries(Object.entries(fields).map(([name, { type }]) => [name, type]));
}

function readerOfFields(fields: Fields): Shape["read"] {
  const entries = Object.entries(fields);
  return (value, at) => {
    const object = readObject(value, at);
    const read: Record<string, unknown> = {};
    for (const [name, shape] of entries) {
      read[name] = shape.read(member(object, name), `${at}.${name}`);
    }
    return read;
  };
}

/** Fields are named as in the JSON, in the order of the specification. */
export function container(fields: Fields): Shape {
  return { type: new ContainerType(typesOf(fields)), read: readerOfFields(fields) };
}

/** EIP-7495 with all fields active. */
export function progressiveContainer(fields: Fields): Shape {
  const active = Object.keys(fields).map(() => true);
  return {
    type: new ProgressiveContainerType(typesOf(fields), active),
    read: readerOfFields(fields),
  };
}

/** Builds what depends on the preset when it is first asked for: types are slow to make. */
export function perPreset<T>(build: (preset: Preset) => T): (name: PresetName) => T {
  const built = new Map<PresetName, T>();
  return (name) => {
    const present = built.get(name);
    if (present !== undefined) return present;
    invariant(PRESET_NAMES.includes(name), "the preset is known");
    const made = build(PRESETS[name]);
    built.set(name, made);
    return made;
  };
}
