// Protobuf's wire format, as far as Tendermint's messages need it: varints, 64-bit fixed numbers,
// bytes and nested messages. Which fields there are is the caller's table; what it does not list is
// skipped, as nodes add fields, unless the caller wants it refused. It must never take one encoding
// for two messages: a listed field that comes twice, or in another wire type, refuses the whole.

import { invariant } from "../invariant.ts";
import { concatBytes } from "./compare.ts";

export type ProtoKind = "varint" | "fixed64" | "bytes";
/** Of a message: the fields that are looked at, by number. */
export type ProtoFields = Readonly<Record<number, ProtoKind>>;
/** A varint or fixed number as the unsigned 64 bits that it is, or a view of the bytes. */
export type ProtoValue = bigint | Uint8Array;
/** What a message holds of its listed fields, by number. */
export type ProtoValues = ReadonlyMap<number, ProtoValue>;

const WIRE_TYPES: Readonly<Record<ProtoKind, number>> = { varint: 0, fixed64: 1, bytes: 2 };
const FIXED32 = 5;
const U64_END = 2n ** 64n;
const VARINT_BYTES_MAX = 10;
const NO_BYTES = new Uint8Array(0);
/**
 * Fields of one message, known or not. CometBFT's messages have 13 at most, but a proposal of Sei
 * lists the key of each of its transactions: some thousand fields that are skipped.
 */
export const FIELD_COUNT_MAX = 16_384;

type Read<T> = { readonly value: T; readonly end: number };

/** The listed fields that are there; undefined for bytes that are no such message. */
export function parseProto(
  bytes: Uint8Array,
  fields: ProtoFields,
  others: "skip" | "refuse" = "skip",
): ProtoValues | undefined {
  const values = new Map<number, ProtoValue>();
  let at = 0;
  for (let count = 0; at < bytes.length; count++) {
    if (count === FIELD_COUNT_MAX) return undefined;
    const tag = readVarint(bytes, at);
    if (tag === undefined || tag.value >= 2n ** 32n) return undefined;
    const number = Number(tag.value >> 3n);
    const wireType = Number(tag.value & 7n);
    const read = number === 0 ? undefined : readValue(bytes, tag.end, wireType);
    if (read === undefined) return undefined;
    at = read.end;
    const kind = fields[number];
    if (kind === undefined && others === "refuse") return undefined;
    if (kind === undefined) continue;
    if (WIRE_TYPES[kind] !== wireType || values.has(number)) return undefined;
    values.set(number, read.value);
  }
  return values;
}

/** Groups (wire types 3 and 4) are in no message of proto3. */
function readValue(bytes: Uint8Array, at: number, wireType: number): Read<ProtoValue> | undefined {
  switch (wireType) {
    case WIRE_TYPES.varint:
      return readVarint(bytes, at);
    case WIRE_TYPES.fixed64: {
      if (at + 8 > bytes.length) return undefined;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      return { value: view.getBigUint64(at, true), end: at + 8 };
    }
    case WIRE_TYPES.bytes: {
      const length = readVarint(bytes, at);
      if (length === undefined || length.value > BigInt(bytes.length - length.end)) {
        return undefined;
      }
      const end = length.end + Number(length.value);
      return { value: bytes.subarray(length.end, end), end };
    }
    case FIXED32:
      return at + 4 > bytes.length ? undefined : { value: 0n, end: at + 4 };
    default:
      return undefined;
  }
}

/** A field of kind varint or fixed64; zero when it is left out, as proto3 has it. */
export function numberIn(values: ProtoValues, number: number): bigint {
  const value = values.get(number) ?? 0n;
  invariant(typeof value === "bigint", "the field was listed as a number");
  return value;
}

/** A field of kind bytes; empty when it is left out. */
export function bytesIn(values: ProtoValues, number: number): Uint8Array {
  const value = values.get(number) ?? NO_BYTES;
  invariant(typeof value !== "bigint", "the field was listed as bytes");
  return value;
}

/** An int64 field. */
export function int64In(values: ProtoValues, number: number): bigint {
  return BigInt.asIntN(64, numberIn(values, number));
}

/** An int32 field; undefined for what does not fit. Negative numbers have ten bytes (no zigzag). */
export function int32In(values: ProtoValues, number: number): number | undefined {
  const value = int64In(values, number);
  return BigInt.asIntN(32, value) === value ? Number(value) : undefined;
}

/** A uint32 field; undefined for what does not fit. */
export function uint32In(values: ProtoValues, number: number): number | undefined {
  const value = numberIn(values, number);
  return value < 2n ** 32n ? Number(value) : undefined;
}

/** The shortest form of a number below 2^64, and no other. */
export function readVarint(bytes: Uint8Array, at: number): Read<bigint> | undefined {
  const first = bytes[at];
  // Nearly all are below 128: lengths and tags of thousands of skipped fields among them.
  if (first !== undefined && first < 0x80) return { value: BigInt(first), end: at + 1 };
  let value = 0n;
  for (let index = 0; index < VARINT_BYTES_MAX; index++) {
    const byte = bytes[at + index];
    if (byte === undefined) return undefined;
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte >= 0x80) continue;
    // A last byte of zero says nothing: there is a shorter form.
    return byte !== 0 && value < U64_END ? { value, end: at + index + 1 } : undefined;
  }
  return undefined;
}

export function encodeVarint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** A number of a varint field; negative ones take ten bytes. Zero is left out, as in proto3. */
export function protoVarint(number: number, value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0);
  return concatBytes(tagOf(number, "varint"), encodeVarint(value));
}

/** A number of an sfixed64 field. Zero is left out. */
export function protoFixed64(number: number, value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value, true);
  return concatBytes(tagOf(number, "fixed64"), bytes);
}

/** Bytes, or a text's UTF-8. Empty ones are left out. */
export function protoBytes(number: number, bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? bytes : protoMessage(number, bytes);
}

/** A nested message: there, even when it is empty. */
export function protoMessage(number: number, bytes: Uint8Array): Uint8Array {
  return concatBytes(tagOf(number, "bytes"), encodeDelimited(bytes));
}

/** With its length in front. */
export function encodeDelimited(bytes: Uint8Array): Uint8Array {
  return concatBytes(encodeVarint(BigInt(bytes.length)), bytes);
}

function tagOf(number: number, kind: ProtoKind): Uint8Array {
  return encodeVarint(BigInt(number * 8 + WIRE_TYPES[kind]));
}
